"""What a member of a group knows of the partitions that it was given: where it reads on, or that it must ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from kafka import TopicPartition

from monitor.domain.records import Partition

ASKED_AGAIN_S = 10.0
"""After so long a partition is asked for again of which nobody knew anything, such as one that has no leader."""


class Reading(NamedTuple):
    """A partition that we read, and the offset that comes next."""

    partition: Partition
    next: int


class Assignment:
    """The client's I/O thread assigns and revokes, between any two lines of the poll thread, which does all else."""

    def __init__(self) -> None:
        self._noting = threading.Lock()
        """Held for the length of a note, by whoever changes what follows."""
        self.unsettled: set[TopicPartition] = set()
        """Those that wait for their position; always the same set."""
        self.rebalances = 0
        self._cut: set[TopicPartition] = set()
        self._unanswered: dict[TopicPartition, float] = {}
        """Of the unsettled: when they may be asked for again."""
        self._reading: dict[TopicPartition, Reading] = {}

    # ---- called by the client's I/O thread --------------------------------------------------------------------------

    def assign(self, assigned: Iterable[TopicPartition]) -> None:
        with self._noting:
            self.rebalances += 1
            self.unsettled |= set(assigned)

    def revoke(self, revoked: Iterable[TopicPartition]) -> None:
        with self._noting:
            self.rebalances += 1
            for one in revoked:
                self.unsettled.discard(one)
                self._cut.discard(one)
                self._reading.pop(one, None)

    # ---- called by the poll thread: what is read ---------------------------------------------------------------------

    def get(self, one: TopicPartition) -> Reading | None:
        """None: it waits for its position, or is not ours."""
        return self._reading.get(one)

    def readings(self) -> list[tuple[TopicPartition, Reading]]:
        return list(self._reading.items())

    def begin(self, one: TopicPartition, reading: Reading, rebalances: int) -> bool:
        """False: the group has changed since its offset was asked for. If it is still ours, it must be asked again."""
        with self._noting:
            if self.rebalances != rebalances:
                return False
            self._cut.discard(one)
            self._reading[one] = reading
            self.unsettled.discard(one)
            return True

    def read_on(self, one: TopicPartition, reading: Reading, after: int) -> bool:
        """False: it was taken away meanwhile."""
        with self._noting:
            if self._reading.get(one) is not reading:
                return False
            self._reading[one] = Reading(reading.partition, after)
            return True

    # ---- called by the poll thread: what waits -----------------------------------------------------------------------

    def unsettle(self, one: TopicPartition, *, cut: bool) -> None:
        """Where to read on must be asked; `cut`: its log ends before what was read."""
        with self._noting:
            if self._reading.pop(one, None) is not None:  # else it was taken away, or waits already
                self.unsettled.add(one)
                if cut:
                    self._cut.add(one)

    def is_cut(self, one: TopicPartition) -> bool:
        return one in self._cut

    def due(self) -> set[TopicPartition]:
        """Those of the unsettled that may be asked for now."""
        now = time.monotonic()
        self._unanswered = {one: again for one, again in self._unanswered.items() if again > now}
        return self.unsettled - set(self._unanswered)

    def set_aside(self, unanswered: Iterable[TopicPartition]) -> None:
        """Nobody knew anything of them: they are asked for again after a while."""
        self._unanswered |= dict.fromkeys(unanswered, time.monotonic() + ASKED_AGAIN_S)

    def is_held_up(self) -> bool:
        """Does any wait that was not set aside?"""
        return bool(self.unsettled - set(self._unanswered))

    def clear(self) -> None:
        with self._noting:
            self.unsettled.clear()
            self._cut.clear()
            self._unanswered.clear()
            self._reading.clear()
