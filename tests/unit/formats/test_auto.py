"""The format of each record is told by what only its own records have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Prediction, Rejection, encode
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions, auto, native

PARTITION = Partition("cluster", "t", "id", 0)
SAMPLES = Path(__file__).parent / "samples"
NATIVE = (
    b'{"schema": "prediction/v1", "request_id": "r", "ts": "2026-11-21T10:00:00Z", "model": {"name": "m"}, '
    b'"task": "vqa", "status": "ok"}'
)
DETECTED = sorted(
    f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.json") if file.parent.name in auto.RECOGNISED
)


def record(value: bytes) -> Record:
    return Record(PARTITION, 0, -1, value)


@pytest.mark.parametrize("name", DETECTED)
def test_a_sample_of_each_format_is_told_and_read_as_that_format(sample: Callable[[str], Record], name: str) -> None:
    one = sample(name)
    form = name.partition("/")[0]
    assert auto.detected(one) == form

    def outcome(format_name: str) -> object:
        try:
            found = FORMATS[format_name](FormatOptions())(one)
        except InvalidEvent as error:
            return error.reason, str(error)
        return [str(event) if isinstance(event, InvalidEvent) else event for event in found]

    assert outcome("auto") == outcome(form)


def test_each_format_that_can_be_told_has_samples() -> None:
    assert {name.partition("/")[0] for name in DETECTED} == set(auto.RECOGNISED)


@pytest.mark.parametrize("kind", ["inference.explain", "inference.outlier", "feedback"])
@pytest.mark.parametrize("binary", [True, False])
def test_kserves_events_of_other_types_are_passed_over_as_its_own(kind: str, binary: bool) -> None:
    """Their bodies look like those of a call; read as another format they would be half a call that never meets."""
    body = b'{"id": "c1", "inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["why?"]}]}'
    whole = b'{"specversion": "1.0", "id": "c1", "type": "org.kubeflow.serving.%b", "data": %b}' % (kind.encode(), body)
    headers = (("ce_type", f"org.kubeflow.serving.{kind}".encode()), ("ce_id", b"c1"))
    one = Record(PARTITION, 0, 0, body, headers) if binary else record(whole)
    assert auto.detected(one) == "kserve"
    assert list(auto.decoder(FormatOptions())(one)) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": []}',
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"m"}}\n\n',
    ],
    ids=["whole", "streamed"],
)
def test_a_bare_response_of_the_responses_api_is_told(body: bytes) -> None:
    assert auto.detected(Record(PARTITION, 0, 0, body, (("x-request-id", b"c1"),))) == "openai_chat"


@pytest.mark.parametrize("listed", [False, True])
def test_a_stream_of_gemini_is_told_by_its_pieces(listed: bool) -> None:
    """Also where neither the message nor the answer of a call is what they mostly are."""
    piece = b'{"candidates": [{"content": {"parts": [{"text": "A mug"}]}, "finishReason": "STOP"}]}'
    asked = b'{"contents": {"role": "user", "parts": {"text": "What?"}}}'
    value = b'{"id": "c1", "ts": 1, "model": "m", "request": %b, "response": %b}' % (
        b"{}" if listed else asked,
        b"[%b]" % piece,
    )
    (one,) = auto.decoder(FormatOptions())(record(value))
    assert isinstance(one, Prediction)
    assert one.output.answer == "A mug"


SGLANG_SAID = b'{"text": "A mug", "meta_info": {"id": "c1", "finish_reason": {"type": "stop"}, "completion_tokens": 2}}'
LLAMA_CPP_SAID = b'{"content": "A mug", "stop": true, "tokens_predicted": 2, "tokens_evaluated": 9}'
TITAN_SAID = b'{"inputTextTokenCount": 5, "results": [{"outputText": "A mug", "completionReason": "FINISH"}]}'
OLLAMA_SAID = b'{"model": "llava", "created_at": "2023-12-13T22:42:50Z", "response": "A mug", "done": true}'
BARE: list[tuple[str, bytes]] = [
    ("request", b'{"text": "What?", "sampling_params": {"temperature": 0}, "rid": "c1"}'),
    ("request", b'{"input_ids": [1, 2], "sampling_params": {"temperature": 0}, "rid": "c1"}'),
    ("response", SGLANG_SAID),
    ("response", b"data: " + SGLANG_SAID + b"\n\ndata: [DONE]\n\n"),
    ("request", b'{"prompt": "What?", "n_predict": 128}'),
    ("response", LLAMA_CPP_SAID),
    ("request", b'{"inputText": "What?", "textGenerationConfig": {"maxTokenCount": 8}}'),
    ("response", TITAN_SAID),
    ("response", OLLAMA_SAID),
    ("response", OLLAMA_SAID.replace(b"true", b"false") + b"\n" + OLLAMA_SAID.replace(b"A mug", b"")),
    ("response", b'data: {"token": {"id": 1, "text": "A mug", "logprob": 0}, "generated_text": "A mug"}\n\n'),
]


@pytest.mark.parametrize(("side", "body"), BARE)
def test_half_a_call_of_a_server_is_told_without_anything_around_it(side: str, body: bytes) -> None:
    one = Record(PARTITION, 0, 0, body, (("x-request-id", b"c1"),))
    assert auto.detected(one) in ("oip", "openai_chat")
    for name in ("auto", auto.detected(one) or ""):
        (half,) = FORMATS[name](FormatOptions(model="m"))(one)
        assert isinstance(half, Half)
        assert (half.side, half.pair_id) == (side, "c1")
        if side == "response":
            assert (half.fields["status"], half.fields["output"]["answer"]) == ("ok", "A mug")
        elif b"What?" in body:
            assert half.fields["input"] == {"prompt": "What?"}


@pytest.mark.parametrize("at", [0, 2, 3])
def test_halves_of_sglang_meet_by_its_own_id(at: int) -> None:
    (half,) = auto.decoder(FormatOptions(model="m"))(Record(PARTITION, 0, 0, BARE[at][1]))
    assert isinstance(half, Half)
    assert half.pair_id == "c1"


@pytest.mark.parametrize(
    "value",
    [
        b'{"text": "a", "meta_info": {}}',
        b'{"text": "a", "meta_info": {"id": "c1"}}',
        b'{"sampling_params": {}}',
        b'{"prompt": "a", "max_tokens": 5}',
        b'{"content": "a", "stop": true}',
        b'{"inputText": "a"}',
        b'{"done": true, "created_at": "2023-12-13T22:42:50Z", "response": "a"}',
        b'{"results": [{"index": 0, "relevance_score": 0.5}]}',
        b'{"data": [{"embedding": [0.1]}]}',
        b'{"a": 1}\n{"a": 2}',
        b"id: 5",
        b"data: plain text",
        b": a comment",
    ],
)
def test_what_only_resembles_half_a_call_is_not_told(value: bytes) -> None:
    assert auto.detected(record(value)) is None


def test_native_records_are_read_as_such() -> None:
    one = record(NATIVE)
    assert auto.detected(one) == "native"
    assert auto.decoder(FormatOptions())(one) == (native.decode(NATIVE),)


def test_a_faulty_native_record_is_refused_as_one() -> None:
    one = record(NATIVE.replace(b'"ok"', b'"fine"'))
    assert auto.detected(one) == "native"
    with pytest.raises(InvalidEvent, match=r"prediction/v1: .*\$.status"):
        auto.decoder(FormatOptions())(one)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (NATIVE[:-1] + b', "latency_ms": NaN}', "NaN"),
        (NATIVE[:-1] + b', "extra": [-Infinity]}', "Infinity"),
        (NATIVE[:-1] + rb', "output": {"answer": "\ud800"}}', "surrogate pair"),
        (NATIVE[:-9], ""),
    ],
)
def test_a_native_record_that_is_no_json_is_refused_as_one_with_what_is_wrong(value: bytes, hint: str) -> None:
    assert auto.detected(record(value)) == "native"
    with pytest.raises(InvalidEvent, match=f"^not a JSON record: .*{hint}") as caught:
        auto.decoder(FormatOptions())(record(value))
    assert caught.value.reason is Rejection.UNREADABLE
    assert "no format recognises" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b'{"question": "what?"}', Rejection.UNKNOWN_SCHEMA, "it has no `schema`"),
        (b'{"schema": "prediction/v9"}', Rejection.UNKNOWN_SCHEMA, "prediction/v9"),
        (b"plain text", Rejection.UNREADABLE, "not a JSON record"),
        (b"", Rejection.UNREADABLE, "the record is empty"),
    ],
)
def test_what_nobody_recognises_is_refused_with_advice(value: bytes, reason: Rejection, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message) as caught:
        auto.decoder(FormatOptions())(record(value))
    assert caught.value.reason == reason
    assert not value or "give the topic a `format`, or write a mapping file" in str(caught.value)
    assert auto.detected(record(value)) is None


@given(st.binary(max_size=100) | st.text(max_size=50).map(lambda text: b'{"schema": "' + text.encode() + b'"}'))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    with suppress(InvalidEvent):
        events = auto.decoder(FormatOptions())(record(value))
        assert all(encode(one) for one in events if isinstance(one, Prediction))
