"""Which models are counted: at most so many of the last days, since in some logs whoever asks chooses the name."""

from __future__ import annotations

from collections.abc import Collection, Set
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from monitor.domain.events import Prediction
from monitor.store import locks
from monitor.store.copy import raw
from monitor.store.engine import transaction

REMEMBERED: Final = timedelta(days=7)
"""A model of which nothing came for so long makes room for another."""


class ModelKey(NamedTuple):
    """Under what a prediction is counted, beside its variant."""

    model: str
    version: str
    task: str

    @classmethod
    def of(cls, event: Prediction) -> ModelKey:
        return cls(event.model.name, event.model.version, event.task)


class ServedModels:
    """Remembers the models of a day that count. One per process; the database is the common memory."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._day = date.min
        self._known: set[ModelKey] = set()

    def refresh(self, now: datetime) -> None:
        """On a new day all that comes is noted anew."""
        if self._day != now.date():
            self._day, self._known = now.date(), set()

    def beyond(self, engine: Engine, seen: Set[ModelKey]) -> dict[ModelKey, str]:
        """Those of these models that are too many, and what to say of each; the others are taken up, in a transaction
        of its own.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        new = seen - self._known
        if not new:
            return {}
        with transaction(engine) as connection:
            admitted = self._admit(connection, new)
        self._known |= admitted
        return {key: self._fault(key) for key in new - admitted}

    def _admit(self, connection: Connection, new: Set[ModelKey]) -> set[ModelKey]:
        locks.wait_for(connection, locks.MODELS)
        connection.execute(text("DELETE FROM served_models WHERE seen_on < :since"), {"since": self._day - REMEMBERED})
        known = _read(connection)
        room = max(self._cap - len(known), 0)
        admitted = {*(new & known), *sorted(new - known)[:room]}
        _note(connection, admitted, self._day)
        return admitted

    def _fault(self, key: ModelKey) -> str:
        return (
            f"model {key.model!r}, version {key.version!r}, task {key.task!r} is one more than the {self._cap} of the "
            f"last {REMEMBERED.days} days (ingest.max_models): raise it, or mend what names models, and replay"
        )


def _read(connection: Connection) -> set[ModelKey]:
    rows = connection.execute(text("SELECT model, version, task FROM served_models"))
    return {ModelKey(*row) for row in rows}


def _note(connection: Connection, keys: Collection[ModelKey], today: date) -> None:
    if keys:
        raw(connection).cursor().executemany(
            "INSERT INTO served_models (model, version, task, seen_on) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (model, version, task) DO UPDATE SET seen_on = greatest(served_models.seen_on, "
            "EXCLUDED.seen_on)",
            [(*key, today) for key in sorted(keys)],
        )
