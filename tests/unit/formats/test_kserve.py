"""KServe's agent logger: what its two events per call become, in every mode in which they reach Kafka."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent, SettingsError
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.kserve import decoder, recognises
from tests.unit.formats import inference_proto as protobuf
from tests.unit.formats.texts import ANSWERS, TEXTS

Sample = Callable[[str], Record]
ID = "11111111-2222-4333-8444-555555555555"
REQUEST = {
    "ce_id": "r1",
    "ce_type": "org.kubeflow.serving.inference.request",
    "ce_time": "2025-11-21T10:00:00Z",
    "ce_inferenceservicename": "llava",
}
STRUCTURED = {"content-type": "application/cloudevents+json"}
RESPONSE = {**REQUEST, "ce_type": "org.kubeflow.serving.inference.response", "ce_time": "2025-11-21T10:00:01.5Z"}


def record(value: Any, headers: dict[str, str], timestamp_ms: int = 1763719205_000) -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = tuple((name, text.encode()) for name, text in headers.items())
    return Record(Partition("cluster", "kserve", "id", 0), 0, timestamp_ms, raw, named)


def halves(one: Record, options: FormatOptions | None = None) -> list[Half]:
    decoded = decoder(options or FormatOptions())(one)
    assert all(isinstance(half, Half) for half in decoded)
    return [half for half in decoded if isinstance(half, Half)]


def joined(request: Any, response: Any, options: FormatOptions | None = None) -> list[Prediction]:
    pairs = zip(halves(record(request, REQUEST), options), halves(record(response, RESPONSE), options), strict=True)
    return [join(*pair) for pair in pairs]


def refused(one: Record, options: FormatOptions | None = None) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decoder(options or FormatOptions())(one)
    return caught.value


def test_the_pair_of_the_agents_own_test_is_one_call(sample: Sample) -> None:
    (request,) = halves(sample("kserve/v1_request"), FormatOptions(slices={"foo": "FOO"}))
    (response,) = halves(sample("kserve/v1_response"))
    prediction = join(request, response)
    assert prediction.request_id == ID
    assert prediction.ts.isoformat() == "2025-11-21T10:00:00.000456+00:00"
    assert prediction.latency_ms == 250
    assert (prediction.model.name, prediction.model.variant, prediction.status) == ("mymodel", "stable", "ok")
    assert prediction.slices == {"foo": "bar"}
    assert prediction.extra == {"namespace": "default", "component": "predictor"}


def test_a_picture_in_base64_becomes_a_data_address_and_its_class_the_answer(sample: Sample) -> None:
    (request,), (response,) = halves(sample("kserve/image_request")), halves(sample("kserve/image_response"))
    prediction = join(request, response)
    assert prediction.model.variant == "canary"
    assert prediction.input.image is not None
    assert prediction.input.image.ref is not None
    assert prediction.input.image.ref.startswith("data:image/png;base64,iVBOR")
    assert prediction.input.image.bytes == 48
    assert prediction.output.answer == "2"


def test_binary_tensors_are_read_whether_or_not_the_length_of_the_json_is_right(sample: Sample) -> None:
    (request,) = halves(sample("kserve/v2_binary_request"))
    (response,) = halves(sample("kserve/v2_binary_response"))
    assert join(request, response).request_id == ID


def test_the_chat_of_kserves_own_fixtures(sample: Sample) -> None:
    (request,), (response,) = halves(sample("kserve/chat_request")), halves(sample("kserve/chat_response"))
    prediction = join(request, response)
    assert prediction.input.prompt == "What is AI?"
    assert prediction.output.answer == "\n\nAI stands for artificial intelligence."
    # six tokens of the answer; the line feeds before it do not count
    logprobs = (-0.016520381, -0.96964926, -1.7835755e-05, -0.35825357, -0.00023035755, -0.4879583)
    assert prediction.output.confidence == pytest.approx(2.718281828459045 ** (sum(logprobs) / 6))
    assert prediction.tokens is not None
    assert (prediction.tokens.input, prediction.tokens.output) == (4, 7)
    assert prediction.extra["finish_reason"] == "length"
    assert prediction.model.version == "gpt-3.5"


def test_a_stream_that_is_labelled_as_json_is_put_together(sample: Sample) -> None:
    (half,) = halves(sample("kserve/chat_stream_response"))
    assert half.fields["output"]["answer"] == "AI, or artificial intelligence, is"
    assert half.fields["output"]["confidence"] == pytest.approx(0.7577707, abs=1e-6)
    assert half.fields["status"] == "ok"


def test_structured_mode_carries_the_body_as_json_or_base64(sample: Sample) -> None:
    (request,) = halves(sample("kserve/structured_request"), FormatOptions(slices={"foo": "foo"}))
    (response,) = halves(sample("kserve/structured_response"))
    prediction = join(request, response)
    assert (prediction.input.prompt, prediction.output.answer) == ("What colour is the door?", "red")
    assert prediction.slices == {"foo": "bar"}


def test_a_batch_of_events_is_read_one_by_one(sample: Sample) -> None:
    request, response = halves(sample("kserve/batch"))
    assert join(request, response).output.answer == "red"


@pytest.mark.parametrize("content", ['{"predictions": ["red"]}', 'data: {"choices": []}\n\n'])
def test_structured_data_may_be_a_text_that_holds_the_body(content: str) -> None:
    event = {name[3:]: value for name, value in RESPONSE.items()} | {"data": content}
    one = record(event, STRUCTURED)
    (half,) = halves(one)
    assert half.fields["status"] == ("ok" if content.startswith("{") else "error")


@pytest.mark.parametrize("spelling", [str.upper, lambda name: name.replace("_", "-"), str.title])
def test_header_names_compare_without_case_and_in_https_spelling(spelling: Callable[[str], str]) -> None:
    headers = {spelling(name): value for name, value in REQUEST.items()}
    (half,) = halves(record({"instances": ["q"]}, headers))
    assert (half.pair_id, half.fields["model"]["name"]) == ("r1", "llava")


def test_the_items_of_a_batch_are_numbered_on_both_sides() -> None:
    first, second = joined({"instances": ["a?", "b?"]}, {"predictions": ["A", "B"]})
    assert (first.request_id, first.input.prompt, first.output.answer) == ("r1#0", "a?", "A")
    assert (second.request_id, second.input.prompt, second.output.answer) == ("r1#1", "b?", "B")


def test_a_trace_is_known_by_the_id_in_its_parent() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (half,) = halves(record({"instances": ["q"]}, {**REQUEST, "ce_traceparent": parent}))
    assert half.fields["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_events_of_other_types_say_nothing() -> None:
    assert halves(record({}, {**REQUEST, "ce_type": "io.argoproj.workflow"})) == []


@pytest.mark.parametrize("name", ["kserve/sdk_binary", "kserve/sdk_structured"])
def test_what_the_cloudevents_sdk_writes_is_read(sample: Sample, name: str) -> None:
    """Its structured records are labelled with the content type of their data."""
    (half,) = halves(sample(name), FormatOptions(slices={"region": "x-region"}))
    assert (half.pair_id, half.fields["input"]["prompt"]) == ("k-1", "What is this?")
    assert (half.fields["slices"], half.fields["model"]["name"]) == ({"region": "eu"}, "llava")


def test_without_ce_time_the_records_own_time_counts() -> None:
    headers = {name: value for name, value in REQUEST.items() if name != "ce_time"}
    (half,) = halves(record({"instances": ["q"]}, headers))
    assert half.ts.isoformat() == "2025-11-21T10:00:05+00:00"
    assert "ce_time" in str(refused(record({"instances": ["q"]}, headers, timestamp_ms=-1)))


def test_a_body_that_went_compressed_over_the_wire_is_unpacked_within_the_limit() -> None:
    packed = gzip.compress(json.dumps({"instances": ["q" * 10_000]}).encode())
    (half,) = halves(record(packed, REQUEST))
    assert half.fields["input"]["prompt"] == "q" * 10_000
    fault = refused(record(packed, REQUEST), FormatOptions(max_record_bytes=5_000))
    assert fault.reason == Rejection.OVERSIZED
    assert refused(record(packed[:-9], REQUEST)).reason == Rejection.UNREADABLE


def test_an_answer_that_is_an_error_counts_as_one() -> None:
    (prediction,) = joined({"instances": ["q"]}, {"error": "out of memory"})
    assert (prediction.status, prediction.extra["error_message"]) == ("error", "out of memory")


@pytest.mark.parametrize(
    ("value", "headers", "reason", "word"),
    [
        (b"", REQUEST, Rejection.UNREADABLE, "empty"),
        (b'{"instances": [1]}', {}, Rejection.INVALID, "ce_type"),
        (b'{"specversion": "1.0", "data": {}}', {}, Rejection.INVALID, "type"),
        (b"\x00\x01", REQUEST, Rejection.UNREADABLE, "request"),
        (b'{"instances": ["a\\u0000b"]}', REQUEST, Rejection.UNSTORABLE, "NUL"),
        (b'{"messages": [{"content": 5}]}', REQUEST, Rejection.INVALID, "messages"),
        (b'{"instances": [1]}', {**REQUEST, "ce_id": ""}, Rejection.INVALID, "ce_id"),
        (b'{"instances": [1]}', {**REQUEST, "ce_id": "x" * 129}, Rejection.INVALID, "ce_id"),
        (b'{"instances": [1]}', {**REQUEST, "ce_time": "noon"}, Rejection.INVALID, "ce_time"),
        (b'{"instances": ' + b"[" * 100_000, REQUEST, Rejection.UNREADABLE, "request"),
        (json.dumps({"instances": [1] * 1025}).encode(), REQUEST, Rejection.INVALID, "1025"),
        (b"[1", {"content-type": "application/cloudevents-batch+json"}, Rejection.UNREADABLE, "CloudEvent"),
        (b'{"type": "t", "data_base64": "?"}', STRUCTURED, Rejection.UNREADABLE, "base64"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_its_reason(
    value: bytes, headers: dict[str, str], reason: Rejection, word: str
) -> None:
    fault = refused(record(value, headers))
    assert fault.reason == reason
    assert word in str(fault)


def test_logged_headers_that_are_no_json_are_refused_only_where_slices_need_them() -> None:
    one = record({"instances": ["q"]}, {**REQUEST, "ce_metadata": "{"})
    assert halves(one)
    assert "ce_metadata" in str(refused(one, FormatOptions(slices={"region": "x-region"})))


def test_what_metadata_say_again_counts_again_and_what_they_hide_is_refused_again() -> None:
    decode = decoder(FormatOptions(slices={"region": "x-region"}))
    body = {"messages": [{"role": "user", "content": "q"}], "metadata": {"x-region": "body"}}
    regions = []
    for region in ("eu", "us", "eu", "", "e" * 600):
        metadata = json.dumps({"X-Region": [region]})
        (half,) = decode(record(body, {**REQUEST, "ce_metadata": metadata}))
        assert isinstance(half, Half)
        regions.append(half.fields["slices"].pop("region"))  # what one call has is its own
    assert regions == ["eu", "us", "eu", "body", "body"]
    for _ in range(2):
        with pytest.raises(InvalidEvent) as caught:
            decode(record(body, {**REQUEST, "ce_metadata": r'{"x-region": "a\u0000"}'}))
        assert caught.value.reason is Rejection.UNSTORABLE


def test_a_field_that_there_is_not_is_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"fields\.promt"):
        FORMATS["kserve"](FormatOptions(fields={"promt": "TEXT"}))


@given(prompt=TEXTS, answer=ANSWERS, structured=st.booleans())
def test_what_a_chat_says_comes_out_as_it_went_in(prompt: str, answer: str, structured: bool) -> None:
    asked = {"model": "llava", "messages": [{"role": "user", "content": prompt}]}
    said = {"object": "chat.completion", "model": "llava", "choices": [{"index": 0, "message": {"content": answer}}]}
    pair = []
    for body, headers in ((asked, REQUEST), (said, RESPONSE)):
        one = record(body, headers)
        if structured:
            event = {name[3:]: value for name, value in headers.items()}
            event["data_base64"] = base64.b64encode(one.value).decode()
            one = record(event, STRUCTURED)
        pair.extend(halves(one))
    prediction = join(*pair)
    assert (prediction.input.prompt, prediction.output.answer) == (prompt, answer)
    assert prediction.latency_ms == 1500


def test_its_records_are_recognised(sample: Sample) -> None:
    assert all(map(recognises, map(sample, ("kserve/v1_request", "kserve/structured_response", "kserve/batch"))))
    assert not any(map(recognises, map(sample, ("seldon/iris_request", "oip/request", "openai_chat/image_call"))))


def framed(message: bytes, packed: bool = False) -> bytes:
    """As gRPC sends it."""
    return bytes([packed]) + len(message).to_bytes(4, "big") + message


GRPC = {"content-type": "application/grpc"}


@pytest.mark.parametrize("packed", [False, True])
def test_bodies_of_grpc_are_read(packed: bool) -> None:
    def text(name: str, said: bytes) -> dict[str, Any]:
        contents = {"bytesContents": [base64.b64encode(said).decode()]}
        return {"name": name, "datatype": "BYTES", "shape": [1], "contents": contents}

    asked = protobuf.request({"modelName": "vqa", "inputs": [text("prompt", b"Where?")]})
    said = protobuf.response({"modelName": "vqa", "modelVersion": "3", "outputs": [text("answer", b"here")]})
    bodies = [framed(gzip.compress(one) if packed else one, packed) for one in (asked, said)]
    pair = zip(bodies, (REQUEST, RESPONSE), strict=True)
    ((request,), (response,)) = [halves(record(body, {**headers, **GRPC})) for body, headers in pair]
    found = join(request, response)
    assert (found.input.prompt, found.output.answer, found.status) == ("Where?", "here", "ok")
    assert (found.model.name, found.model.version) == ("llava", "3")


def test_a_call_of_grpc_without_an_answer_failed() -> None:
    (half,) = halves(record(b"", {**RESPONSE, **GRPC}))
    assert half.fields["status"] == "error"
    assert "gRPC" in half.fields["extra"]["error_message"]
    assert refused(record(b"", RESPONSE)).reason is Rejection.UNREADABLE


def test_damaged_bodies_of_grpc_are_refused() -> None:
    error = refused(record(framed(b"\x2a"), {**RESPONSE, **GRPC}))
    assert "Protocol Buffers" in str(error)
