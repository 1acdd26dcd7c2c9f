"""Things done one after the other, none of which suffers from a fault of those before it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from monitor.errors import SnellenError

log = logging.getLogger(__name__)

T = TypeVar("T")


def attempt_all(named: Iterable[tuple[str, Callable[[], T]]]) -> list[T]:
    """Do each and return what came of them. One that fails is logged with its name, and the next has its turn.

    Raises:
        Exception: the first fault, after the last was done.
    """
    done: list[T] = []
    faults: list[Exception] = []
    for name, do in named:
        try:
            done.append(do())
        except SnellenError as error:
            log.error("failed: %s: %s", name, error)  # noqa: TRY400 (expected faults need no traceback)
            faults.append(error)
        except Exception as error:
            log.exception("failed: %s", name)
            faults.append(error)
    if faults:
        raise faults[0]
    return done
