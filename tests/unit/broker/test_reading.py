"""Our taking apart of batches says what the client's own says, and where to go on."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from monitor.broker.reading import RawRecord, read_our_way
from monitor.broker.source import record_of
from monitor.broker.unpacking import fault_of
from monitor.domain.records import DEAD_LETTER_HEADER, REPLAY_HEADER, Partition

CRC, ATTRIBUTES, LAST_DELTA, HEADER = 17, 21, 23, 61
"""Places in a batch of version 2 (Kafka protocol, "Record Batch")."""
CONTROL, LOG_APPEND_TIME, LZ4 = 0x20, 0x08, 3
PLACE = TopicPartition("t", 0)

blobs = st.none() | st.binary(max_size=300)
written = st.lists(
    st.tuples(
        st.integers(0, 2**45), blobs, blobs, st.lists(st.tuples(st.text(max_size=40), blobs), max_size=12)
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


class Client:
    def __init__(self) -> None:
        self._fetcher = SimpleNamespace(PartitionRecords=Fetcher.PartitionRecords)


OURS, THEIRS = read_our_way(Client())._fetcher.PartitionRecords, Fetcher.PartitionRecords


def batch(records: list[Any], codec: int = 0, magic: int = 2, offset: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, 10**7, offset=offset)
    for timestamp, key, value, headers in records:
        builder.append(timestamp, key, value, headers)
    builder.close()
    return bytes(builder.buffer())


def changed(raw: bytes, attributes: int, last_delta: int | None = None) -> bytes:
    """The batch with these attributes too, and another distance to its last offset (the last record is gone)."""
    (given_attributes,) = struct.unpack_from(">h", raw, ATTRIBUTES)
    delta = raw[LAST_DELTA : LAST_DELTA + 4] if last_delta is None else struct.pack(">i", last_delta)
    checked = struct.pack(">h", given_attributes | attributes) + delta + raw[LAST_DELTA + 4 :]
    return raw[:CRC] + struct.pack(">I", crc32c(checked)) + checked


def read(kind: Any, raw: bytes, start: int = 0) -> tuple[list[Any], int, bool]:
    """(records, where to go on, is it used up?)"""
    part = kind(start, PLACE, MemoryRecords(raw))
    taken = part.take(3)
    while part:
        taken += part.take(3)
    return [simple(one) for one in taken], part.next_fetch_offset, bool(part)


def simple(one: Any) -> RawRecord:
    headers = tuple((name, held or b"") for name, held in one.headers)
    return RawRecord(one.offset, one.timestamp, one.key, one.value, headers)


@settings(max_examples=150)
@given(records=written, codec=st.integers(0, 4), start=st.integers(0, 5))
def test_records_are_read_as_the_client_reads_them(records: list[Any], codec: int, start: int) -> None:
    raw = batch(records, codec)
    assert read(OURS, raw, start) == read(THEIRS, raw, start)


@settings(max_examples=30)
@given(records=written, codec=st.integers(0, 3), magic=st.integers(0, 1))
def test_records_of_before_kafka_0_11_too(records: list[Any], codec: int, magic: int) -> None:
    codec = 0 if (magic, codec) == (0, LZ4) else codec  # the client can read that, but not write it
    raw = batch([(timestamp, key, value, []) for timestamp, key, value, _ in records], codec, magic)
    assert read(OURS, raw) == read(THEIRS, raw)


def test_several_batches_go_on_where_the_last_one_ends_though_its_last_records_are_gone() -> None:
    two: list[Any] = [(1, None, b"a", []), (2, None, b"b", [])]
    raw = batch(two) + changed(batch(two, offset=2), 0, last_delta=10)
    records, following, used_up = read(OURS, raw)
    assert ([one.offset for one in records], following, used_up) == ([0, 1, 2, 3], 11, False)
    assert (records, following, used_up) == read(THEIRS, raw)


def test_the_mark_of_a_transaction_is_no_record_and_is_not_fetched_again() -> None:
    mark = changed(batch([(1, struct.pack(">hh", 0, 1), b"", [])]), CONTROL)
    assert read(OURS, mark) == read(THEIRS, mark) == ([], 1, False)


def test_where_the_broker_stamps_records_its_time_counts() -> None:
    raw = changed(batch([(5, None, b"a", []), (9, None, b"b", [])]), LOG_APPEND_TIME)
    assert [one.timestamp for one in read(OURS, raw)[0]] == [9, 9]
    assert read(OURS, raw) == read(THEIRS, raw)


@pytest.mark.parametrize(
    ("headers", "replay", "dead_letter"),
    [
        ([("ce_id", b"x")], None, None),
        ([("ce_id", b"snellen-replay")], None, None),
        ([("ce_id", b"x"), (REPLAY_HEADER, b"r1")], "r1", None),
        ([(DEAD_LETTER_HEADER, b"7"), ("ce_id", b"x")], None, 7),
    ],
)
def test_headers_of_ours_are_seen_among_others(headers: Any, replay: str | None, dead_letter: int | None) -> None:
    part = OURS(0, PLACE, MemoryRecords(batch([(1, None, b"v", headers)], codec=LZ4)))
    record = record_of(Partition("c", "t", "i", 0), part.take()[0])
    assert (record.replay, record.dead_letter) == (replay, dead_letter)


def test_a_header_name_that_is_no_utf8_is_written_out() -> None:
    raw = batch([(1, None, b"v", [("ab", b"held")])])
    raw = changed(raw.replace(b"\x04ab", b"\x04\xffb"), 0)
    assert read(OURS, raw)[0][0].headers == (("\\xffb", b"held"),)


def test_a_wrong_check_sum_is_an_error_of_the_transport_and_then_one_of_the_log() -> None:
    """What was damaged on its way comes whole the next time; what is damaged where it lies never will."""
    two: list[Any] = [(1, None, b"v", []), (2, None, b"v", [])]
    raw = batch(two)
    wrong, after = raw[:-1] + b"\x01", batch(two, offset=2)
    for first, again, offsets in ((wrong, raw, [0, 1, 2, 3]), (wrong, wrong, [1, 2, 3])):
        part = OURS(0, PLACE, MemoryRecords(first + after))
        with pytest.raises(CorruptRecordError, match="check sum"):
            part.take(3)
        assert not part, "the client would ask it without end"
        part = OURS(0, PLACE, MemoryRecords(again + after))
        taken = part.take(9)
        assert [one.offset for one in taken] == offsets
        fault = fault_of(taken[0].value) or ""
        assert ("records up to" in fault or "from offset 0 to 1" in fault) == (again is wrong)
        assert ("check sum is wrong" in fault) == (again is wrong)


def test_a_batch_that_is_damaged_behind_sound_ones_costs_those_nothing() -> None:
    raw = batch([(1, None, b"v", [])])
    wrong = batch([(2, None, b"v", [])], offset=1)[:-1] + b"\x01"
    part = OURS(0, PLACE, MemoryRecords(raw + wrong))
    assert [one.offset for one in part.take(9)] == [0]
    with pytest.raises(CorruptRecordError):
        part.take(9)
    assert not part
