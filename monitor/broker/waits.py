"""Waits of kafka-python 3.0.12 that run out of time, without what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError


def forget_waits(consumer: KafkaConsumer) -> KafkaConsumer:
    """Let no error of a wait outlive it.

    The client's thread leaves an error in a variable of the frames that it came through, so that they hold each other
    until a search for cycles. They also hold what was waited for, which becomes an answer of megabytes; and dozens of
    waits a second run out of time.
    """
    consumer._net.run = _forgetting(consumer._net.run)
    return consumer


def _forgetting(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def careful(*args: Any) -> Any:
        try:
            return run(*args)
        except KafkaTimeoutError as error:
            raise error.with_traceback(None)  # noqa: B904 (it is the same)

    return careful
