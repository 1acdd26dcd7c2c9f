"""Seldon Core v1: its executor's records, all kinds of messages, and feedback that becomes labels."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Label, Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.payloads.images import looks_like_image
from monitor.formats.seldon import decoder, recognises
from tests.unit.formats.texts import ANSWERS, TEXTS

Sample = Callable[[str], Record]
HEADERS = {
    "type": "io.seldon.serving.inference.request",
    "content-type": "application/json",
    "modelid": "classifier",
    "requestid": "r1",
    "inferenceservicename": "vlm",
    "namespace": "seldon",
    "endpoint": "default",
    "protocol": "seldon",
}
ANSWERED = {**HEADERS, "type": "io.seldon.serving.inference.response"}
FEEDBACK = {**HEADERS, "type": "io.seldon.serving.feedback"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def record(value: Any, headers: dict[str, str], timestamp_ms: int = 1763719205_000) -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = tuple((name, text.encode()) for name, text in headers.items())
    return Record(Partition("cluster", "seldon", "id", 0), 0, timestamp_ms, raw, named)


def halves(one: Record, options: FormatOptions | None = None) -> list[Half]:
    return [half for half in decoder(options or FormatOptions())(one) if isinstance(half, Half)]


def labels(one: Record, options: FormatOptions | None = None) -> list[Label]:
    return [label for label in decoder(options or FormatOptions())(one) if isinstance(label, Label)]


def joined(request: Record, response: Record, options: FormatOptions | None = None) -> list[Prediction]:
    return [join(*pair) for pair in zip(halves(request, options), halves(response, options), strict=True)]


def answer(message: dict[str, Any], options: FormatOptions | None = None) -> dict[str, Any]:
    (half,) = halves(record(message, ANSWERED), options)
    output: dict[str, Any] = half.fields["output"]
    return output


def refused(value: Any, headers: dict[str, str], timestamp_ms: int = 0) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decoder(FormatOptions())(record(value, headers, timestamp_ms))
    return caught.value


def test_two_items_of_a_tensor_are_two_calls(sample: Sample) -> None:
    first, second = joined(sample("seldon/tensor_request"), sample("seldon/tensor_response"))
    assert (first.request_id, first.output.answer, first.extra["a"], first.extra["b"]) == ("1a#0", "5", 1, 2)
    assert (second.request_id, second.output.answer, second.extra["a"], second.extra["b"]) == ("1a#1", "6", 3, 4)
    assert (first.model.name, first.extra["modelid"]) == ("seldon-model", "classifier")


def test_two_texts_are_two_prompts(sample: Sample) -> None:
    found = joined(sample("seldon/text_request"), sample("seldon/text_response"))
    assert [(one.input.prompt, one.output.answer) for one in found] == [("test1", "7"), ("test2", "8")]


def test_the_names_of_probabilities_are_the_classes(sample: Sample) -> None:
    options = FormatOptions(slices={"region": "region"})
    (prediction,) = joined(sample("seldon/iris_request"), sample("seldon/iris_response"), options)
    assert (prediction.output.answer, prediction.output.confidence) == ("t:0", 0.9548873249364169)
    assert [one.answer for one in prediction.output.candidates] == ["t:0", "t:1", "t:2"]
    assert (prediction.model.variant, prediction.slices) == ("canary", {"region": "eu"})


def test_a_truth_is_an_acceptable_answer_of_the_call_that_the_header_names(sample: Sample) -> None:
    (label,) = labels(sample("seldon/feedback_truth"))
    assert (label.request_id, label.answers, label.verdict) == ("3c", ("1",), None)
    assert label.annotator.kind == "code"


def test_a_reward_is_a_verdict_on_the_call_that_its_puid_names(sample: Sample) -> None:
    (label,) = labels(sample("seldon/feedback_reward"))
    assert (label.request_id, label.verdict, label.annotator.kind) == ("i-1", "correct", "user")
    assert label.extra == {"reward": 1.0}


@pytest.mark.parametrize(
    ("reward", "verdict", "rating"), [(1, "correct", None), (0, "incorrect", None), (0.25, None, 25.0)]
)
def test_rewards_of_one_and_nought_are_verdicts_and_others_ratings(
    reward: float, verdict: str | None, rating: float | None
) -> None:
    (label,) = labels(record({"reward": reward}, FEEDBACK))
    assert (label.request_id, label.verdict, label.rating) == ("r1", verdict, rating)


def test_a_truth_outweighs_the_reward_that_comes_with_it() -> None:
    (label,) = labels(record({"reward": 0, "truth": {"strData": "a mug"}}, FEEDBACK))
    assert (label.answers, label.verdict, label.extra) == (("a mug",), None, {"reward": 0.0})


def test_truths_of_a_batch_are_labels_of_its_items() -> None:
    found = labels(record({"truth": {"data": {"ndarray": [["cat"], ["dog"]]}}}, FEEDBACK))
    assert [(one.request_id, one.answers) for one in found] == [("r1#0", ("cat",)), ("r1#1", ("dog",))]
    response = {"data": {"ndarray": [["cat"], ["cow"]]}}
    found = labels(record({"response": response, "reward": 1}, FEEDBACK))
    assert [(one.request_id, one.verdict) for one in found] == [("r1#0", "correct"), ("r1#1", "correct")]


@pytest.mark.parametrize(
    ("message", "prompt"),
    [
        ({"strData": "What?"}, "What?"),
        ({"jsonData": {"question": "What?"}}, "What?"),
        ({"data": {"ndarray": [["What?"]]}}, "What?"),
        ({"data": {"ndarray": ["What?"]}}, "What?"),
        ({"data": {"names": ["question", "n"], "ndarray": [["What?", 3]]}}, "What?"),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["What?"]}]}, "What?"),
        ({"instances": ["What?"]}, "What?"),
    ],
)
def test_a_prompt_is_found_in_every_kind_of_message(message: dict[str, Any], prompt: str) -> None:
    (half,) = halves(record(message, HEADERS))
    assert half.fields["input"]["prompt"] == prompt


def test_a_picture_is_found_in_binary_data() -> None:
    (half,) = halves(record({"binData": base64.b64encode(PNG).decode()}, HEADERS))
    assert half.fields["input"]["image"]["ref"].startswith("data:image/png;base64,")


def test_an_answer_is_found_in_every_kind_of_message() -> None:
    assert answer({"strData": "a mug"}) == {"answer": "a mug"}
    assert answer({"jsonData": {"answer": "a mug", "confidence": 0.5}}) == {"answer": "a mug", "confidence": 0.5}
    assert answer({"data": {"names": ["label", "score"], "ndarray": [["mug", 0.5]]}}) == {
        "answer": "mug",
        "confidence": 0.5,
    }
    assert answer({"predictions": ["mug"]}) == {"answer": "mug"}
    options = FormatOptions(fields={"answer": "said"})
    assert answer({"jsonData": {"said": "mug"}}, options) == {"answer": "mug"}


def test_a_message_without_data_tells_how_the_call_ended() -> None:
    status = {"code": 503, "info": "no model", "reason": "MICROSERVICE_INTERNAL_ERROR", "status": "FAILURE"}
    (half,) = halves(record({"status": status}, ANSWERED))
    assert (half.fields["status"], half.fields["error_code"]) == ("error", "503")
    (half,) = halves(record({"data": {"ndarray": [1]}, "status": {"status": "SUCCESS"}}, ANSWERED))
    assert half.fields["status"] == "ok"


def test_the_cloudevents_form_has_a_time_and_an_id_of_its_own() -> None:
    headers = {f"CE-{name.title()}": value for name, value in HEADERS.items() if name != "requestid"}
    (half,) = halves(record({"strData": "q"}, {**headers, "CE-Id": "e1", "CE-Time": "2025-11-21T10:00:00Z"}))
    assert (half.pair_id, half.ts.isoformat()) == ("e1", "2025-11-21T10:00:00+00:00")


def test_records_of_other_types_say_nothing() -> None:
    assert not decoder(FormatOptions())(record({}, {**HEADERS, "type": "io.seldon.serving.inference.outlier"}))


@pytest.mark.parametrize(
    ("value", "headers", "reason", "word"),
    [
        ({}, {}, Rejection.INVALID, "type"),
        (b"", HEADERS, Rejection.UNREADABLE, "empty"),
        ({"strData": "a\x00b"}, HEADERS, Rejection.UNSTORABLE, "NUL"),
        ({"strData": 5}, HEADERS, Rejection.INVALID, "strData"),
        ({"binData": "?"}, HEADERS, Rejection.UNREADABLE, "binData"),
        ({"data": {"tensor": {"shape": [2, 2], "values": [1]}}}, HEADERS, Rejection.INVALID, "data.tensor"),
        ({"strData": "q"}, {**HEADERS, "requestid": "x" * 129}, Rejection.INVALID, "requestid"),
        ({}, FEEDBACK, Rejection.INVALID, "reward"),
        ({"reward": 2}, FEEDBACK, Rejection.INVALID, "reward"),
        ({"reward": 0.5, "response": {"data": {"ndarray": [1, 2]}}}, FEEDBACK, Rejection.INVALID, "batch"),
        ({"truth": {"data": {"ndarray": [[1, 2]]}}}, FEEDBACK, Rejection.INVALID, "truth"),
        ({"reward": 1}, {**FEEDBACK, "requestid": ""}, Rejection.INVALID, "puid"),
        (b"{", FEEDBACK, Rejection.UNREADABLE, "feedback"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_its_reason(
    value: Any, headers: dict[str, str], reason: Rejection, word: str
) -> None:
    fault = refused(value, headers)
    assert (fault.reason, word in str(fault)) == (reason, True), str(fault)


def test_a_record_without_any_time_is_refused() -> None:
    assert "time" in str(refused({"strData": "q"}, HEADERS, timestamp_ms=-1))


PROMPTS = TEXTS.filter(lambda text: not looks_like_image(text))  # without a name such a text is the picture


@given(rows=st.lists(st.tuples(PROMPTS, ANSWERS), min_size=1, max_size=4), named=st.booleans())
def test_a_batch_comes_out_row_by_row_as_it_went_in(rows: list[tuple[str, str]], named: bool) -> None:
    columns = [["prompt"], ["answer"]] if named else [[], []]
    asked, said = (
        {"data": {"names": names, "ndarray": [[row[side]] for row in rows]}} for side, names in enumerate(columns)
    )
    found = joined(record(asked, HEADERS), record(said, ANSWERED))
    assert [(one.input.prompt, one.output.answer) for one in found] == rows


def test_its_records_are_recognised(sample: Sample) -> None:
    assert all(map(recognises, map(sample, ("seldon/iris_request", "seldon/feedback_truth"))))
    assert not any(map(recognises, map(sample, ("kserve/v1_request", "oip/request"))))
