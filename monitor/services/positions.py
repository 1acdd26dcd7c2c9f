"""Where a consumer group reads on: PostgreSQL decides, not Kafka's commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Engine

from monitor.domain.records import Partition
from monitor.store import offsets
from monitor.store.engine import transaction


class Positions:
    """The stored offsets of one group."""

    def __init__(self, engine: Engine, group: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._group = group
        self._clock = clock

    def start(self, partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        """Where to read a partition on; see `offsets.starting_offset`.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        with transaction(self._engine) as connection:
            return offsets.starting_offset(
                connection, self._group, partition, beginning, self._clock(), beyond_end=beyond_end
            )

    def note_ends(self, ends: Mapping[Partition, int]) -> None:
        """Remember log ends, so that lag is known also where nothing arrives.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        with transaction(self._engine) as connection:
            offsets.note_ends(connection, self._group, ends.items(), self._clock())
