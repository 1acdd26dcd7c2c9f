"""Rows of Databricks' inference tables: two columns of text are the bodies, the others say how the call went."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, FormatOptions, auto

PICTURE = {"type": "image_url", "image_url": {"url": "s3://cameras/north/81.jpg"}}
ASKED = {
    "model": "store-vqa",
    "messages": [{"role": "user", "content": [PICTURE, {"type": "text", "text": "How many boxes?"}]}],
}
SAID = {
    "id": "chatcmpl-9",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "7"}, "finish_reason": "stop"}],
}
ROW: dict[str, Any] = {
    "databricks_request_id": "d-81",
    "client_request_id": None,
    "request_date": "2025-11-21",
    "request_time": "2025-11-21T10:00:00.123Z",
    "status_code": 200,
    "sampling_fraction": 1.0,
    "execution_duration_ms": 812,
    "request": json.dumps(ASKED),
    "response": json.dumps(SAID),
    "served_entity_id": "a1b2",
    "logging_error_codes": [],
    "requester": "ann@example.org",
}


def read(row: dict[str, Any], name: str = "auto") -> list[Prediction]:
    record = Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(row).encode())
    assert auto.detected(record) == "openai_chat"
    found = FORMATS[name](FormatOptions(model="store-vqa"))(record)
    assert all(isinstance(one, Prediction) for one in found)
    return list(found)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_a_row_is_a_call(name: str) -> None:
    (one,) = read(ROW, name)
    assert (one.request_id, one.model.name, one.status) == ("d-81", "store-vqa", "ok")
    assert (one.input.prompt, one.output.answer, one.latency_ms) == ("How many boxes?", "7", 812)
    assert one.input.image is not None
    assert one.input.image.ref == "s3://cameras/north/81.jpg"
    assert one.ts.isoformat() == "2025-11-21T10:00:00.123000+00:00"
    assert one.extra == {"user_id": "ann@example.org"}


def test_the_id_that_the_caller_gave_comes_first() -> None:
    (one,) = read({**ROW, "client_request_id": "order-7"})
    assert one.request_id == "order-7"


def test_whom_the_request_names_comes_before_who_sent_it() -> None:
    (one,) = read({**ROW, "request": json.dumps({**ASKED, "user": "u-1"})})
    assert one.extra["user_id"] == "u-1"


def test_columns_of_older_tables_are_read() -> None:
    newer = ("request_time", "execution_duration_ms")
    older = {name: value for name, value in ROW.items() if name not in newer}
    (one,) = read({**older, "timestamp_ms": 1763719205123, "execution_time_ms": 812})
    assert (one.latency_ms, one.ts.isoformat()) == (812, "2025-11-21T10:00:05.123000+00:00")


def test_a_failed_call_has_its_status_and_what_was_sent_back_is_no_answer() -> None:
    body = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many requests"}
    (one,) = read({**ROW, "status_code": 429, "response": json.dumps(body)})
    assert (one.status, one.error_code, one.output.answer) == ("rejected", "429", None)
    assert one.extra["error_message"] == "Too many requests"


@pytest.mark.parametrize(
    "frame",
    [
        {"dataframe_split": {"columns": ["question"], "data": [["one?"], ["two?"]]}},
        {"dataframe_records": [{"question": "one?"}, {"question": "two?"}]},
    ],
)
def test_the_rows_of_a_data_frame_are_items(frame: Any) -> None:
    both = read({**ROW, "request": json.dumps(frame), "response": '{"predictions": ["cat", "dog"]}'})
    said = [(one.request_id, one.input.prompt, one.output.answer) for one in both]
    assert said == [("d-81#0", "one?", "cat"), ("d-81#1", "two?", "dog")]
