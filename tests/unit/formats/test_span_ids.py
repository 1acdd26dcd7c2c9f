"""Ids of spans: as long as ids of all other formats may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.payloads.rows import MAX_ID
from tests.unit.formats.spans import PARTITION, SPAN, TRACE, in_json

CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "openai"}


def decode(name: str, value: bytes) -> list[Any]:
    return list(FORMATS[name](FormatOptions())(Record(PARTITION, 0, -1, value)))


def with_id(own: str) -> bytes:
    return in_json({"attributes": {**CALL, "snellen.request_id": own}})


@pytest.mark.parametrize("name", ["otlp", "otlp_joined"])
def test_an_own_id_may_be_as_long_as_others(name: str) -> None:
    [one] = decode(name, with_id("i" * MAX_ID))
    assert (one.request_id if isinstance(one, Prediction) else one.pair_id) == "i" * MAX_ID
    [fault] = decode(name, with_id("i" * (MAX_ID + 1)))
    assert isinstance(fault, InvalidEvent)
    assert fault.reason == Rejection.INVALID
    assert f"snellen.request_id: an id of 1 to {MAX_ID} characters is needed, not '{'i' * 64}'" in str(fault)


@pytest.mark.parametrize("name", ["otlp", "otlp_joined"])
def test_so_may_the_ids_of_its_trace_and_itself(name: str) -> None:
    value = in_json({"attributes": CALL}).replace(TRACE.encode(), b"t" * 12_000)
    [fault] = decode(name, value)
    assert isinstance(fault, InvalidEvent)
    assert len(str(fault)) < 300


def test_a_choice_in_the_context_of_such_a_span_is_refused_alike() -> None:
    event = {
        "timeUnixNano": "1763719200000000000", "eventName": "gen_ai.choice", "traceId": "t" * 12_000, "spanId": SPAN,
        "body": {"kvlistValue": {"values": [{"key": "index", "value": {"intValue": "0"}}]}},
    }  # fmt: skip
    [fault] = decode("otlp_joined", json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [event]}]}]}).encode())
    assert isinstance(fault, InvalidEvent)
    [half] = decode(
        "otlp_joined",
        json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{**event, "traceId": TRACE}]}]}]}).encode(),
    )
    assert isinstance(half, Half)
