"""A name that nobody knows is a slip of the keyboard, not an empty result."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection


def require_served(connection: Connection, model: str | None, version: str | None = None) -> None:
    """Do nothing where they are None, or a prediction of them was ever counted.

    Raises:
        BadParameter: naming the one that was probably meant, or those that there are.
    """
    from monitor.store.queries.catalogue import served_models

    served = served_models(connection)
    require_known("--model", model, [one.model for one in served], "no prediction of it has arrived")
    of_model = [one.version for one in served if model in (None, one.model)]
    require_known("--version", version, of_model, "no prediction of it has arrived")


def require_replayed(connection: Connection, replay: str | None) -> None:
    """Do nothing where it is None, or a replay was ever begun under this id.

    Raises:
        BadParameter: naming the one that was probably meant, or those that there are.
    """
    from monitor.store.queries.catalogue import replays

    require_known("--replay", replay, replays(connection), "no replay has this id")


def require_known(option: str, name: str | None, known: Collection[str], fault: str) -> None:
    """Do nothing where it is None, or among those that are known.

    Raises:
        BadParameter: with the fault, naming the one that was probably meant, or those that there are.
    """
    if name is None or name in known:
        return
    meant = get_close_matches(name, known, 1)
    others = f"there are {', '.join(map(repr, sorted(set(known))[:20]))}" if known else "nor is there any other"
    raise typer.BadParameter(f"{option} {name!r}: {fault}; {f'did you mean {meant[0]!r}?' if meant else others}")
