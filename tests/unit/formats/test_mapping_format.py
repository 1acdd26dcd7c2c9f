"""Any JSON topic by a mapping file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.events import Label, Prediction, Rejection
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent, SettingsError
from monitor.formats import FormatOptions, mapping
from monitor.formats.decoder import Decoder
from monitor.mapping import load_mapping

PARTITION = Partition("cluster", "answers", "id", 0)
EXAMPLE = Path(__file__).parents[3] / "examples" / "mappings" / "kafka_topic.yaml"
SAMPLE = Path(__file__).parent / "samples" / "mapping" / "answer_with_its_record.json"
DATABRICKS = EXAMPLE.with_name("databricks.yaml")
MINIMAL = """
prediction:
  request_id: $headers.x-request-id
  ts: $timestamp
  model: {name: clip}
  task: vqa
  status: {exists: $.error, then: error, otherwise: ok}
"""


def decoder(folder: Path, text: str) -> Decoder:
    file = folder / "map.yaml"
    file.write_text(text)
    return mapping.decoder(FormatOptions(mapping=load_mapping(file)))


def record(values: Any, timestamp_ms: int = 1763719200250, **headers: str) -> Record:
    value = values if isinstance(values, bytes) else json.dumps(values).encode()
    named = tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items())
    return Record(PARTITION, 7, timestamp_ms, value, named)


def test_headers_and_the_record_s_time_can_be_mapped(tmp_path: Path) -> None:
    (event,) = decoder(tmp_path, MINIMAL)(record({"error": None}, X_Request_Id="r-1"))
    assert isinstance(event, Prediction)
    assert (event.request_id, event.status) == ("r-1", "ok")
    assert event.ts == datetime(2025, 11, 21, 10, 0, 0, 250_000, tzinfo=UTC)


def test_rows_that_are_not_meant_are_passed_over(tmp_path: Path) -> None:
    decode = decoder(tmp_path, MINIMAL + "where: {equals: [$.type, answer]}\n")
    assert decode(record({"type": "heartbeat"})) == []
    assert len(decode(record({"type": "answer"}, X_Request_Id="r"))) == 1


def test_a_topic_of_labels_needs_no_predictions(tmp_path: Path) -> None:
    text = """
label:
  request_id: $.id
  ts: $timestamp
  annotator: {id: {first_of: [$.by, unknown]}, kind: user}
  verdict: {equals: [$.thumb, up], then: correct, otherwise: incorrect}
"""
    (event,) = decoder(tmp_path, text)(record({"id": "r", "thumb": "down"}))
    assert isinstance(event, Label)
    assert (event.request_id, event.verdict, event.annotator.id) == ("r", "incorrect", "unknown")


def test_vectors_are_taken_from_lists_of_numbers(tmp_path: Path) -> None:
    text = MINIMAL + "  embeddings: [{transform: embedding, of: $.v, kind: image, embedder: clip-b32}]\n"
    (event,) = decoder(tmp_path, text)(record({"v": [0.0, 1.0]}, X_Request_Id="r"))
    assert isinstance(event, Prediction)
    assert event.embeddings[0].data == b"\x00\x00\x00\x00\x00\x00\x80?"
    with pytest.raises(InvalidEvent, match="not all elements are numbers"):
        decoder(tmp_path, text)(record({"v": [0.0, "one"]}, X_Request_Id="r"))


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b"", Rejection.UNREADABLE, "not a JSON record"),
        (b"[1]", Rejection.UNREADABLE, "not list"),
        (b"[" * 100_000, Rejection.UNREADABLE, "recursion"),
        (b"{}", Rejection.INVALID, r"prediction.request_id: \$headers.x-request-id is not in the row"),
        (b'{"a": "\\u0000"}', Rejection.UNSTORABLE, "NUL"),
    ],
)
def test_what_cannot_be_mapped_says_why(tmp_path: Path, value: bytes, reason: Rejection, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message) as caught:
        decoder(tmp_path, MINIMAL)(record(value))
    assert caught.value.reason == reason


def test_times_are_not_made_up_for_live_records(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"records have one, \$timestamp"):
        decoder(tmp_path, MINIMAL.replace("$timestamp", "{synthesize: {over: 7d}}"))
    with pytest.raises(SettingsError, match="needs a mapping file"):
        mapping.decoder(FormatOptions())


def test_the_example_maps_its_sample() -> None:
    sample = json.loads(SAMPLE.read_text())
    headers = tuple((name, text.encode()) for name, text in sample["headers"].items())
    decode = mapping.decoder(FormatOptions(mapping=load_mapping(EXAMPLE)))
    prediction, label = decode(Record(PARTITION, 7, 1763719205_000, sample["value"].encode(), headers))
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    assert (prediction.request_id, prediction.model.name, prediction.model.version) == ("q-81", "store-vqa", "12")
    assert (prediction.status, prediction.latency_ms) == ("ok", 412.0)
    assert (prediction.input.prompt, prediction.output.answer) == ("How many boxes are on the shelf?", "7")
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "s3://cameras/north/81.jpg"
    assert [(one.answer, one.score) for one in prediction.output.candidates] == [("7", 0.62), ("8", 0.3)]
    assert prediction.output.confidence == 0.62
    assert prediction.slices == {"device": "north", "tenant": "acme"}
    assert (label.verdict, label.annotator.kind) == ("correct", "user")


def asked_of_databricks(**columns: Any) -> Prediction:
    """A row of an inference table (Databricks' documentation, "Monitor served models using AI Gateway-enabled inference
    tables"): the bodies are texts."""
    first, answer, second = (
        {
            "role": role,
            "content": [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": text}],
        }
        for role, picture, text in (("user", "s3://b/1", "Q1"), ("assistant", "", "A1"), ("user", "s3://b/2", "Q2"))
    )
    request = {"messages": [first, answer, second, {"role": "tool", "content": "t"}]}
    response = {"choices": [{"message": {"content": "A2"}}]}
    row = {"databricks_request_id": "d-1", "status_code": 200, "request": json.dumps(request)}
    row |= {"request_time": "2025-11-21T10:00:00.123Z", "execution_duration_ms": 812, "response": json.dumps(response)}
    decode = mapping.decoder(FormatOptions(mapping=load_mapping(DATABRICKS)))
    (prediction,) = decode(record({name: value for name, value in (row | columns).items() if value != "absent"}))
    assert isinstance(prediction, Prediction)
    return prediction


def test_json_in_columns_of_text_is_looked_into() -> None:
    prediction = asked_of_databricks()
    assert (prediction.request_id, prediction.status, prediction.latency_ms) == ("d-1", "ok", 812)
    assert (prediction.input.prompt, prediction.output.answer) == ("Q2", "A2")
    assert prediction.input.image is not None
    assert prediction.input.image.ref == "s3://b/2"


def test_rows_of_older_inference_tables_and_failed_calls_are_read_too() -> None:
    older = {"request_time": "absent", "timestamp_ms": 1763719200123, "execution_duration_ms": "absent"}
    failure = json.dumps({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many"})
    refused = asked_of_databricks(**older, execution_time_ms=9, status_code=429, response=failure)
    assert refused.ts == datetime(2025, 11, 21, 10, 0, 0, 123_000, tzinfo=UTC)
    assert (refused.status, refused.error_code, refused.latency_ms) == ("rejected", "REQUEST_LIMIT_EXCEEDED", 9)
    lost = asked_of_databricks(status_code=500, response=None)
    assert (lost.status, lost.error_code, lost.input.prompt) == ("error", None, "Q2")
