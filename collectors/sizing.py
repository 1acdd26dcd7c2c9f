"""How many records to store at once: more while PostgreSQL is fast, fewer while it is slow."""

from __future__ import annotations


class Sizing:
    """Aims at `target_s` for one transaction, between `smallest` and `largest` records.

    Large batches cost less per record; small ones hold locks and memory for a shorter time, and less is repeated after
    a fault. A step changes the size by a factor of two at most: one slow checkpoint says little.
    """

    def __init__(self, smallest: int, largest: int, target_s: float) -> None:
        self._smallest, self._largest, self._target_s = min(smallest, largest), largest, target_s
        self.records = largest
        """The size of the next batch."""

    def overran(self, records: int) -> None:
        """A batch of so many records takes longer than PostgreSQL works on one. May go below the smallest size."""
        self.records = max(min(self.records, records) // 2, 1)

    def took(self, records: int, seconds: float) -> None:
        """A batch of so many records was stored in so many seconds."""
        fitting = records * self._target_s / max(seconds, 1e-6)
        if fitting > self.records and records < self.records:
            return  # a batch that was not full says only that it was no problem
        wanted = min(max(fitting, self.records / 2), 2.0 * self.records)
        self.records = int(min(max(wanted, self._smallest), self._largest))
