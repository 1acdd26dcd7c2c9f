"""Which slices get rows of their own: an allow-list of dimensions, and a cap on the values of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Engine, text

from monitor.domain.slices import OTHER
from monitor.store import locks
from monitor.store.engine import transaction


class SliceValues:
    """Remembers the values that count by themselves. One per process; the database is the common memory."""

    def __init__(self, dimensions: Iterable[str], cap: int) -> None:
        self.dimensions = tuple(sorted(set(dimensions)))
        self._cap = cap
        self._known: set[tuple[str, str]] = set()

    def admit(self, engine: Engine, all_slices: Iterable[Mapping[str, str]]) -> None:
        """Take up values never seen, as long as their dimension is below the cap; in a transaction of its own.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        seen = {(name, slices[name]) for slices in all_slices for name in self.dimensions if name in slices}
        if not seen <= self._known:
            with transaction(engine) as connection:
                known = self._insert(connection, seen)
            self._known = known

    def of(self, slices: Mapping[str, str]) -> list[tuple[str, str]]:
        """The (dimension, value) pairs that an event counts under, beyond all traffic."""
        found = []
        for dimension in self.dimensions:
            value = slices.get(dimension)
            if value is not None:
                pair = (dimension, value)
                found.append(pair if pair in self._known else (dimension, OTHER))
        return found

    def _insert(self, connection: Connection, seen: set[tuple[str, str]]) -> set[tuple[str, str]]:
        locks.wait_for(connection, locks.SLICE_VALUES)
        known = _read(connection)
        for dimension, value in sorted(seen - known):
            if sum(one == dimension for one, _ in known) < self._cap:
                known.add((dimension, value))
                connection.execute(
                    text("INSERT INTO slice_values (dimension, value) VALUES (:dimension, :value)"),
                    {"dimension": dimension, "value": value},
                )
        return known


def _read(connection: Connection) -> set[tuple[str, str]]:
    return {(row.dimension, row.value) for row in connection.execute(text("SELECT dimension, value FROM slice_values"))}
