"""Whatever a record of the serving formats holds, it is read or refused with a reason: no other error, no hang."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.events import Label, Prediction, Rejection, encode
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.limits import refuse_nul
from tests.fuzz.door import TOPICS
from tests.pace import cost

NAMES = ("kserve", "oip", "openai_chat", "seldon", "seldon2")
SAMPLES = sorted(path for name in NAMES for path in (Path(__file__).parent / "samples" / name).glob("*.json"))
OPTIONS = FormatOptions(model="m", slices={"region": "region"}, max_record_bytes=100_000)
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e300,
    10**18,
    "",
    "x",
    "\x00",
    "data:",
    [],
    {},
    [[]],
    [None],
    {"b64": 1},
    "é" * 99,
]
odd = st.sampled_from(ODD) | st.text(max_size=9) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def accepted(name: str, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> int:
    """How much of it was accepted; anything raised but InvalidEvent fails the test."""
    return sum(accepted_in(topic, name, value, headers) for topic in TOPICS.get(name, (name,)))


def accepted_in(topic: str, name: str, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> int:
    record = Record(Partition("cluster", topic, "id", 0), 0, 1763719205_000, value, headers, b"key")
    try:
        decoded = FORMATS[name](OPTIONS)(record)
    except InvalidEvent as error:
        refusal = error
    else:
        for one in decoded:
            assert isinstance(one, Half | Prediction | Label)
            refuse_nul(msgspec.json.encode(one.fields) if isinstance(one, Half) else encode(one))
        return len(decoded)
    assert refusal.reason in set(Rejection)
    assert len(str(refusal)) < 2_000
    return 0


def accepted_soon(name: str, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    """At the cost of a small record: what seems to take longer is looked at again, beside a loop."""
    began = time.process_time()
    accepted(name, value, headers)
    if time.process_time() - began > 0.2:
        assert cost(lambda: accepted(name, value, headers)) < 20


def load(path: Path) -> tuple[str, bytes, tuple[tuple[str, bytes], ...]]:
    content = json.loads(path.read_text())
    value = base64.b64decode(content["value_base64"]) if "value_base64" in content else content["value"].encode()
    return path.parent.name, value, tuple((name, text.encode()) for name, text in content["headers"].items())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], by)
    return copy


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_is_accepted(path: Path) -> None:
    assert accepted(*load(path))


@settings(max_examples=300)
@given(path=st.sampled_from(SAMPLES), chooser=st.randoms(use_true_random=False), changes=st.lists(odd, max_size=4))
def test_samples_with_odd_values_anywhere(path: Path, chooser: random.Random, changes: list[Any]) -> None:
    name, raw, headers = load(path)
    try:
        value = json.loads(raw)
    except ValueError:
        return
    for change in changes:
        value = replaced(value, chooser.choice(places(value)), change)
    accepted_soon(name, json.dumps(value).encode(), headers)


@settings(max_examples=300)
@given(path=st.sampled_from(SAMPLES), at=st.integers(0, 10_000), put=st.binary(max_size=6), cut=st.integers(0, 20))
def test_samples_with_odd_bytes_anywhere(path: Path, at: int, put: bytes, cut: int) -> None:
    name, raw, headers = load(path)
    place = at % (len(raw) + 1)
    accepted_soon(name, raw[:place] + put + raw[place + cut :], headers)


@settings(max_examples=200)
@given(path=st.sampled_from(SAMPLES), which=st.integers(0, 50), put=st.binary(max_size=20))
def test_samples_with_odd_headers(path: Path, which: int, put: bytes) -> None:
    name, raw, headers = load(path)
    if headers:
        index = which % len(headers)
        headers = (*headers[:index], (headers[index][0], put), *headers[index + 1 :])
    accepted_soon(name, raw, headers)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value",
    [
        b"[" * 90_000,
        b'{"messages":' * 8_000,
        b'{"inputs": [{"binary_data_size": ' + b"[" * 80_000,
        b"\\" * 90_000,
        b'"' * 90_000,
        b'{"request": {"messages": [' + b'{"role":"user"},' * 5_000 + b"{}]}}",
        b"data: {}\n\n" * 9_000,
        b"data:\n" * 15_000,
        b'{"choices": [' + b'{"index":1},' * 7_000 + b"{}]}",
        b'{"inputs": [{"name":"prompt","datatype":"BYTES","shape":[4000000],"data":' + b"[" * 900 + b"]" * 900 + b"}]}",
        b'{"id":"x","outputs":[{"name":"answer","datatype":"BYTES","shape":[4000000,0],"data":[]}]}',
        b'{"error": ' + b'{"message":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"metadata": ' + b"[" * 900 + b"]" * 900 + b', "messages": []}',
        b"\x1f\x8b" + b"\x00" * 80_000,
    ],
    ids=lambda value: value[:24].decode("latin-1"),
)
def test_hostile_records_are_read_or_refused_quickly(name: str, value: bytes) -> None:
    headers = {
        "kserve": (("ce_type", b"org.kubeflow.serving.inference.request"), ("ce_id", b"x")),
        "seldon": (("type", b"io.seldon.serving.inference.response"), ("requestid", b"x")),
    }.get(name, (("x-request-id", b"x"),))
    assert cost(lambda: accepted(name, value, headers), attempts=2) < 100
