"""Take batches of records apart: as kafka-python 3.0.12 does, at half its cost, and without what stops a partition.

That client refuses a batch that it cannot unpack or take apart again and again: nothing after it would ever be read.
Here such a batch ends in one record without content at the batch's last offset, which says why; it becomes a dead
letter, and what follows is read. So do records whose header names are no UTF-8: what cannot be decoded is written out
as `\\xff`.

Nor does it ask how much it hands out at once, or holds: a megabyte can be a gigabyte of records.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, ClassVar, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.record.default_records import DefaultRecordBatch

from monitor.broker.headers import Headers, headers_at
from monitor.broker.receiving import receive_in_larger_pieces
from monitor.broker.unpacking import CODECS, MAX_UNPACKED, Unread, unpack, unpack_in_bounds
from monitor.domain.records import MARK
from monitor.domain.varints import LONG, varint

_MODERN: Final = 2
_MARK: Final = MARK.encode()
_NONE: Final = 1
"""The size of what is not there, -1, as it is coded."""
TAKEN_BYTES: Final = 1024 * 1024
"""After so many no further record is taken at once. How large one is shows only when it is there."""
LARGE: Final = 4 * 1024 * 1024
"""A batch that is unpacked to more is read to its end, not set aside: of many partitions each may hold one."""
_BEHIND_HEADER: Final = DefaultRecordBatch.HEADER_STRUCT.size


class RawRecord(NamedTuple):
    """What we ask of a record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    marked: bool = False
    """May a header of ours be among them?"""


class _Records(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """What was fetched of one partition."""

    unpacked = 0
    """Bytes of the batch that is being read, until its last record is taken."""
    is_full = False
    """Were `TAKEN_BYTES` taken the last time?"""
    _next_inline_exception: Exception | None
    damaged: ClassVar[set[tuple[TopicPartition, int]]] = set()
    """Batches whose check sum was wrong, by their first offset, until they were fetched once more."""

    def take(self, n: int | None = None) -> list[RawRecord]:
        """The next records, at most so many.

        Raises:
            CorruptRecordError: a check sum is wrong, for the first time.
        """
        if (fault := self._next_inline_exception) is not None:
            self.drain()
            raise fault
        taken: list[RawRecord] = []
        left, self.is_full = TAKEN_BYTES, False
        try:
            for record in islice(self.record_iterator, n):
                taken.append(record)
                left -= len(record.value or b"")
                if left <= 0:
                    self.is_full = True
                    break
        except Exception as error:
            if not taken:
                self.drain()  # what has raised gives nothing more, and the client would ask it without end
                raise
            self._next_inline_exception = error  # raised by the next call
        return taken

    def _unpack_records(self, tp: Any, records: Any, *deserializers: object) -> Iterator[RawRecord]:
        """Each record; after the last, the client is told where to go on. Reads what was not committed, too.

        Raises:
            CorruptRecordError: a check sum is wrong, for the first time.
        """
        batch, last = records.next_batch(), None
        while batch is not None:
            if batch.magic == _MODERN:
                self.leader_epoch = batch.leader_epoch
            self.bytes_read += batch.size_in_bytes
            for record in _each(batch, self) if self._is_sound(tp, batch) else [_damaged(batch)]:
                self.records_read += 1
                self.next_fetch_offset = record.offset + 1
                yield record
            batch, last = records.next_batch(), batch
        if last is not None and last.magic == _MODERN:
            self.next_fetch_offset = last.next_offset  # what stood behind the last record may have been compacted
        self.drain()

    def _is_sound(self, tp: TopicPartition, batch: Any) -> bool:
        """False: its check sum is wrong, also as it was fetched once more.

        Raises:
            CorruptRecordError: it is wrong for the first time, and may have been damaged on its way.
        """
        place = (tp, batch.base_offset)
        if not self.check_crcs or batch.validate_crc():
            self.damaged.discard(place)
            return True
        if place in self.damaged:
            self.damaged.discard(place)
            return False
        self.damaged.add(place)
        raise CorruptRecordError(f"{tp}: the check sum of the batch at offset {batch.base_offset} is wrong")


def read_our_way(consumer: KafkaConsumer) -> KafkaConsumer:
    """Let this consumer hand out `RawRecord`s."""
    unpack_in_bounds()
    receive_in_larger_pieces()
    fetcher = consumer._fetcher
    fetcher.PartitionRecords = _Records
    fetcher._append = partial(_append, fetcher)
    return consumer


def _append(fetcher: Fetcher, drained: Any, holder: _Records, most: int, update_offsets: bool) -> int:
    """As the client's: says how many records were taken. All, where no more bytes should be."""
    taken: int = Fetcher._append(fetcher, drained, holder, most, update_offsets)
    return most if holder.is_full else taken


def _each(batch: Any, holder: _Records) -> Iterator[RawRecord]:
    """The records of a batch; ends in one that stands for the rest where they cannot be read."""
    following = unread = None
    try:
        for record in _modern(batch, holder) if batch.magic == _MODERN else _old(batch, holder):
            yield record
            following = record.offset + 1
    except UnsupportedCodecError:
        raise  # a library is missing here: nothing is wrong with the batch
    except Exception as error:  # noqa: BLE001 (libraries raise whatever they trip over)
        unread = _unread(batch, following, error)
    holder.unpacked = 0
    if unread is not None:
        yield unread  # not where the error is at hand: it knows the frames that hold what was unpacked


def _modern(batch: Any, holder: _Records) -> Iterator[RawRecord]:
    """Kafka protocol, "Record Batch", version 2. Marks of transactions are no records."""
    if batch.is_control_batch:
        return
    content = unpack(batch.compression_type, bytes(memoryview(batch._buffer)[_BEHIND_HEADER:]))
    holder.unpacked = rest = len(content)
    count = batch.records_count
    base, stamp = batch.base_offset, batch.first_timestamp
    logged = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    place = 0
    for number in range(1, count + 1):
        coded, place = varint(content, place)
        end = place + (coded >> 1)
        if coded & 1 or end > len(content):
            raise ValueError("a record reaches beyond its batch")
        later, place = varint(content, place + 1)  # behind the attributes, which mean nothing yet
        if (further := content[place]) < LONG:
            place += 1
        else:
            further, place = varint(content, place)
        if content[place] == _NONE:
            key, place = None, place + 1
        else:
            key, place = _bytes(content, place)
        value, place = _bytes(content, place)
        headers: Headers = ()
        marked = False
        if content[place]:
            marked = content.find(_MARK, place, end) >= 0
            headers, place = headers_at(content, place, end)
        else:
            place += 1
        if place != end:
            raise ValueError(f"a record that should end at byte {end} ends at {place}")
        timestamp = stamp + ((later >> 1) ^ -(later & 1)) if logged is None else logged
        if number == count:
            rest, content, holder.unpacked = len(content) - place, b"", 0  # or the last record would keep them all
        yield RawRecord(base + (further >> 1), timestamp, key, value, headers, marked)
    if rest:
        raise ValueError(f"{rest} bytes follow the last record")


def _old(batch: Any, holder: _Records) -> Iterator[RawRecord]:
    """Before Kafka 0.11, a record is a batch that may hold others."""
    holder.unpacked = MAX_UNPACKED if batch.compression_type else 0  # it does not say
    for record in batch:
        if not record.validate_crc():
            raise CorruptRecordError(f"the check sum of the record at offset {record.offset} is wrong")
        yield RawRecord(record.offset, record.timestamp, record.key, record.value)


def _bytes(content: bytes, place: int) -> tuple[bytes | None, int]:
    coded, start = varint(content, place)
    end = start + (coded >> 1)
    return (None, start) if coded & 1 else (content[start:end], end)


def _damaged(batch: Any) -> RawRecord:
    """Stands for the records of a batch that was damaged where it lies; nor can its times be relied on."""
    return _unread(batch, None, CorruptRecordError("its check sum is wrong"))._replace(timestamp=-1)


def _unread(batch: Any, following: int | None, error: Exception) -> RawRecord:
    """Stands for the records of a batch from offset `following` on; None: for all. A version 1 batch does not say how
    many it has, only where it ends."""
    modern = batch.magic == _MODERN
    last = batch.last_offset if modern else batch.base_offset
    begin = following if following is not None else batch.base_offset if modern else None
    packed = batch.compression_type
    name = CODECS[packed] if packed < len(CODECS) else str(packed)
    content = Unread()
    content.fault = (
        f"the records {'up to' if begin is None else f'from offset {begin} to'} {last} cannot be read: "
        f"{type(error).__name__}: {error} (a batch of {batch.size_in_bytes} bytes, compression {name})"
    )
    return RawRecord(last, batch.max_timestamp if modern else -1, None, content)
