"""Headers that are cut out at once, because an earlier record had the same layout, are what reading each would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.util import encode_varint

from monitor.broker import headers
from monitor.broker.headers import Headers, headers_at

SHORT = st.sampled_from([b"", b"a", b"b", b"ab", b"\x02a", b"\x02", b"\x01", b"\x00"])
"""Such that one header's name and length may be another's value."""
alike = st.lists(st.lists(st.tuples(SHORT, SHORT | st.none()), max_size=3), min_size=2, max_size=12)
NAMES = [f"ce_{name}" for name in ("id", "type", "time", "source")]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "_layouts", {})


def number(value: int) -> bytes:
    coded = bytearray()
    encode_varint(value, coded.append)
    return bytes(coded)


def block(given: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    written = number(len(given))
    for name, value in given:
        written += number(len(name)) + name
        written += number(-1) if value is None else number(len(value)) + value
    return written


def read(raw: bytes) -> tuple[Headers, int]:
    return headers_at(b"before" + raw + b"behind", 6, 6 + len(raw))


@settings(max_examples=300)
@given(records=alike)
def test_headers_of_the_same_size_are_told_apart(records: list[Any]) -> None:
    headers._layouts.clear()
    for given_headers in records * 2:
        raw = block(given_headers)
        expected = tuple((name.decode(), value or b"") for name, value in given_headers)
        assert read(raw) == (expected, 6 + len(raw))


def test_a_layout_that_is_known_is_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ([(name.encode(), b"%d" % number) for name in NAMES] for number in (3, 4))
    read(block(first))
    monkeypatch.delattr(headers, "_one_by_one")
    assert read(block(second))[0] == tuple((name, b"4") for name in NAMES)


def test_headers_that_end_elsewhere_than_their_record_are_not_remembered() -> None:
    raw = block([(b"a", b"1")])
    assert headers_at(raw + b"more", 0, len(raw) + 4) == ((("a", b"1"),), len(raw))
    assert headers._layouts == {}


def test_memory_is_bounded_whatever_the_headers_are() -> None:
    for size in range(3 * headers._MAX_LENGTHS):
        read(block([(b"a", b"x" * size)]))
    for name in range(100):
        read(block([(b"%03d" % name, b"")]))
    read(block([(b"n" * (headers._MAX_NAMED + 1), b"")]))
    assert len(headers._layouts) <= headers._MAX_LENGTHS
    assert max(map(len, headers._layouts.values())) == headers._MAX_ALIKE
    kept = (one for several in headers._layouts.values() for one in several)
    assert max(sum(map(len, one.between)) for one in kept) <= headers._MAX_NAMED
