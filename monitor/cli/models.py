"""A model that nobody knows is a slip of the keyboard, not an empty result."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection


def require_served(connection: Connection, model: str | None) -> None:
    """Do nothing where it is None, or a prediction of it was ever counted.

    Raises:
        BadParameter: naming the model that was probably meant, or those that there are.
    """
    from monitor.store.queries.catalogue import served_models

    if model is None:
        return
    known = list(dict.fromkeys(one.model for one in served_models(connection)))
    if model in known:
        return
    if not known:
        raise typer.BadParameter(f"--model {model!r}: no prediction of any model has arrived yet")
    meant = get_close_matches(model, known, 1)
    there_are = f"did you mean {meant[0]!r}?" if meant else f"there are {', '.join(map(repr, sorted(known)[:20]))}"
    raise typer.BadParameter(f"--model {model!r}: no prediction of it has arrived; {there_are}")
