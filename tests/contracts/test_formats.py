"""Every format, whatever comes: typed values or a dead letter with its reason, within bounded time and memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.formats import FORMATS
from tests.fuzz.door import Headers, check, samples
from tests.pace import cost

MIB = 1024 * 1024
COST = 40
"""Of a record of 1 MiB, see `pace.cost`; the worst of these take 10, ordinary ones a thousandth of that."""
MEMORY = 100 * MIB
SETTINGS = settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
every_format = pytest.mark.parametrize("name", FORMATS)

WEIRD: list[Any] = [
    None, True, False, 0, -0.0, -1, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf"), -float("inf"),
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "1e999", "NaN", "x" * 100_000, "data:,",
    "data:image/png;base64,!!!!", "2024-12-31T23:59:60Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2025-03-30T02:30:00", [], {}, [[]], [{}], {"": ""},
    [None], {"content": None}, {"schema": "prediction/v1"}, list(range(1000)),
]  # fmt: skip


def json_values() -> st.SearchStrategy[Any]:
    scalars = st.sampled_from(WEIRD) | st.text(max_size=20) | st.integers() | st.floats()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )


HEADER_NAMES = [
    "ce_type", "ce_id", "ce_time", "ce_source", "ce_specversion", "ce_metadata", "content-type", "seldon-puid", "",
    "\x00",
]  # fmt: skip
HEADER_VALUES = [
    b"", b"\xff", b"\x00", b"org.kubeflow.serving.inference.request", b"org.kubeflow.serving.inference.response",
    b"application/json", b"application/cloudevents+json", b"application/x-protobuf", b'{"a":', b"-1", b"9" * 40,
]  # fmt: skip


def header_sets() -> st.SearchStrategy[Headers]:
    pair = st.tuples(
        st.sampled_from(HEADER_NAMES) | st.text(max_size=10), st.sampled_from(HEADER_VALUES) | st.binary(max_size=30)
    )
    return st.lists(pair, max_size=8).map(tuple)


@every_format
@given(data=st.data())
@SETTINGS
def test_any_bytes_under_any_headers_are_read_or_refused(name: str, data: st.DataObject) -> None:
    check(
        name, data.draw(st.binary(max_size=300)), data.draw(header_sets()), data.draw(st.integers(-(2**63), 2**63 - 1))
    )


@every_format
@given(value=json_values(), headers=header_sets())
@SETTINGS
def test_any_json_is_read_or_refused(name: str, value: Any, headers: Headers) -> None:
    check(name, dumped(value), headers)


@every_format
@given(data=st.data())
@SETTINGS
def test_samples_with_one_value_changed_are_read_or_refused(name: str, data: st.DataObject) -> None:
    value, headers = data.draw(st.sampled_from(samples(name)))
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    if isinstance(content, dict | list):
        path = data.draw(st.sampled_from(sorted(paths(content), key=str)))
        value = dumped(replaced(content, path, data.draw(json_values())))
    if headers and data.draw(st.booleans()):
        kept = data.draw(st.integers(0, len(headers) - 1))
        changed = (headers[kept][0], data.draw(st.binary(max_size=20)))
        headers = (*headers[:kept], changed, *headers[kept + 1 :])
    check(name, value, headers)


@every_format
@given(data=st.data())
@SETTINGS
def test_samples_with_bytes_changed_are_read_or_refused(name: str, data: st.DataObject) -> None:
    value, headers = data.draw(st.sampled_from(samples(name)))
    broken = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(broken) - 1, 0)))
        length = data.draw(st.integers(0, 6))
        broken[at : at + length] = data.draw(st.binary(max_size=6))
    check(name, bytes(broken), headers)


@every_format
def test_every_sample_is_accepted(name: str) -> None:
    """Else the tests above would start from what is refused anyway."""
    assert samples(name)
    assert any(check(name, *one) for one in samples(name))


def nested_protobuf() -> bytes:
    inner = b""
    while len(inner) < 5000:  # it is copied at every level
        inner = b"\x0a" + varint(len(inner)) + inner
    return inner


def nested(content: bytes, *tags: int) -> bytes:
    """In messages in messages, the innermost first."""
    for tag in tags:
        content = bytes([tag]) + varint(len(content)) + content
    return content


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


BOMBS: dict[str, Callable[[], bytes]] = {
    "lists in lists": lambda: b"[" * (MIB // 2) + b"]" * (MIB // 2),
    "objects in objects": lambda: b'{"a":' * (MIB // 6) + b"1" + b"}" * (MIB // 6),
    "unfinished objects": lambda: b'{"a":' * (MIB // 5),
    "one long number": lambda: b"9" * MIB,
    "one long fraction": lambda: b'{"ts": 0.' + b"9" * (MIB - 20) + b"}",
    "many keys": lambda: dumped({str(index): index for index in range(50_000)}),
    "many empty objects": lambda: b"[" + b"{}," * (MIB // 3 - 2) + b"{}]",
    "escapes": lambda: b'"' + b"\\u0041" * (MIB // 6 - 1) + b'"',
    "raw surrogates": lambda: b'{"a":"' + b"\xed\xa0\x80" * 1000 + b'"}',
    "backslashes before a NUL": lambda: b'{"a":"' + b"\\\\" * (MIB // 2 - 20) + b'\\u0000"}',
    "nothing but NUL escapes": lambda: b'["' + b"\\\\u0000" * (MIB // 7 - 2) + b'"]',
    "a gzip bomb": lambda: gzip.compress(b"0" * 500 * MIB, 9),
    "server-sent events": lambda: b"data: {}\n\n" * (MIB // 10),
    "lines": lambda: b"\n" * MIB,
    "protobuf of nothing": lambda: b"\x0a\x00" * (MIB // 2),
    "protobuf of empty scopes": lambda: b"\x0a\x02\x12\x00" * (MIB // 4),
    "protobuf of empty spans": lambda: nested(b"\x12\x00" * (MIB // 2 - 8), 0x12, 0x0A),
    "protobuf in protobuf": nested_protobuf,
    "tensors of nothing": lambda: b"\x2a\x00" * (MIB // 2),
    "numbers one by one": lambda: nested(b"\x08\x01" * (MIB // 2 - 8), 0x2A, 0x2A),
    "one number without an end": lambda: nested(b"\xff" * (MIB - 16), 0x0A, 0x2A, 0x2A),
    "zeros": lambda: bytes(MIB),
}


@cache
def bomb_of(name: str) -> bytes:
    """Packing 500 MiB takes some seconds."""
    return BOMBS[name]()


@every_format
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_record_takes_long_or_much_memory(name: str, bomb: str) -> None:
    value = bomb_of(bomb)
    assert len(value) <= MIB
    headers = samples(name)[0][1]
    tracemalloc.start()
    try:
        check(name, value, headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    assert cost(lambda: check(name, value, headers), attempts=2) < COST


@every_format
def test_a_deep_value_anywhere_in_a_sample_is_read_or_refused(name: str) -> None:
    """Deeper than what may be stored, and than what Python's stack can take."""
    for value, headers in samples(name):
        for depth in (70, 900, 2_000, 50_000):
            deep = b"[" * depth + b"]" * depth
            for at in [index for index, one in enumerate(value) if one in b":"][:40]:
                check(name, value[: at + 1] + deep + value[at + 1 :], headers)
                check(name, value[: at + 1] + deep + b',"x":' + value[at + 1 :], headers)


def dumped(value: Any) -> bytes:
    """With what Python's JSON allows beyond the standard: NaN, infinity, and lone surrogates as escapes."""
    return json.dumps(value).encode()


Path = tuple[str | int, ...]


def paths(value: Any, prefix: Path = ()) -> list[Path]:
    found = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*prefix, key))
    return found


def replaced(value: Any, path: Path, by: Any) -> Any:
    if not path:
        return by
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: replaced(value[key], tuple(rest), by)}
    return [*value[:key], replaced(value[key], tuple(rest), by), *value[key + 1 :]]
