"""A Kafka record as the services see it: bytes with their place, no client type."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

REPLAY_HEADER = "snellen-replay"
"""Record header naming the replay that sent it; such events may be of any age and are exempt from retention."""
DEAD_LETTER_HEADER = "snellen-dead-letter"
"""Record header with the number of the dead letter that this record repeats (`snellen dlq replay`)."""
HALF_HEADER = "snellen-half"
"""Record header of a side of a call that waited and was refused: the value is no record of its topic's format, but what
is kept of such sides, see `monitor.domain.kept_halves`. It holds one of the two below."""
WAITED, UNPAIRED = b"waited", b"unpaired"
"""Refused with its call; never met its other side, and counted as lost."""
TOPIC_HEADER = "snellen-topic"
"""Record header with the topic that a repeated record stood in. Others read that one too, and may act upon what is in
it, so a topic that is not ours is never written to: the record is repeated in one that is."""
OURS = (REPLAY_HEADER, DEAD_LETTER_HEADER, HALF_HEADER, TOPIC_HEADER)
"""Headers that hold a number or a name of ours, never a person's data."""
MARK = "snellen-"
"""How they begin."""
MAX_DIGITS = 19
"""Fewer digits than this always fit a bigint."""


class Partition(NamedTuple):
    """One log. `topic_id` differs when a topic of the same name is made anew, so offsets of the two never mix."""

    cluster_id: str
    topic: str
    topic_id: str
    number: int


@dataclass(slots=True)
class Record:
    """Nobody changes one, but freezing it would take five times as long to make it, thousands of times a second."""

    partition: Partition
    offset: int
    timestamp_ms: int
    """As the producer or broker stamped it; -1 when none."""
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    fault: str | None = None
    """Why the client could not read it, and which records it stands for; None: it could."""
    marked: bool = field(default=True, compare=False)
    """False: certainly none of the headers above is there. Logs may have a dozen headers for each record."""

    @property
    def replay(self) -> str | None:
        content = self._ours(REPLAY_HEADER) if self.marked else None
        return content.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}") if content else None

    @property
    def dead_letter(self) -> int | None:
        """The number of the dead letter that it repeats, as its sender says."""
        if not self.marked:
            return None
        for name, content in self.headers:
            if name == DEAD_LETTER_HEADER and content.isdigit() and len(content) < MAX_DIGITS:
                return int(content)
        return None

    @property
    def origin(self) -> bytes | None:
        """What `TOPIC_HEADER` says; None: it stands where it was written first."""
        return self._ours(TOPIC_HEADER) if self.marked else None

    @property
    def half(self) -> bytes | None:
        """What `HALF_HEADER` says; None: it is a record of its topic's format."""
        return self._ours(HALF_HEADER) if self.marked else None

    def _ours(self, header: str) -> bytes | None:
        return next((content for name, content in self.headers if name == header), None)


def as_first_written(record: Record) -> Record:
    """The record in the topic whose format it has: the same one, unless it is repeated in one of ours."""
    origin = record.origin
    if origin is None:
        return record
    return replace(record, partition=record.partition._replace(topic=origin.decode("utf-8", "replace")))


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one or more partitions, with the stored offset each must start from."""

    records: tuple[Record, ...]
    expected: dict[Partition, int]
    """What `stream_offsets` must hold now; another value means that another consumer owns the partition."""
    following: dict[Partition, int]
    """What it holds after the batch."""
    end_offsets: dict[Partition, int]
    """The log ends as last seen, for lag."""

    def cut(self, records: int) -> tuple[Batch, Batch]:
        """So many of the records and the others, one at least each: the second batch goes on where the first ends.

        >>> log = Partition("c", "t", "i", 0)
        >>> both = Batch((Record(log, 5, -1, b""), Record(log, 8, -1, b"")), {log: 4}, {log: 9}, {log: 9})
        >>> first, second = both.cut(1)
        >>> [(one.expected[log], one.following[log]) for one in (first, second)]
        [(4, 6), (6, 9)]
        """
        begin, rest = self.records[:records], self.records[records:]
        later = {one.partition for one in rest}
        reached = {one.partition: one.offset + 1 for one in begin}
        first = {one: reached[one] if one in later else self.following[one] for one in reached}
        return (
            Batch(begin, {one: self.expected[one] for one in first}, first, self.end_offsets),
            Batch(
                rest,
                {one: first.get(one, self.expected[one]) for one in later},
                {one: self.following[one] for one in later},
                self.end_offsets,
            ),
        )
