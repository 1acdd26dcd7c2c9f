"""What decoded records are taken to weigh is no less than what they take."""

from __future__ import annotations

import gc
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, FormatOptions
from monitor.services.decoded_size import decoded_size
from monitor.services.reading import Limits
from monitor.services.triage import triage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NS = int(NOW.timestamp()) * 10**9
MANY = 20_000
OWN_BYTES = 4096
"""Of one event, whatever it holds: there are never more than records of a batch."""
PREDICTION = (
    b'{"schema":"prediction/v1","request_id":"r","ts":"2026-11-21T12:00:00Z",'
    b'"model":{"name":"m"},"task":"vqa","status":"ok",'
)
LABEL = b'{"schema":"label/v1","request_id":"r","ts":"2026-11-21T12:00:00Z","annotator":{"id":"a","kind":"human"},'


def repeated(one: bytes) -> bytes:
    return b"[" + b",".join([one] * MANY) + b"]"


def numbered(one: bytes) -> bytes:
    return b"{" + b",".join(one % number for number in range(MANY)) + b"}"


VALUES = {
    "empty objects": PREDICTION + b'"extra":{"a":' + repeated(b"{}") + b"}}",
    "lists of objects": PREDICTION + b'"extra":{"a":' + repeated(b"[{}]") + b"}}",
    "objects of one number": PREDICTION + b'"extra":{"a":' + repeated(b'{"":1e9}') + b"}}",
    "keys": PREDICTION + b'"extra":' + numbered(b'"%x":0') + b"}",
    "texts": PREDICTION + b'"extra":{"a":' + repeated(b'"ab"') + b"}}",
    "unknown": PREDICTION + b'"a":' + repeated(b"[{}]") + b"}",
    "slices": PREDICTION + b'"slices":' + numbered(b'"%x":"ab"') + b"}",
    "candidates": PREDICTION + b'"output":{"candidates":' + repeated(b'{"answer":"ab","score":1e9}') + b"}}",
    "categories": PREDICTION + b'"output":{"safety":{"categories":' + repeated(b'"ab"') + b"}}}",
    "answers": LABEL + b'"answers":' + repeated(b'"ab"') + b"}",
}


def spans(number: int, start_ns: int = NS) -> bytes:
    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for index in range(number):
        span = scope.spans.add(trace_id=(start_ns + index).to_bytes(16), span_id=b"s" * 8)
        span.start_time_unix_nano, span.end_time_unix_nano = start_ns, start_ns + 10**9
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        span.attributes.add(key="gen_ai.request.model").value.string_value = "m"
    content: bytes = data.SerializeToString()
    return content


def items(number: int, prompt: str) -> bytes:
    inputs = [
        {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [prompt]},
        {"name": "x", "shape": [number], "datatype": "INT8", "data": [0] * number},
    ]
    outputs = [{"name": "answer", "shape": [number], "datatype": "BYTES", "data": ["a"] * number}]
    call = {"id": "r", "model": "m", "ts": "2026-11-21T12:00:00Z"}
    return json.dumps(call | {"request": {"inputs": inputs}, "response": {"outputs": outputs}}).encode()


def record(value: bytes) -> Record:
    return Record(Partition("c", "t", "i", 0), 0, NS // 10**6, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [*(("native", one) for one in VALUES.values()), ("otlp", spans(1000)), ("oip", items(1000, "p"))],
    ids=[*VALUES, "spans", "items"],
)
def test_a_record_weighs_no_less_than_it_takes(name: str, value: bytes) -> None:
    decode, one = FORMATS[name](FormatOptions()), record(value)
    said = decode(one)
    gc.collect()
    tracemalloc.start()
    again = decode(one)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(again) == len(said)
    assert taken <= decoded_size(said, one) + OWN_BYTES


def test_what_many_items_share_weighs_as_often_as_it_will_be_written() -> None:
    one = record(items(500, "p" * 10_000))
    assert decoded_size(FORMATS["oip"](FormatOptions())(one), one) > 500 * 10_000


def test_an_ordinary_record_weighs_little_more_than_its_bytes() -> None:
    one = record(PREDICTION + b'"slices":{"device":"a"},"extra":{"shop":"b","prices":[1,2,3]}}')
    assert decoded_size(FORMATS["native"](FormatOptions())(one), one) < len(one.value) + 1000


@pytest.mark.parametrize("whole", [True, False])
def test_reading_ends_behind_the_record_with_which_it_is_too_much(whole: bool) -> None:
    limits = Limits(1 << 20, timedelta(minutes=5), timedelta(days=30), decoded_bytes=250_000)
    several = [record(spans(100)) for _ in range(5)]
    sorted_out = triage(several, {"t": FORMATS["otlp"](FormatOptions())}, limits, NOW, whole=whole)
    assert sorted_out.records == (5 if whole else 2)
