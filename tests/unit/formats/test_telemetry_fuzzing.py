"""Whatever telemetry says, decoders read or refuse it: broken bytes, and values that no convention foresees."""

from __future__ import annotations

import base64
import json
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.events import encode
from monitor.domain.halves import Half, digest
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions, native
from monitor.mapping import load_mapping

PARTITION = Partition("cluster", "t", "id", 0)
SAMPLES = Path(__file__).parent / "samples"
MAPPING = Path(__file__).parents[3] / "examples" / "mappings" / "kafka_topic.yaml"
SOURCES = Path(__file__).parents[3] / "monitor" / "formats"
MINE = ("otlp", "otlp_joined", "openinference", "mapping", "auto")
OPTIONS = FormatOptions(
    model="m", slices={"a": "gen_ai.provider.name", "b": "metadata.x"}, mapping=load_mapping(MAPPING)
)


def values() -> list[bytes]:
    files = [file for folder in MINE for file in sorted((SAMPLES / folder).glob("*.json"))]
    samples = [json.loads(file.read_text()) for file in files]
    return [
        base64.b64decode(one["value_base64"]) if "value_base64" in one else one["value"].encode() for one in samples
    ]


def names() -> list[str]:
    """Every attribute that the decoders speak of, and each flattened one with a number in it."""
    files = [SOURCES / f"{name}.py" for name in ("genai", "openinference", "evaluations", "predictions")]
    text = "".join(file.read_text() for file in (*files, *(SOURCES / "dialects").glob("*.py")))
    spaces = "gen_ai|llm|snellen|openinference|error|http|metadata|session|ai|gcp|mlflow|genkit|logfire"
    found = set(re.findall(rf'"((?:{spaces})[.:][A-Za-z_.:]+)"', text))
    flattened = {
        "gen_ai.prompt.0.content", "gen_ai.prompt.0", "llm.input_messages.0.message.contents.0.message_content.text",
        "llm.input_messages.0.message.contents.0", "llm.input_messages.0", "llm.output_messages.0.message.content",
        "embedding.embeddings.0.embedding.vector", "embedding.embeddings.0", "retrieval.documents.0.document.score",
        "retrieval.documents.0", "annotations.0.annotation.name", "annotations.0.annotation.score", "annotations.0",
        "evaluations.0.evaluation.label", "evaluations.0.evaluation", "classifier.classifications.0.classification",
        "classifier.classifications.0.classification.probability", "metadata", "input.value", "output.value",
        "tag.tags", "gen_ai.prompt.0.user", "events", "request_data", "response_data", "duration",
        "langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.output",
        "langfuse.observation.usage_details", "langfuse.observation.cost_details", "langfuse.observation.level",
    }  # fmt: skip
    return sorted(found | flattened)


def read(form: str, value: bytes) -> None:
    """Decodes, and does with what comes out what ingest does first."""
    with suppress(InvalidEvent):
        for one in FORMATS[form](OPTIONS)(Record(PARTITION, 0, 1763719200000, value)):
            if isinstance(one, Half):
                with suppress(InvalidEvent):
                    assert digest(one)
            elif not isinstance(one, InvalidEvent):
                assert native.decode(encode(one)) == one


VALUES = values()
NAMES = names()
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12)
    | st.sampled_from(["__REDACTED__", "[", '{"role": "user"}', '[{"role": "user", "parts": [7]}]', "[1]", "\x00"])
    | st.sampled_from(['{"choices": [{"text": ""}]}', '{"generations": [[{"message": {"id": [""], "kwargs": {}}}]]}'])
    | st.sampled_from(["9" * 99, "FinishReason.", ",", '{"index": 1}', '{"messages": [7], "prompt": 3, "stream": 1}'])
    | st.sampled_from(['{"message": {"content": 7}, "usage": {"input": "x"}}', '{"candidates": [{"content": 7}]}'])
    | st.sampled_from(["generation", "model", "log", '"LLM"', '{"usage": 7, "total": "1", "input": {}, "system": [7]}'])
)  # fmt: skip
ANY = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "parts",
                    "content",
                    "type",
                    "text",
                    "image",
                    "source",
                    "inline_data",
                    "data",
                    "user",
                    "name",
                    "x",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(["LLM", "EMBEDDING", "RETRIEVER", "RERANKER", "CLASSIFIER", "CHAIN"])
OPERATIONS = st.sampled_from(["chat", "retrieval", "embeddings", "execute_tool"])
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), ANY, max_size=8)


@pytest.mark.parametrize("form", MINE)
@settings(max_examples=150)
@given(data=st.data())
def test_broken_samples_are_read_or_refused(form: str, data: st.DataObject) -> None:
    value = bytearray(data.draw(st.sampled_from(VALUES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(value)))
        length = data.draw(st.integers(0, 8))
        value[place : place + length] = data.draw(st.binary(max_size=8))
    read(form, bytes(value))


def any_value(value: Any) -> dict[str, Any]:
    match value:
        case list():
            return {"arrayValue": {"values": [any_value(one) for one in value]}}
        case dict():
            return {"kvlistValue": {"values": pairs(value)}}
        case None:
            return {}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    finite = not isinstance(value, float) or math.isfinite(value)
    return {kinds[type(value)]: value if finite else str(value)}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": any_value(value)} for name, value in attributes.items()]


@pytest.mark.parametrize("form", ["otlp", "otlp_joined"])
@settings(max_examples=400)
@given(attributes=ATTRIBUTES, of_event=ATTRIBUTES, kind=KINDS | st.none(), operation=OPERATIONS, failed=st.booleans())
def test_attributes_may_hold_anything(
    form: str, attributes: dict[str, Any], of_event: dict[str, Any], kind: str | None, operation: str, failed: bool
) -> None:
    known = {"openinference.span.kind": kind} if kind else {"gen_ai.operation.name": operation}
    names = [
        "gen_ai.evaluation.result",
        "gen_ai.client.inference.operation.details",
        "exception",
        "gen_ai.user.message",
    ]
    events = [{"name": name, "timeUnixNano": "1", "attributes": pairs(of_event)} for name in names]
    span = {
        "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "startTimeUnixNano": 1763719200_000000000,
        "attributes": pairs({**known, **attributes}), "events": events, "status": {"code": 2 if failed else 0},
    }  # fmt: skip
    logs = [{"eventName": name, "timeUnixNano": "1", "attributes": pairs({**known, **of_event})} for name in names]
    record = {
        "resourceSpans": [{"resource": {"attributes": pairs(of_event)}, "scopeSpans": [{"spans": [span]}]}],
        "resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}],
    }
    read(form, json.dumps(record).encode())


@settings(max_examples=400)
@given(attributes=ATTRIBUTES, other=ANY, kind=KINDS)
def test_exported_spans_may_hold_anything(attributes: dict[str, Any], other: Any, kind: str) -> None:
    row = {"context": {"trace_id": "t", "span_id": "s"}, "span_kind": kind, "start_time": "2026-11-20T10:00:00Z"}
    for more in (
        {"attributes": attributes},
        {"attributes": other},
        {"end_time": other},
        {"events": [other]},
        {"context": other},
    ):
        value = json.dumps(row | more, allow_nan=False, default=str) if _is_json(row | more) else "{}"
        read("openinference", value.encode())


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
