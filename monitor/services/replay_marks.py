"""Which records that name a replay do come from one: the name frees them from age limit, sampling and retention."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from monitor.domain.records import REPLAY_HEADER, Batch, Record
from monitor.store import replays
from monitor.store.engine import transaction


class ReplayMarks:
    """Remembers the replays that this database knows. One per process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: set[str] = set()

    def checked(self, batch: Batch) -> Batch:
        """The batch, in which records that name a replay nobody registered have a fault instead of the name.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        named = {name for record in batch.records if record.headers and (name := record.replay)} - self._known
        if not named:
            return batch
        with transaction(self._engine) as connection:
            self._known |= replays.registered(connection, named)
        forged = named - self._known
        if not forged:
            return batch
        records = tuple(_disowned(one) if one.replay in forged else one for one in batch.records)
        return replace(batch, records=records)


def _disowned(record: Record) -> Record:
    """As a live record would be refused: dead letters of replays are kept for ever too."""
    fault = record.fault or (
        f"its header {REPLAY_HEADER} names a replay that this database does not know; `snellen replay` enters each "
        "before it sends"
    )
    headers = tuple(one for one in record.headers if one[0] != REPLAY_HEADER)
    return replace(record, headers=headers, fault=fault)
