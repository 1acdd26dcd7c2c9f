"""Spans and events as OpenTelemetry's own SDK makes and encodes them: an encoder that is not ours."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from monitor.domain.events import Label, Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FormatOptions, otlp, otlp_json, otlp_protobuf

PARTITION = Partition("cluster", "otlp_spans", "id", 0)
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": "llava"}


class Traced:
    """A service with tracing; `record` is what its Collector would write for all finished spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "shop", "deployment.environment.name": "eu"}))
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def request(self) -> ExportTraceServiceRequest:
        return encode_spans(self.finished)


@pytest.fixture
def traced() -> Traced:
    return Traced()


def decode(value: bytes, **options: Any) -> list[Any]:
    return list(otlp.decoder(FormatOptions(**options))(Record(PARTITION, 0, -1, value)))


def test_a_traced_call_comes_out_as_it_was(traced: Traced) -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Who is there?"}]}]
    with (
        traced.tracer.start_as_current_span("POST /ask"),
        traced.tracer.start_as_current_span("chat llava", attributes=CHAT) as span,
    ):
        span.set_attribute("gen_ai.input.messages", json.dumps(messages))
        span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
        span.set_attribute("gen_ai.usage.input_tokens", 600)
        span.set_attribute("snellen.confidence", 0.5)
        result = {"gen_ai.evaluation.name": "correctness", "gen_ai.evaluation.score.value": 1.0}
        span.add_event("gen_ai.evaluation.result", result)
    prediction, label = decode(traced.request().SerializeToString(), slices={"region": "deployment.environment.name"})
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    call = traced.finished[0]
    assert call.context is not None
    ids = f"{call.context.trace_id:032x}-{call.context.span_id:016x}"
    assert prediction.request_id == label.request_id == ids
    assert call.start_time is not None
    assert call.end_time is not None
    assert prediction.latency_ms == pytest.approx((call.end_time - call.start_time) / 1e6)
    assert prediction.ts.timestamp() == pytest.approx(call.start_time / 1e9, abs=2e-6)
    assert (prediction.input.prompt, prediction.output.confidence) == ("Who is there?", 0.5)
    assert prediction.slices == {"region": "eu"}
    assert label.verdict == "correct"


def test_an_exception_is_the_call_s_failure(traced: Traced) -> None:
    with pytest.raises(TimeoutError), traced.tracer.start_as_current_span("chat llava", attributes=CHAT):
        raise TimeoutError("no answer")
    (prediction,) = decode(traced.request().SerializeToString())
    assert (prediction.status, prediction.error_code) == ("timeout", "TimeoutError")
    assert prediction.extra["error_message"] == "TimeoutError: no answer"


def test_both_encodings_say_the_same(traced: Traced) -> None:
    """JSON as protobuf itself writes it (ids in base64) and as OTLP has it (in hexadecimal)."""
    for number in range(3):
        with traced.tracer.start_as_current_span(
            "chat", attributes={**CHAT, "gen_ai.usage.output_tokens": number}
        ) as span:
            span.set_status(StatusCode.ERROR, "broken")
    request = traced.request()
    plain = MessageToDict(request)
    for span in plain["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["traceId"], span["spanId"] = (b64decode(span[name]).hex() for name in ("traceId", "spanId"))
    binary = decode(request.SerializeToString())
    assert len(binary) == 3
    assert binary == decode(json.dumps(MessageToDict(request)).encode()) == decode(json.dumps(plain).encode())


def test_what_the_sdk_writes_is_recognised(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("GET /"):
        pass
    request = traced.request()
    assert otlp_protobuf.signal(request.SerializeToString()) == "traces"
    assert otlp_json.recognised(json.dumps(MessageToDict(request), indent=2).encode())
    assert decode(request.SerializeToString()) == []


VALUES = st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)


@given(st.dictionaries(st.text(min_size=1, max_size=10), VALUES | st.lists(st.integers(0, 9), max_size=3), max_size=5))
def test_attributes_of_any_kind_are_read_alike_from_both_encodings(attributes: dict[str, Any]) -> None:
    traced = Traced()
    with traced.tracer.start_as_current_span("chat", attributes={**CHAT, **attributes}):
        pass
    request = traced.request()
    (binary,) = otlp_protobuf.read(request.SerializeToString())
    (plain,) = otlp_json.read(json.dumps(MessageToDict(request)).encode())
    assert binary == plain
    span = traced.finished[0]
    assert span.attributes is not None
    assert {
        name: list(value) if isinstance(value, tuple) else value for name, value in span.attributes.items()
    } == binary.attributes  # type: ignore[union-attr]
