"""Messages that OpenTelemetry's Python instrumentations log one by one, made and encoded by its own SDK."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from monitor.domain.events import Prediction
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, otlp, otlp_joined
from monitor.formats.spans import moment_of

PARTITION = Partition("cluster", "otlp_logs", "id", 0)
CALL: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
}
SYSTEM = {"content": "Be brief."}
USER = {"content": "Say this is a test"}
ANSWER = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "This is a test."},
}
SILENT = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}


class Service:
    """A service that logs its messages and traces its calls; spans and logs go to topics of their own."""

    def __init__(self) -> None:
        self.spans, self.logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        tracing, logging = TracerProvider(), LoggerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self.spans))
        logging.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self._tracer, self._logger = tracing.get_tracer("openai_v2"), logging.get_logger("openai_v2")

    def call(
        self,
        *messages: tuple[str, Any],
        error: str = "",
        named_by_attribute: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        with self._tracer.start_as_current_span("chat gpt-4o-mini", attributes=CALL) as span:
            for name, body in messages:
                said = (attributes or {"gen_ai.system": "openai"}) | (
                    {"event.name": name} if named_by_attribute else {}
                )
                event_name = None if named_by_attribute else name
                self._logger.emit(LogRecord(event_name=event_name, attributes=said, body=body))
            if error:
                span.set_attribute("error.type", error)
                span.set_status(StatusCode.ERROR, "broken")

    def traced(self) -> Message:
        return encode_spans(self.spans.get_finished_spans())

    def logged(self) -> Message:
        return encode_logs(self.logs.get_finished_logs())


@pytest.fixture
def service() -> Service:
    return Service()


def decode(value: bytes, form: Any = otlp_joined) -> list[Any]:
    return list(form.decoder(FormatOptions())(Record(PARTITION, 0, -1, value)))


def met(service: Service) -> Prediction:
    (request,), (response,) = (decode(one.SerializeToString()) for one in (service.traced(), service.logged()))
    assert (request.side, response.side) == ("request", "response")
    return join(request, response)


@pytest.mark.parametrize("named_by_attribute", [False, True])
def test_the_messages_of_a_call_meet_their_span(service: Service, named_by_attribute: bool) -> None:
    messages = [("gen_ai.system.message", SYSTEM), ("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER)]
    service.call(*messages, named_by_attribute=named_by_attribute)
    whole = met(service)
    assert (whole.input.prompt, whole.input.context) == ("Say this is a test", "Be brief.")
    assert (whole.output.answer, whole.status) == ("This is a test.", "ok")
    assert (whole.model.name, whole.model.version) == ("gpt-4o-mini", "2024-07-18")
    (span,) = service.spans.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert whole.latency_ms == pytest.approx((span.end_time - span.start_time) / 1e6)
    assert whole.tokens is not None
    assert (whole.tokens.input, whole.tokens.output) == (12, 5)


def test_messages_as_the_collector_writes_them_meet_their_span(sample: Callable[[str], Record]) -> None:
    read = otlp_joined.decoder(FormatOptions())
    (request,), (response,) = read(sample("otlp_joined/span")), read(sample("otlp_joined/messages"))
    assert isinstance(request, Half)
    assert isinstance(response, Half)
    whole = join(request, response)
    assert (whole.input.prompt, whole.output.answer) == ("Say this is a test", "This is a test.")
    assert (whole.input.context, whole.latency_ms) == ("You are a helpful bot", 940.0)


def test_both_encodings_say_the_same(service: Service) -> None:
    service.call(("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER))
    message = service.logged()
    plain = MessageToDict(message)
    for log in plain["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        log["traceId"], log["spanId"] = (b64decode(log[name]).hex() for name in ("traceId", "spanId"))
    assert decode(message.SerializeToString()) == decode(json.dumps(plain).encode())


def test_bodies_of_bedrock_are_lists_of_parts_without_a_type(service: Service) -> None:
    answer = {"index": 0, "finish_reason": "end_turn", "message": {"role": "assistant", "content": [{"text": "Hi!"}]}}
    service.call(("gen_ai.user.message", {"content": [{"text": "Say hi"}]}), ("gen_ai.choice", answer))
    whole = met(service)
    assert (whole.input.prompt, whole.output.answer) == ("Say hi", "Hi!")


def test_where_content_is_not_captured_the_call_is_complete_all_the_same(service: Service) -> None:
    service.call(("gen_ai.user.message", None), ("gen_ai.choice", SILENT))
    whole = met(service)
    assert (whole.input.prompt, whole.output.answer, whole.status) == (None, None, "ok")


def test_calls_in_one_export_are_kept_apart(service: Service) -> None:
    for number in range(3):
        said = {**ANSWER, "message": {"role": "assistant", "content": f"answer {number}"}}
        service.call(("gen_ai.user.message", {"content": f"question {number}"}), ("gen_ai.choice", said))
    spans, events = (decode(one.SerializeToString()) for one in (service.traced(), service.logged()))
    wholes = [join(span, event) for span, event in zip(spans, events, strict=True)]
    expected = [(f"question {number}", f"answer {number}") for number in range(3)]
    assert [(one.input.prompt, one.output.answer) for one in wholes] == expected


def test_of_several_choices_the_first_is_the_answer(service: Service) -> None:
    other = {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "Another one."}}
    service.call(("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER), ("gen_ai.choice", other))
    assert met(service).output.answer == "This is a test."


def google_choice(index: int, text: str, finish_reason: str | None = None) -> tuple[str, Any]:
    """As OpenTelemetry's instrumentation of google-genai logs it; of a stream each chunk, counted on, the last with a
    finish reason."""
    part = {"text": text, "thought": None, "inline_data": None}
    body = {"index": index, "content": {"parts": [part], "role": "model"}}
    return "gen_ai.choice", body if finish_reason is None else {**body, "finish_reason": finish_reason}


def test_messages_of_google_genai_stand_inside_the_content(service: Service) -> None:
    question = {
        "parts": [{"text": "What is it?"}, {"file_data": {"file_uri": "gs://a/b.jpg", "mime_type": "image/jpeg"}}]
    }
    service.call(("gen_ai.user.message", {"content": {**question, "role": None}}), google_choice(0, "A cat.", "STOP"))
    whole = met(service)
    assert whole.input.image is not None
    assert (whole.input.prompt, whole.input.image.ref) == ("What is it?", "gs://a/b.jpg")
    assert whole.output.answer == "A cat."


def test_contents_that_google_genai_elided_are_left_out(service: Service) -> None:
    choice = {"index": 0, "content": "<elided>", "finish_reason": "STOP"}
    service.call(("gen_ai.user.message", {"content": "<elided>"}), ("gen_ai.choice", choice))
    whole = met(service)
    assert (whole.input.prompt, whole.output.answer, whole.status) == (None, None, "ok")


def test_the_chunks_of_a_stream_are_one_answer(service: Service) -> None:
    service.call(("gen_ai.user.message", USER), *map(google_choice, range(3), ("This ", "is ", "a ")))
    service.call(("gen_ai.user.message", USER), google_choice(0, "This "), google_choice(1, "too.", "SAFETY"))
    first, second = decode(service.logged().SerializeToString())
    assert first.fields["output"] == {"answer": "This is a "}
    assert second.fields["output"]["answer"] == "This too."
    assert second.fields["output"]["refused"]


def test_what_goes_on_with_the_answer_of_an_earlier_record_waits_for_it(service: Service) -> None:
    """OpenTelemetry's instrumentation of google-genai counts the pieces of a stream on (`_otel_logger.emit` for each
    chunk), and the SDK exports by the clock.
    """
    service.call(google_choice(1, "is a "), google_choice(2, "test.", "SAFETY"))
    (more,) = decode(service.logged().SerializeToString())
    assert (more.side, more.fields["output"]["answer"]) == ("prelude", "is a test.")
    assert more.fields["output"]["refused"]


def test_another_choice_alone_in_a_later_record_is_no_piece(service: Service) -> None:
    service.call(("gen_ai.choice", {"index": 1, "finish_reason": "stop", "message": {"content": "Another one."}}))
    assert decode(service.logged().SerializeToString()) == []


def test_a_details_event_may_leave_operation_and_model_to_its_span(service: Service) -> None:
    """So the instrumentation of google-genai has it, without any messages where content is not captured."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Does this work?"}]}]
    answers = [{"role": "model", "parts": [{"type": "text", "content": "Yes."}], "finish_reason": "stop"}]
    name = "gen_ai.client.inference.operation.details"
    said = {"gen_ai.input.messages": messages, "gen_ai.output.messages": answers}
    service.call((name, None), attributes={**said, "gen_ai.usage.input_tokens": 5})
    whole = met(service)
    assert (whole.model.name, whole.model.version) == ("gpt-4o-mini", "2024-07-18")
    assert (whole.input.prompt, whole.output.answer) == ("Does this work?", "Yes.")
    assert decode(service.logged().SerializeToString(), otlp) == []
    service.spans.clear()
    service.logs.clear()
    service.call((name, None), attributes={"gen_ai.response.finish_reasons": ["stop"]})
    assert met(service).status == "ok"


def test_a_details_event_may_have_its_attributes_in_the_body_and_messages_ahead_of_it(service: Service) -> None:
    """GoogleCloudPlatform/opentelemetry-operations-python, tests of its exporter of logs (`GEN_AI_DICT`)."""
    name = "gen_ai.client.inference.operation.details"
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Does this work?"}]}]
    service.call((name, {"gen_ai.input.messages": messages}))
    assert met(service).input.prompt == "Does this work?"
    (half,) = decode(service.logged().SerializeToString())
    assert half.may_have_prelude


def test_what_a_filter_stopped_is_refused(service: Service) -> None:
    service.call(("gen_ai.user.message", USER), ("gen_ai.choice", {**SILENT, "finish_reason": "content_filter"}))
    assert met(service).output.refused


@pytest.mark.parametrize("messages", [[], [("gen_ai.choice", {**SILENT, "finish_reason": "error"})]])
def test_a_call_that_failed_is_complete_without_a_choice(service: Service, messages: list[tuple[str, Any]]) -> None:
    service.call(("gen_ai.user.message", USER), *messages, error="NotFoundError")
    (prediction,) = decode(service.traced().SerializeToString())
    assert isinstance(prediction, Prediction)
    assert (prediction.status, prediction.error_code) == ("rejected", "NotFoundError")
    (said,) = decode(service.logged().SerializeToString())
    assert said.side == "prelude"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            {"role": "user", "content": "What is it?"},
            {"message": {"role": "assistant", "content": "cat"}, "finish_reason": "content_filter", "index": 0},
        ),
        ({"content": "What is it?"}, {"finish_reason": "content_filter", "index": 0, "message": {"content": "cat"}}),
    ],
)
def test_bodies_may_be_json_text(service: Service, question: Any, answer: Any) -> None:
    """Semantic Kernel for Python (microsoft/semantic-kernel, `decorators.py`: `logger.info(json.dumps(...))`), and an
    older Microsoft.Extensions.AI of .NET (dotnet/extensions, `OpenTelemetryChatClient.cs`: `LogChatResponse`).
    """
    messages = [("gen_ai.user.message", json.dumps(question)), ("gen_ai.choice", json.dumps(answer))]
    service.call(*messages, named_by_attribute=True)
    output = met(service).output
    assert (output.answer, output.refused) == ("cat", True)
    assert met(service).input.prompt == "What is it?"


def test_another_choice_in_json_text_goes_on_with_an_earlier_record(service: Service) -> None:
    service.call(("gen_ai.choice", json.dumps({"index": 1, "message": {"content": "Another one."}})))
    assert decode(service.logged().SerializeToString()) == []


def test_messages_whose_choice_comes_later_are_a_prelude_of_it(service: Service) -> None:
    service.call(("gen_ai.system.message", SYSTEM), ("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER))
    system, user, choice = service.logs.get_finished_logs()
    asked, said, answered = (decode(encode_logs(one).SerializeToString()) for one in ([system], [user], [choice]))
    (asked, said, answered) = (*asked, *said, *answered)
    assert [one.fields for one in (asked, said, answered)] == [
        {"input": {"context": "Be brief."}},
        {"input": {"prompt": "Say this is a test"}},
        {"output": {"answer": "This is a test."}},
    ]
    assert [one.side for one in (asked, said, answered)] == ["prelude", "prelude", "response"]
    assert {one.call for one in (asked, said, answered)} == {answered.pair_id}
    assert asked.ts == moment_of(system.log_record.observed_timestamp or 0, "time")
    assert answered.may_have_prelude


def test_messages_without_content_are_no_prelude(service: Service) -> None:
    """So they come where content is not to be captured."""
    service.call(("gen_ai.system.message", None), ("gen_ai.user.message", {}))
    assert decode(service.logged().SerializeToString()) == []


def test_a_prelude_in_no_span_is_refused(service: Service) -> None:
    """As its choice is."""
    service._logger.emit(LogRecord(event_name="gen_ai.user.message", body=USER))
    (fault,) = decode(service.logged().SerializeToString())
    assert isinstance(fault, InvalidEvent)
    assert "snellen.request_id" in str(fault)


def test_a_message_that_is_none_is_refused_alone(service: Service) -> None:
    service.call(("gen_ai.user.message", {"content": 7, "message": [1]}), ("gen_ai.choice", {"message": {"parts": 7}}))
    service.call(("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER))
    assert [type(one) for one in decode(service.logged().SerializeToString())][-1] is Half


def test_a_choice_in_no_span_is_refused(service: Service) -> None:
    log = {"eventName": "gen_ai.choice", "timeUnixNano": "1763719200000000000", "body": {"stringValue": "Yes."}}
    (refused,) = decode(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}).encode())
    assert isinstance(refused, InvalidEvent)
    assert "traceId" in str(refused)


def test_on_a_topic_of_otlp_messages_without_their_span_are_passed_over(service: Service) -> None:
    service.call(("gen_ai.user.message", USER), ("gen_ai.choice", ANSWER))
    assert decode(service.logged().SerializeToString(), otlp) == []
