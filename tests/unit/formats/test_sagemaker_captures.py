"""SageMaker's captures of what went in and out of an endpoint."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from tests.unit.formats.cloud_logs import decoded, whole

TGI = {"inputs": "![](s3://b/1.png)How many boxes?"}


def captured(text: str, encoding: str) -> dict[str, str]:
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    return {"observedContentType": "application/json", "mode": "INPUT", "data": data, "encoding": encoding}


def line(encoding: str = "JSON", **metadata: Any) -> dict[str, Any]:
    sides = {
        "endpointInput": captured(json.dumps(TGI), encoding),
        "endpointOutput": captured('[{"generated_text": "7"}]', encoding),
    }
    told = {"eventId": "e-1", "inferenceTime": "2026-02-14T17:25:06Z", **metadata}
    return {"captureData": sides, "eventMetadata": told, "eventVersion": "0"}


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
@pytest.mark.parametrize("encoding", ["JSON", "BASE64"])
def test_a_line_of_a_capture_is_a_call(encoding: str, name: str) -> None:
    one = whole(line(encoding), name, model="store-vqa")
    assert (one.request_id, one.status, one.ts.isoformat()) == ("e-1", "ok", "2026-02-14T17:25:06+00:00")
    assert (one.input.prompt, one.output.answer) == ("How many boxes?", "7")
    assert one.input.image is not None
    assert one.input.image.ref == "s3://b/1.png"


def test_the_id_that_the_caller_gave_an_inference_comes_first() -> None:
    assert whole(line(inferenceId="order-7"), model="m").request_id == "order-7"


def test_a_picture_that_was_posted_is_the_input() -> None:
    value = line()
    value["captureData"]["endpointInput"] = {"data": "iVBORw0KGgo=", "encoding": "BASE64"}
    image = whole(value, model="m").input.image
    assert image is not None
    assert image.ref == "data:image/png;base64,iVBORw0KGgo="


def test_a_capture_needs_the_topic_to_name_the_model() -> None:
    with pytest.raises(InvalidEvent, match="model: nothing names it; set `model` for the topic"):
        decoded(line())


def test_one_side_of_a_capture_is_half_a_call() -> None:
    value = line()
    del value["captureData"]["endpointInput"]
    one = decoded(value, model="m")
    assert isinstance(one, Half)
    assert (one.side, one.pair_id) == ("response", "e-1")


def rows(asked: str, said: str, encoding: str = "CSV", kind: str = "text/csv", **options: Any) -> list[Prediction]:
    sides = {
        "endpointInput": {**captured(asked, encoding), "observedContentType": kind},
        "endpointOutput": {**captured(said, encoding), "observedContentType": f"{kind}; charset=utf-8"},
    }
    value = json.dumps({**line(), "captureData": sides}).encode()
    one = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value)
    found = FORMATS["auto"](FormatOptions(model="m", **options))(one)
    assert all(isinstance(each, Prediction) for each in found)
    return [each for each in found if isinstance(each, Prediction)]


@pytest.mark.parametrize("encoding", ["CSV", "BASE64"])
def test_rows_of_csv_are_items_whose_columns_go_by_their_place(encoding: str) -> None:
    """Unless the endpoint is told which content types are CSV, base64 is what such bodies are captured in."""
    asked = 'https://a/1.jpg,"What, then, is it?"\nhttps://a/2.jpg,007\n'
    fields = {"image": "0", "prompt": "1", "answer": "0", "confidence": "1"}
    found = rows(asked, "cat,0.9\r\ndog,0.8\r\n", encoding, fields=fields)
    said = [(one.request_id, one.input.prompt, one.output.answer, one.output.confidence) for one in found]
    assert said == [("e-1#0", "What, then, is it?", "cat", 0.9), ("e-1#1", "007", "dog", 0.8)]
    assert [one.input.image.ref for one in found if one.input.image] == ["https://a/1.jpg", "https://a/2.jpg"]


def test_a_single_column_needs_no_configuration_and_numbers_ask_nothing() -> None:
    """The developer guide's own example: a row of numbers, and the probability that came back."""
    (one,) = rows("132,25,113.2,96,269.9,107", "0.01076381653547287")
    assert (one.input.prompt, one.output.answer) == (None, "0.01076381653547287")
    (asked,) = rows("What is it?\n", "1,0.25\n")
    assert (asked.input.prompt, asked.output.answer) == ("What is it?", None)
    (shares,) = rows("What is it?\n", "0.25,0.75\n")
    assert (shares.output.answer, shares.output.confidence) == ("1", 0.75)


def test_json_lines_are_items() -> None:
    kind, asked = "application/jsonlines", '{"prompt": "a?"}\n{"prompt": "b?"}\n'
    found = rows(asked, '{"answer": "1"}\n{"answer": "2"}\n', "JSON", kind)
    assert [(one.input.prompt, one.output.answer) for one in found] == [("a?", "1"), ("b?", "2")]
    (single,) = rows(json.dumps(TGI), '[{"generated_text": "7"}]', "BASE64", kind)
    assert single.output.answer == "7"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"data": "", "encoding": "CSV"}, "endpointInput: the body is empty"),
        ({"data": 'a"\n"b', "encoding": "CSV"}, "endpointInput: not CSV"),
        ({"data": "/w==", "encoding": "BASE64", "observedContentType": "text/csv"}, "CSV that is not UTF-8"),
        ({"data": "a", "encoding": "XML"}, "endpointInput: encoding 'XML' is not read, only JSON, CSV and BASE64"),
        ({"data": "a\n" * 1025, "encoding": "CSV"}, "a batch of 1025 items"),
    ],
)
def test_a_body_that_cannot_be_read_says_what_is_wrong(body: dict[str, str], wrong: str) -> None:
    value = line()
    value["captureData"]["endpointInput"] = body
    with pytest.raises(InvalidEvent, match=wrong):
        decoded(value, model="m")


def test_a_picture_in_a_column_may_be_longer_than_csv_readers_allow() -> None:
    picture = "iVBORw0KGgo" + "A" * 200_000
    (one,) = rows(f"{picture}\n", "cat\n")
    assert one.input.image is not None
    assert one.input.image.ref.endswith("A" * 100)
