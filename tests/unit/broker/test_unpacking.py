"""Batches that are bombs, or broken: bounded memory, and nothing after them is lost."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace
from typing import Any

import lz4.frame
import pytest
import snappy
import zstandard
from crc32c import crc32c
from kafka import TopicPartition
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from monitor.broker.headers import MAX_HEADERS
from monitor.broker.reading import RawRecord, read_our_way
from monitor.broker.unpacking import MAX_UNPACKED, fault_of, gunzip, unlz4, unsnappy, unzstd

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
MODERN, OLD = 2, 1
LENGTH_ENDS, CRC, ATTRIBUTES, HEADER = 12, 17, 21, 61
"""Places in a batch of version 2 (Kafka protocol, "Record Batch")."""
FORMATS = [(MODERN, GZIP), (MODERN, SNAPPY), (MODERN, LZ4), (MODERN, ZSTD), (OLD, GZIP), (OLD, SNAPPY), (OLD, LZ4)]


def batch(magic: int, codec: int, values: list[bytes], headers: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, 10 * MAX_UNPACKED)
    for value in values:
        builder.append(1000, None, value, [("", None)] * headers if magic == MODERN else [])
    builder.close()
    return bytes(builder.buffer())


def at_offset(offset: int, raw: bytes) -> bytes:
    """As the broker stores it: a batch's first field is its offset."""
    return struct.pack(">q", offset) + raw[8:]


def with_payload(codec: int, payload: bytes, records: int) -> bytes:
    """A batch whose bytes behind the header are these, with a check sum that is right: hostile, but well-formed."""
    header = batch(MODERN, 0, [b"x"] * records)[:HEADER]
    checked = struct.pack(">h", codec) + header[ATTRIBUTES + 2 :] + payload
    length = struct.pack(">i", HEADER - LENGTH_ENDS + len(payload))
    return header[:8] + length + header[LENGTH_ENDS:CRC] + struct.pack(">I", crc32c(checked)) + checked


class Client:
    """As much of the client as takes batches apart: what a broker sent goes in, records come out."""

    def __init__(self) -> None:
        self._fetcher = SimpleNamespace()
        read_our_way(self)

    def take(self, raw: bytes) -> Any:
        return self._fetcher.PartitionRecords(0, TopicPartition("t", 0), MemoryRecords(raw))


def read(raw: bytes) -> list[RawRecord]:
    records: list[RawRecord] = Client().take(raw).take()
    return records


@pytest.mark.parametrize(("magic", "codec"), FORMATS)
def test_a_batch_within_bounds_is_read_as_ever(magic: int, codec: int) -> None:
    values = [b"value %d" % n for n in range(50)]
    got = read(batch(magic, codec, values))
    assert [one.value for one in got] == values
    assert [one.offset for one in got] == list(range(50))
    assert not any(fault_of(one.value) for one in got)


@pytest.mark.parametrize(("magic", "codec"), FORMATS)
def test_a_bomb_becomes_one_record_that_says_why_and_what_follows_is_read(magic: int, codec: int) -> None:
    bomb = batch(magic, codec, [bytes(MAX_UNPACKED // 4)] * 5)
    assert len(bomb) < MAX_UNPACKED / 10
    stand_in, after = read(bomb + at_offset(5, batch(magic, codec, [b"after"])))
    assert not stand_in.value
    assert f"larger than {MAX_UNPACKED} bytes" in (fault_of(stand_in.value) or "")
    assert after.value == b"after"


def test_of_a_modern_batch_the_last_offset_is_taken_so_that_it_is_not_fetched_again() -> None:
    [stand_in] = read(at_offset(100, with_payload(ZSTD, b"no zstd at all", 7)))
    assert stand_in.offset == 106
    assert "from offset 100 to 106" in (fault_of(stand_in.value) or "")


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
@pytest.mark.parametrize("payload", [b"", b"no such thing", b"\x82SNAPPY\0" + b"\xff" * 32])
def test_a_batch_that_is_none_of_its_codec_stops_nothing(codec: int, payload: bytes) -> None:
    stand_in, after = read(with_payload(codec, payload, 3) + at_offset(3, batch(MODERN, codec, [b"after"])))
    assert fault_of(stand_in.value)
    assert after.value == b"after"


def test_records_before_a_broken_one_are_kept() -> None:
    good = batch(MODERN, 0, [b"one", b"two"])[HEADER:]
    first, second, stand_in = read(with_payload(0, good + b"\x7f\x7f", 5))
    assert (first.value, second.value) == (b"one", b"two")
    assert "from offset 2 to 4" in (fault_of(stand_in.value) or "")


def test_a_record_of_endless_headers_is_not_read() -> None:
    few, many = batch(MODERN, GZIP, [b"v"], MAX_HEADERS), batch(MODERN, GZIP, [b"v"], 3_000_000)
    assert len(read(few)[0].headers) == MAX_HEADERS
    [stand_in] = read(many)
    assert "3000000 headers" in (fault_of(stand_in.value) or "")
    assert not stand_in.headers


def test_what_libraries_write_in_several_parts_is_read_whole() -> None:
    parts = [b"a" * 1000, b"b" * 1000]
    whole = b"".join(parts)
    assert gunzip(b"".join(zlib.compress(one, wbits=31) for one in parts)) == whole
    assert unzstd(b"".join(zstandard.compress(one) for one in parts)) == whole
    framed = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    framed += b"".join(struct.pack(">i", len(one)) + one for one in map(snappy.compress, parts))
    assert unsnappy(framed) == whole
    assert unlz4(lz4.frame.compress(whole, content_checksum=True)) == whole


@pytest.mark.parametrize(
    ("unpack", "packed"),
    [(gunzip, zlib.compress(bytes(10**6), wbits=31)), (unlz4, lz4.frame.compress(bytes(10**6)))],
)
def test_what_is_cut_short_is_not_taken_for_the_whole(unpack: Any, packed: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack(packed[:-6])
