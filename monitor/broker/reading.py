"""Take batches of records apart: as kafka-python 3.0.12 does, at half its cost, and without what stops a partition.

That client refuses a batch that it cannot unpack or take apart again and again: nothing after it would ever be read.
Here such a batch ends in one record without content at the batch's last offset, which says why; it becomes a dead
letter, and what follows is read. So do records whose header names are no UTF-8: what cannot be decoded is written out
as `\\xff`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.record.default_records import DefaultRecordBatch

from monitor.broker.unpacking import CODECS, Unread, unpack, unpack_in_bounds
from monitor.domain.records import MARK

MAX_HEADERS: Final = 10_000
"""Of a record. Two bytes make a header, which takes a hundred in memory."""
_MODERN: Final = 2
_MARK: Final = MARK.encode()
_LONG: Final = 0x80
"""A byte of a number from here on says that another follows."""
_BITS: Final = 64
_NONE: Final = 1
"""The size of what is not there, -1, as it is coded."""
_BEHIND_HEADER: Final = DefaultRecordBatch.HEADER_STRUCT.size


class RawRecord(NamedTuple):
    """What we ask of a record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    marked: bool = False
    """May a header of ours be among them?"""


class _Records(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """What was fetched of one partition."""

    def _unpack_records(self, tp: Any, records: Any, *deserializers: object) -> Iterator[RawRecord]:
        """Each record; after the last, the client is told where to go on. Reads what was not committed, too.

        Raises:
            CorruptRecordError: a check sum is wrong.
        """
        batch, last = records.next_batch(), None
        while batch is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"{tp}: the check sum of the batch at offset {batch.base_offset} is wrong")
            if batch.magic == _MODERN:
                self.leader_epoch = batch.leader_epoch
            self.bytes_read += batch.size_in_bytes
            for record in _each(batch):
                self.records_read += 1
                self.next_fetch_offset = record.offset + 1
                yield record
            batch, last = records.next_batch(), batch
        if last is not None and last.magic == _MODERN:
            self.next_fetch_offset = last.next_offset  # what stood behind the last record may have been compacted
        self.drain()


def read_our_way(consumer: KafkaConsumer) -> KafkaConsumer:
    """Let this consumer hand out `RawRecord`s."""
    unpack_in_bounds()
    consumer._fetcher.PartitionRecords = _Records
    return consumer


def _each(batch: Any) -> Iterator[RawRecord]:
    """The records of a batch; ends in one that stands for the rest where they cannot be read."""
    following = None
    try:
        for record in _modern(batch) if batch.magic == _MODERN else _old(batch):
            yield record
            following = record.offset + 1
    except UnsupportedCodecError:
        raise  # a library is missing here: nothing is wrong with the batch
    except Exception as error:  # noqa: BLE001 (libraries raise whatever they trip over)
        yield _unread(batch, following, error)


def _modern(batch: Any) -> Iterator[RawRecord]:
    """Kafka protocol, "Record Batch", version 2. Marks of transactions are no records."""
    if batch.is_control_batch:
        return
    content = unpack(batch.compression_type, bytes(memoryview(batch._buffer)[_BEHIND_HEADER:]))
    base, stamp = batch.base_offset, batch.first_timestamp
    logged = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    place = 0
    for _ in range(batch.records_count):
        coded, place = _varint(content, place)
        end = place + (coded >> 1)
        if coded & 1 or end > len(content):
            raise ValueError("a record reaches beyond its batch")
        later, place = _varint(content, place + 1)  # behind the attributes, which mean nothing yet
        if (further := content[place]) < _LONG:
            place += 1
        else:
            further, place = _varint(content, place)
        if content[place] == _NONE:
            key, place = None, place + 1
        else:
            key, place = _bytes(content, place)
        value, place = _bytes(content, place)
        headers: tuple[tuple[str, bytes], ...] = ()
        marked = False
        if content[place]:
            marked = content.find(_MARK, place, end) >= 0
            headers, place = _headers(content, place)
        else:
            place += 1
        if place != end:
            raise ValueError(f"a record that should end at byte {end} ends at {place}")
        timestamp = stamp + ((later >> 1) ^ -(later & 1)) if logged is None else logged
        yield RawRecord(base + (further >> 1), timestamp, key, value, headers, marked)
    if place != len(content):
        raise ValueError(f"{len(content) - place} bytes follow the last record")


def _old(batch: Any) -> Iterator[RawRecord]:
    """Before Kafka 0.11, a record is a batch that may hold others."""
    for record in batch:
        if not record.validate_crc():
            raise CorruptRecordError(f"the check sum of the record at offset {record.offset} is wrong")
        yield RawRecord(record.offset, record.timestamp, record.key, record.value)


def _headers(content: bytes, place: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    """Two of three numbers that are read stand here, nearly all of one byte: those are read in place."""
    count, place = _varint(content, place)
    if count & 1 or count >> 1 > MAX_HEADERS:
        raise ValueError(f"a record has {count >> 1} headers, {MAX_HEADERS} are read")
    headers = []
    for _ in range(count >> 1):
        if (coded := content[place]) < _LONG:
            place += 1
        else:
            coded, place = _varint(content, place)
        if coded & 1:
            raise ValueError("a header has no name")
        end = place + (coded >> 1)
        name = content[place:end]
        if (coded := content[end]) < _LONG:
            end += 1
        else:
            coded, end = _varint(content, end)
        place = end + (coded >> 1)  # one without a value has no bytes
        headers.append((_name(name), content[end:place]))
    return tuple(headers), place


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str:
    """Kafka does not check them, and other clients write any bytes. A topic's records all have the same few."""
    return raw.decode("utf-8", "backslashreplace")


def _bytes(content: bytes, place: int) -> tuple[bytes | None, int]:
    coded, start = _varint(content, place)
    end = start + (coded >> 1)
    return (None, start) if coded & 1 else (content[start:end], end)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number as it is coded, and the place behind it (Protocol Buffers encoding guide, "Base 128 Varints").

    Half of an even one is the number; odd ones are negative ("Signed Integers", zigzag).
    """
    byte = content[place]
    if byte < _LONG:
        return byte, place + 1
    value, shift = byte & 0x7F, 7
    while byte >= _LONG:
        if shift >= _BITS:
            raise ValueError("a number of more than 64 bits")
        place += 1
        byte = content[place]
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, place + 1


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
