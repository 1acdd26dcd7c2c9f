"""OTLP records as the Collector writes them: spans and events of model calls become predictions and labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from monitor.domain.events import Label, Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, otlp, otlp_joined
from tests.unit.formats.spans import PARTITION, SPAN, TRACE, decode, in_json
from tests.unit.formats.texts import ANSWERS, TEXTS

START = datetime(2025, 11, 21, 10, 0, tzinfo=UTC)
JOKE = " Why did the developer bring OpenTelemetry to the party? Because it always knows how to trace the fun!"
LOGO = (
    "https://raw.githubusercontent.com/open-telemetry/opentelemetry.io/refs/heads/main/static/img/logos/"
    "opentelemetry-horizontal-color.png"
)
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def test_a_chat_span_becomes_a_prediction(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions(task="captioning"))(sample("otlp/chat_with_messages_as_json_text"))
    assert isinstance(event, Prediction)
    assert (event.request_id, event.trace_id) == (f"{TRACE}-{SPAN}", TRACE)
    assert (event.ts, event.latency_ms, event.status) == (START, 940.0, "ok")
    assert (event.model.name, event.model.version, event.task) == ("gpt-4", "0613", "captioning")
    assert (event.input.prompt, event.input.context) == ("Tell me a joke about OpenTelemetry", "You are a helpful bot")
    assert event.output.answer == JOKE
    assert event.tokens is not None
    assert (event.tokens.input, event.tokens.output) == (52, 47)
    assert event.extra["gen_ai.response.id"] == "chatcmpl-9J3uIL87gldCFtiIbyaOvTeYBRA3l"
    assert event.extra["service.name"] == "shop-assistant"


def test_a_span_without_content_still_counts(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions())(sample("otlp/chat_without_content"))
    assert isinstance(event, Prediction)
    assert (event.input.prompt, event.output.answer, event.latency_ms) == (None, None, 940.0)


def test_the_picture_is_told_from_other_attachments(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions())(sample("otlp/image_by_uri"))
    assert isinstance(event, Prediction)
    assert event.input.image is not None
    assert event.input.image.ref == LOGO
    assert event.input.prompt == "What is in the attached data?"
    assert event.tokens is not None
    assert event.tokens.image == 40


def test_an_inline_picture_becomes_a_data_address_and_an_uploaded_one_cannot_be_opened(
    sample: Callable[[str], Record],
) -> None:
    inline, uploaded = otlp.decoder(FormatOptions())(sample("otlp/image_as_blob"))
    assert isinstance(inline, Prediction)
    assert isinstance(uploaded, Prediction)
    assert inline.input.image is not None
    assert inline.input.image.ref == "data:image/png;base64,aGVsbG8gd29ybGQgaW1hZ2luZSB0aGlzIGlzIGFuIGltYWdlCg=="
    assert uploaded.input.image is not None
    assert uploaded.input.image.ref == "urn:gen-ai-file:provider_fileid_123"


def test_of_a_trace_only_the_model_calls_are_taken(sample: Callable[[str], Record]) -> None:
    calls = otlp.decoder(FormatOptions())(sample("otlp/a_trace_with_tools"))
    assert [(one.request_id[-4:], one.status) for one in calls if isinstance(one, Prediction)] == [
        ("2222", "ok"),
        ("4444", "timeout"),
    ]
    assert len(calls) == 2


def test_an_event_logged_on_its_own_is_a_prediction_too(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions())(sample("otlp/details_event"))
    assert isinstance(event, Prediction)
    assert (event.request_id, event.output.answer, event.latency_ms) == (f"{TRACE}-{SPAN}", JOKE, None)


@pytest.mark.parametrize("empty", [b"\x0a\x00", b"\x0a\x02\x12\x00"], ids=["a resource", "a scope"])
@pytest.mark.parametrize("name", ["details_event", "image_by_uri"], ids=["logs", "traces"])
def test_a_resource_or_scope_of_nothing_may_come_first(
    sample: Callable[[str], Record], name: str, empty: bytes
) -> None:
    record, read = sample(f"otlp/{name}"), otlp.decoder(FormatOptions())
    assert otlp.recognises(replace(record, value=empty + record.value))
    assert read(replace(record, value=empty + record.value)) == read(record) != []


def test_evaluations_become_labels_where_they_plainly_say_something(sample: Callable[[str], Record]) -> None:
    labels = otlp.decoder(FormatOptions())(sample("otlp/evaluations"))
    assert all(isinstance(one, Label) and one.request_id == f"{TRACE}-{SPAN}" for one in labels)
    said = [(one.annotator.id, one.annotator.kind, one.verdict, one.rating, one.safety_violation) for one in labels]
    assert said == [
        ("reviewer-7", "human", None, 80.0, None),
        ("Toxicity", "code", None, None, True),
    ]


@pytest.mark.parametrize(
    ("name", "prompt", "answer", "image"),
    [
        ("openllmetry", "What is on the plate?", "Two pancakes.", "https://shop.example/plate.jpg"),
        ("events_of_conventions_1_30", "Is it raining?", "Yes.", None),
        (
            "openinference_image",
            "What objects do you see in this image?",
            "A mug and a spoon.",
            "https://example.com/photo.jpg",
        ),
        ("openinference_redacted", None, None, None),
    ],
)
def test_other_spellings_say_the_same(
    sample: Callable[[str], Record], name: str, prompt: str | None, answer: str | None, image: str | None
) -> None:
    event = otlp.decoder(FormatOptions())(sample(f"otlp/{name}"))[0]
    assert isinstance(event, Prediction)
    assert (event.input.prompt, event.output.answer) == (prompt, answer)
    assert (event.input.image and event.input.image.ref) == image


def test_span_and_event_logged_apart_meet_in_one_prediction(sample: Callable[[str], Record]) -> None:
    read = otlp_joined.decoder(FormatOptions())
    (request,), (response,) = read(sample("otlp_joined/span")), read(sample("otlp_joined/event"))
    assert isinstance(request, Half)
    assert isinstance(response, Half)
    whole = join(request, response)
    assert (whole.request_id, whole.ts, whole.latency_ms) == (f"{TRACE}-{SPAN}", START, 940.0)
    assert (whole.output.answer, whole.status, whole.model.version) == (JOKE, "ok", "0613")


def test_an_event_without_an_error_does_not_hide_that_of_its_span() -> None:
    read = otlp_joined.decoder(FormatOptions())
    failed = in_json({"attributes": CHAT, "status": {"code": 2, "message": "boom"}})
    (request,) = read(Record(PARTITION, 0, -1, failed))
    event = Half(f"{TRACE}-{SPAN}", "response", START, {"task": "vqa", "model": {"name": "m"}})
    assert isinstance(request, Half)
    assert join(request, event).status == "error"


def test_resource_attributes_can_be_slices_and_versions() -> None:
    resource = {
        "deployment.environment.name": "production",
        "snellen.model.version": "7",
        "snellen.model.variant": "canary",
    }
    (event,) = decode(
        in_json({"attributes": CHAT | {"tenant": 12}}, resource=resource),
        slices={"env": "deployment.environment.name", "tenant": "tenant", "none": "no.such"},
    )
    assert event.slices == {"env": "production", "tenant": "12"}
    assert (event.model.version, event.model.variant) == ("7", "canary")


def test_our_own_attributes_win() -> None:
    own = {"snellen.request_id": "order-9", "snellen.confidence": 0.75, "snellen.task": "classification"}
    (event,) = decode(in_json({"attributes": CHAT | own}))
    assert (event.request_id, event.output.confidence, event.task) == ("order-9", 0.75, "classification")


@pytest.mark.parametrize(
    ("attributes", "status", "expected"),
    [
        ({}, {}, ("ok", None)),
        ({"error.type": "429"}, {}, ("rejected", "429")),
        ({"error.type": "400"}, {"code": 2}, ("rejected", "400")),
        ({"error.type": "408"}, {"code": 2}, ("timeout", "408")),
        ({"error.type": "504"}, {"code": 2}, ("timeout", "504")),
        ({"error.type": "500"}, {"code": 2}, ("error", "500")),
        ({"error.type": "ThrottlingException", "http.status_code": 429}, {"code": 2}, ("rejected", "429")),
        ({"error.type": "ValidationException", "http.status_code": "400"}, {"code": 2}, ("rejected", "400")),
        (
            {"error.type": "ModelTimeoutException", "http.status_code": 200},
            {"code": 2},
            ("timeout", "ModelTimeoutException"),
        ),
        ({"error.type": "RateLimitError", "http.response.status_code": 429}, {"code": 2}, ("rejected", "429")),
        ({}, {"code": "STATUS_CODE_ERROR"}, ("error", "error")),
        ({"error.type": "asyncio.TimeoutError"}, {"code": 2}, ("timeout", "asyncio.TimeoutError")),
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, {}, ("ok", None)),
    ],
)
def test_failures_keep_their_kind(
    attributes: dict[str, Any], status: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    """openai-dotnet names an HTTP status as the type (`OpenTelemetryScope.GetErrorType`), OpenTelemetry's
    instrumentation of botocore an exception, with the status under its older name.
    """
    (event,) = decode(in_json({"attributes": CHAT | attributes, "status": status}))
    assert (event.status, event.error_code) == expected
    assert event.output.refused is ("gen_ai.response.finish_reasons" in attributes)


@pytest.mark.parametrize("answer", ['{"count": 3}', "[1, 2]", "[", '[{"a": 1}]'])
def test_an_answer_in_json_stays_text(answer: str) -> None:
    messages = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    (new,) = decode(in_json({"attributes": CHAT | {"gen_ai.output.messages": json.dumps(messages)}}))
    (old,) = decode(
        in_json({"attributes": CHAT | {"gen_ai.completion.0.content": answer, "gen_ai.completion.0.role": "x"}})
    )
    assert (new.output.answer, old.output.answer) == (answer, answer)


def test_one_bad_span_does_not_cost_the_others() -> None:
    good = {"attributes": CHAT}
    bad = {"attributes": CHAT | {"snellen.confidence": 7.0}, "spanId": "2222222222222222"}
    worse = {"attributes": CHAT, "startTimeUnixNano": "soon", "spanId": "3333333333333333"}
    first, second, third, last = decode(in_json(good, bad, worse, {**good, "spanId": "4444444444444444"}))
    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert isinstance(second, InvalidEvent)
    assert "$.output.confidence" in str(second)
    assert "2222222222222222" in str(second)
    assert isinstance(third, InvalidEvent)
    assert "startTimeUnixNano is 'soon'" in str(third)


@pytest.mark.parametrize("score", ["NaN", "Infinity"])
def test_scores_that_are_no_numbers_are_refused(score: str) -> None:
    kind = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.id": "a"}
    value = in_json({"attributes": kind | {"retrieval.documents.0.document.score": 0.5, "snellen.confidence": 0.5}})
    assert isinstance(decode(value, model="m")[0], Prediction)
    for name in (b"document.score", b"confidence"):
        place = value.index(b"0.5", value.index(name))
        (found,) = decode(value[:place] + f'"{score}"'.encode() + value[place + 3 :], model="m")
        assert isinstance(found, InvalidEvent)


def test_many_bad_spans_are_told_once() -> None:
    bad = {"attributes": CHAT | {"snellen.confidence": 7.0}}
    found = decode(in_json(*[bad] * 1000))
    assert len(found) == otlp.MAX_REFUSED
    assert str(found[-1]).startswith("993 more spans or log records")


def test_a_span_that_names_no_model_says_what_to_do() -> None:
    (found,) = decode(in_json({"attributes": {"gen_ai.operation.name": "chat"}}))
    assert "set `model` for the topic" in str(found)
    (event,) = decode(in_json({"attributes": {"gen_ai.operation.name": "chat"}}), model="ours")
    assert event.model.name == "ours"


def test_base64_ids_as_other_json_writers_have_them_are_the_same_ids() -> None:
    (event,) = decode(in_json({"attributes": CHAT, "traceId": "S/kvNXezTaajzpKdDg5HNg==", "spanId": "APBnqgupArc="}))
    assert event.request_id == f"{TRACE}-{SPAN}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Rejection.UNREADABLE),
        (b"hello world", Rejection.UNREADABLE),
        (b'{"resourceSpans": 7}', Rejection.UNREADABLE),
        (b'{"resourceSpans": [', Rejection.UNREADABLE),
        (b"\xff" * 64, Rejection.UNREADABLE),
    ],
)
def test_what_is_no_otlp_is_unreadable(value: bytes, reason: Rejection) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(value)
    assert caught.value.reason == reason


def test_a_record_that_was_cut_off_is_unreadable(sample: Callable[[str], Record]) -> None:
    whole = sample("otlp/image_by_uri").value
    with pytest.raises(InvalidEvent, match="Protocol Buffers"):
        decode(whole[:-7])


def test_nul_in_a_text_is_unstorable() -> None:
    (found,) = decode(in_json({"attributes": CHAT | {"gen_ai.prompt": "a\x00b"}}))
    assert isinstance(found, InvalidEvent)
    assert found.reason == Rejection.UNSTORABLE


def test_deep_attributes_are_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    (found,) = decode(in_json({"attributes": CHAT | {"gen_ai.input.messages": deep}}))
    assert isinstance(found, InvalidEvent)
    assert "deeper than 32 levels" in str(found)


def test_protobuf_nested_without_end_is_unreadable() -> None:
    data = TracesData()
    value = (
        data.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
        .attributes.add(key="gen_ai.x")
        .value
    )
    for _ in range(500):
        value = value.array_value.values.add()
    with pytest.raises(InvalidEvent, match="Protocol Buffers"):
        decode(data.SerializeToString())


def test_metrics_on_the_topic_are_passed_over() -> None:
    data = MetricsData()
    data.resource_metrics.add().scope_metrics.add().metrics.add(name="gen_ai.client.token.usage")
    assert decode(data.SerializeToString()) == []


def test_a_hundred_thousand_spans_of_no_model_cost_little() -> None:
    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for _ in range(100_000):
        scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="GET")
    assert decode(data.SerializeToString()) == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    record = Record(PARTITION, 0, -1, value)
    otlp.recognises(record)
    with suppress(InvalidEvent):
        otlp.decoder(FormatOptions())(record)


@given(prompt=TEXTS.filter(bool), answer=ANSWERS.filter(bool), tokens=st.integers(0, 2**40), ms=st.integers(0, 10**6))
def test_what_went_in_comes_out(prompt: str, answer: str, tokens: int, ms: int) -> None:
    """The text of a part is never interpreted, whatever it looks like, but for an answer's thoughts in their tags."""
    attributes = CHAT | {
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": prompt}]}],
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]),
        "gen_ai.usage.input_tokens": tokens,
    }
    end = 1763719200_000000000 + ms * 1_000_000
    (event,) = decode(in_json({"attributes": attributes, "endTimeUnixNano": end}))
    assert (event.input.prompt, event.output.answer) == (prompt, answer)
    assert (event.tokens.input, event.latency_ms) == (tokens, ms)
