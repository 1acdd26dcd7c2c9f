"""Open Inference Protocol and V1: which tensor says what, batches, binary tensors, what does not fit."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.oip import decoder, recognises
from tests.unit.formats.texts import ANSWERS, TEXTS

Sample = Callable[[str], Record]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
HALF = {"BF16": "<u2", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "UINT8": "u1"}


def record(value: Any, headers: dict[str, str] | None = None) -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = tuple((name, text.encode()) for name, text in (headers or {}).items())
    return Record(Partition("cluster", "oip", "id", 0), 0, 1763719205_000, raw, named)


def tensor(name: str, datatype: str, shape: Any, data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def binary(name: str, datatype: str, values: Any, shape: list[int]) -> tuple[dict[str, Any], bytes]:
    """A tensor in the binary extension, encoded by numpy."""
    if datatype == "BYTES":
        raw = b"".join(len(one).to_bytes(4, "little") + one for one in values)
    elif datatype == "BF16":
        raw = (np.asarray(values, "<f4").view("<u4") >> np.uint32(16)).astype("<u2").tobytes()
    else:
        raw = np.asarray(values, HALF[datatype]).tobytes()
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}, raw


def predictions(inputs: Any, outputs: Any, options: FormatOptions | None = None, **more: Any) -> list[Prediction]:
    call = {"id": "r1", "ts": 1763719200, "model": "m", "request": {"inputs": inputs}, **more}
    decoded = decoder(options or FormatOptions())(record({**call, "response": {"outputs": outputs}}))
    assert all(isinstance(one, Prediction) for one in decoded)
    return [one for one in decoded if isinstance(one, Prediction)]


def answered(*outputs: Any, **fields: str) -> Prediction:
    (one,) = predictions([tensor("prompt", "BYTES", [1], ["q"])], outputs, FormatOptions(fields=fields))
    return one


def halves(one: Record, options: FormatOptions | None = None) -> list[Half]:
    return [half for half in decoder(options or FormatOptions(model="m"))(one) if isinstance(half, Half)]


def refused(value: Any, options: FormatOptions | None = None) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decoder(options or FormatOptions(model="m"))(record(value))
    return caught.value


def test_the_specifications_example_is_one_call(sample: Sample) -> None:
    (request,), (response,) = halves(sample("oip/request")), halves(sample("oip/response"))
    prediction = join(request, response)
    assert (prediction.request_id, prediction.model.name, prediction.status) == ("42", "m", "ok")


def test_a_call_of_tritons_vllm_backend(sample: Sample) -> None:
    (prediction,) = decoder(FormatOptions())(sample("oip/vllm_call"))
    assert isinstance(prediction, Prediction)
    assert (prediction.model.name, prediction.model.version) == ("vllm_model", "1")
    assert (prediction.input.prompt, prediction.output.answer) == ("What is in this picture?", "a cat")
    assert prediction.input.image is not None
    assert str(prediction.input.image.ref).startswith("data:image/jpeg;base64,/9j/")
    assert prediction.extra == {"stream": False, "sampling_parameters": '{"temperature": 0}'}


def test_what_nvidias_client_encodes_is_a_batch_of_two(sample: Sample) -> None:
    first, second = halves(sample("oip/triton_client_request"))
    assert (first.pair_id, first.fields["input"]["prompt"]) == ("t-1#0", "What colour?")
    assert (second.pair_id, second.fields["input"]["prompt"]) == ("t-1#1", "Où est-ce ?")
    assert second.fields["input"]["image"]["bytes"] == 49
    assert first.fields["extra"] == {"temperature": 0.5}


def test_labels_and_scores_become_candidates_the_likeliest_first() -> None:
    output = answered(
        tensor("labels", "BYTES", [1, 3], [["cat", "dog", "cow"]]),
        tensor("scores", "FP32", [1, 3], [[0.2, 0.7, 0.1]]),
    ).output
    assert (output.answer, output.confidence) == ("dog", 0.7)
    assert [one.answer for one in output.candidates] == ["dog", "cat", "cow"]


def test_logits_become_probabilities_of_the_classes_by_index() -> None:
    output = answered(tensor("logits", "FP32", [1, 3], [1.0, 2.0, 3.0])).output
    assert output.answer == "2"
    assert output.confidence == pytest.approx(0.66524096)  # scipy.special.softmax([1, 2, 3])[2]


def test_an_answer_with_its_own_confidence() -> None:
    output = answered(tensor("answer", "BYTES", [1], ["a mug"]), tensor("confidence", "FP64", [1], [0.25])).output
    assert (output.answer, output.confidence) == ("a mug", 0.25)


def test_tritons_classification_extension_is_read_where_it_is_configured() -> None:
    entries = tensor("OUT", "BYTES", [1, 2], ["0.2:1:dog", "0.8:0:cat"])
    assert answered(entries, classification="OUT").output.answer == "cat"
    assert answered(entries, answer="OUT").output.answer == "0.2:1:dog"


def test_names_of_tensors_are_configured() -> None:
    options = FormatOptions(fields={"prompt": "TEXT", "answer": "OUT"})
    inputs = [tensor("TEXT", "BYTES", [1], ["q"]), tensor("prompt", "BYTES", [1], ["not this"])]
    (prediction,) = predictions(inputs, [tensor("OUT", "BYTES", [1], ["a"])], options)
    assert (prediction.input.prompt, prediction.output.answer) == ("q", "a")
    assert prediction.extra == {"prompt": "not this"}


def test_the_only_text_of_a_request_is_its_prompt_and_of_a_response_its_answer() -> None:
    (prediction,) = predictions([tensor("input-0", "BYTES", [1], ["q"])], [tensor("output-0", "BYTES", [1], ["a"])])
    assert (prediction.input.prompt, prediction.output.answer) == ("q", "a")


def test_the_key_of_a_row_is_no_prompt_and_no_answer() -> None:
    """KServe's sample of flowers, as TensorFlow Serving has it."""
    picture = {"image_bytes": {"b64": base64.b64encode(PNG).decode()}, "key": "1"}
    call = {"id": "r1", "ts": 1763719200, "model": "flowers", "request": {"instances": [picture]}}
    answer = {"scores": [0.9, 0.1], "prediction": 0, "key": "1"}
    (one,) = decoder(FormatOptions())(record({**call, "response": {"predictions": [answer]}}))
    assert isinstance(one, Prediction)
    assert (one.input.prompt, one.output.answer, one.extra["key"]) == (None, "0", "1")
    (bare,) = decoder(FormatOptions())(record({**call, "response": {"predictions": [{"key": "1"}]}}))
    assert isinstance(bare, Prediction)
    assert bare.output.answer is None


def test_pixels_tell_the_size_of_the_picture_and_the_number_of_items() -> None:
    pixels = tensor("image", "UINT8", [2, 3, 224, 320], [0])
    first, second = predictions([pixels], [tensor("label", "INT64", [2], [4, 7])])
    assert (first.output.answer, second.output.answer) == ("4", "7")
    assert first.input.image is not None
    assert (first.input.image.width, first.input.image.height) == (320, 224)


@pytest.mark.parametrize(
    ("shape", "data", "answers"),
    [
        ([2], [5, 6], ["5", "6"]),
        ([2, 1], [[5], [6]], ["5", "6"]),
        ([1, 2], [[0.25, 0.75]], ["1"]),
        ([2], [0.25, 0.75], ["1"]),
    ],
)
def test_one_output_of_any_name_holds_the_answers_or_the_probabilities(
    shape: list[int], data: Any, answers: list[str]
) -> None:
    inputs = [tensor("x", "FP32", [len(answers), 4], [0.0] * 4 * len(answers))]
    found = predictions(inputs, [tensor("y", "FP32", shape, data)])
    assert [one.output.answer for one in found] == answers


def test_one_prompt_holds_for_all_pictures_of_a_batch() -> None:
    pictures = [base64.b64encode(PNG + bytes([number])).decode() for number in range(3)]
    inputs = [tensor("prompt", "BYTES", [1], ["What?"]), tensor("image", "BYTES", [3], pictures)]
    found = predictions(inputs, [tensor("answer", "BYTES", [3], ["a", "b", "c"])])
    assert [(one.request_id, one.input.prompt, one.output.answer) for one in found] == [
        ("r1#0", "What?", "a"),
        ("r1#1", "What?", "b"),
        ("r1#2", "What?", "c"),
    ]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "BF16"])
def test_binary_numbers_are_little_endian_in_their_own_width(datatype: str) -> None:
    described, raw = binary("scores", datatype, [0.25, 0.5, 0.125], [1, 3])
    body = json.dumps({"id": "r1", "model_name": "m", "outputs": [described]}).encode() + raw
    (half,) = halves(record(body))
    assert [one["score"] for one in half.fields["output"]["candidates"]] == [0.5, 0.25, 0.125]


def test_an_embedding_is_kept_only_where_it_is_configured() -> None:
    described, raw = binary("image_embeds", "FP16", [0.5, -2.0], [1, 2])
    answer, text = binary("answer", "BYTES", [b"a"], [1])
    body = {"id": "r1", "model_name": "m", "model_version": "3", "outputs": [described, answer]}
    one = record(json.dumps(body).encode() + raw + text)
    assert "embeddings" not in halves(one)[0].fields
    options = FormatOptions(model="m", fields={"embeddings.image": "image_embeds"})
    (embedding,) = halves(one, options)[0].fields["embeddings"]
    assert (embedding["kind"], embedding["embedder"], embedding["dtype"]) == ("image", "m@3/image_embeds", "f2")
    assert np.frombuffer(base64.b64decode(embedding["data"]), "<f2").tolist() == [0.5, -2.0]


def test_v1_bodies_meet_in_the_envelope_too() -> None:
    call = {"id": "r1", "ts": 1763719200, "model": "m", "request": {"instances": [{"question": "q", "top_k": 3}]}}
    response = {"predictions": [{"answer": "a", "confidence": 0.5, "boxes": [1, 2]}]}
    (prediction,) = decoder(FormatOptions())(record({**call, "response": response}))
    assert isinstance(prediction, Prediction)
    assert (prediction.input.prompt, prediction.output.answer, prediction.output.confidence) == ("q", "a", 0.5)
    assert prediction.extra == {"top_k": 3}


def test_an_answer_for_all_items_that_failed_together() -> None:
    call = {"id": "r1", "ts": 1763719200, "model": "m", "status_code": 500, "request": {"instances": ["a?", "b?"]}}
    decoded = decoder(FormatOptions())(record({**call, "response": {"error": "out of memory"}}))
    assert [one.status for one in decoded if isinstance(one, Prediction)] == ["error", "error"]


@pytest.mark.parametrize(
    ("outputs", "word"),
    [
        ([tensor("answer", "BYTES", [2], ["a"])], "answer"),
        ([tensor("answer", "BYTES", [-2], ["a"])], "shape"),
        ([tensor("answer", "BYTES", [10**12], [])], "shape"),
        ([tensor("scores", "FP32", [1, 2], [["a", "b"]])], "scores"),
        ([tensor("labels", "BYTES", [2], ["a", "b"]), tensor("scores", "FP32", [3], [0, 1, 0])], "labels"),
        ([tensor("answer", "BYTES", [2], ["a", "b"]), tensor("confidence", "FP32", [3], [0, 1, 0])], "items"),
        ([tensor("answer", "BYTES", [3], ["a", "b", "c"])], "items"),
        ([tensor("answer", "BYTES", [2, 1], [["a"], "b"])], "unevenly"),
        ([{**tensor("answer", "BYTES", [1], []), "parameters": {"binary_data_size": 9}}], "announced"),
        ([{**tensor("answer", "BYTES", [1], []), "parameters": {"binary_data_size": -9}}], "binary_data_size"),
        ([tensor("answer", "BYTES", [1], ["a"])] * 65, "65"),
    ],
)
def test_shapes_types_and_data_that_do_not_fit_are_refused(outputs: Any, word: str) -> None:
    asked = [tensor("prompt", "BYTES", [2], ["a?", "b?"])]
    fault = refused({"id": "r1", "ts": 0, "model": "m", "request": {"inputs": asked}, "response": {"outputs": outputs}})
    assert fault.reason == Rejection.INVALID
    assert word in str(fault)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["scores", "logits", "confidence"])
def test_numbers_that_are_not_finite_are_refused(name: str, number: float) -> None:
    described, raw = binary(name, "FP32", [number], [1])
    fault = refused(json.dumps({"id": "r1", "outputs": [described]}).encode() + raw)
    assert (fault.reason, name in str(fault)) == (Rejection.INVALID, True)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\x00\x00\x00a", Rejection.INVALID),
        (b"\x01\x00\x00\x00\xff", Rejection.UNREADABLE),
        (b"\x01\x00\x00\x00\x00", Rejection.UNSTORABLE),
        (b"\x01\x00", Rejection.INVALID),
    ],
)
def test_broken_texts_behind_the_json_are_refused(raw: bytes, reason: Rejection) -> None:
    described = {"name": "answer", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    assert refused(json.dumps({"id": "r1", "outputs": [described]}).encode() + raw).reason == reason


def test_shapes_as_kserves_own_samples_have_them() -> None:
    """kserve/kserve, docs/samples/v1beta1/torchserve/v2: a number, and one text where the list belongs."""
    bert = tensor("4b7c7d4a-51e4-43c8-af61-04639f6ef4bc", "BYTES", -1, "Does it rain?")
    picture = {**bert, "data": base64.b64encode(PNG).decode()}
    (one,) = predictions([bert], [{"name": "predict", "shape": [], "datatype": "BYTES", "data": ["Not Accepted"]}])
    assert (one.input.prompt, one.output.answer) == (bert["data"], "Not Accepted")
    (other,) = predictions([picture], [{"name": "predict", "shape": 1, "datatype": "INT64", "data": [2]}])
    assert other.input.image is not None
    assert (other.input.image.bytes, other.output.answer) == (len(PNG), "2")


@pytest.mark.parametrize(("shape", "data"), [(-1, ["a", "b"]), ([-1], ["a", "b"]), ([-1, 1], [["a"], ["b"]])])
def test_one_dimension_follows_from_the_number_of_elements(shape: Any, data: Any) -> None:
    both = predictions([tensor("prompt", "BYTES", shape, data)], [tensor("answer", "BYTES", [2], ["c", "d"])])
    assert [(one.input.prompt, one.output.answer) for one in both] == [("a", "c"), ("b", "d")]


def test_pixels_of_an_open_dimension_tell_their_number() -> None:
    pixels = tensor("image", "UINT8", [-1, 2, 2, 3], list(range(24)))
    both = predictions([pixels], [tensor("answer", "BYTES", [2], ["c", "d"])])
    assert [one.input.image.width for one in both if one.input.image] == [2, 2]


@pytest.mark.parametrize("shape", [[-1, -1], [-1, 2], [-1, 0], [-3], -2, -3.5, "2", {}, [-1] * 40])
def test_a_dimension_that_does_not_follow_is_refused(shape: Any) -> None:
    error = refused({"id": "r", "inputs": [tensor("prompt", "BYTES", shape, ["a", "b", "c"])]})
    assert error.reason is Rejection.INVALID


def test_mlservers_base64_texts_hold_bytes() -> None:
    element = {**tensor("answer", "BYTES", [1], ["YSBtdWc="]), "parameters": {"content_type": "base64"}}
    assert answered(element).output.answer == "a mug"
    for broken in ("?", "\x80"):
        fault = refused({"id": "r1", "outputs": [{**element, "data": [broken]}]})
        assert (fault.reason, "base64" in str(fault)) == (Rejection.UNREADABLE, True)


def test_a_record_that_is_no_call_is_refused() -> None:
    assert refused({"hello": 1}).reason == Rejection.INVALID
    assert refused(b"hello").reason == Rejection.UNREADABLE
    assert refused(b"").reason == Rejection.UNREADABLE


@given(
    rows=st.lists(st.tuples(TEXTS, ANSWERS, st.floats(0, 1, width=16)), min_size=1, max_size=5),
    datatype=st.sampled_from(["FP16", "FP32", "FP64"]),
    packed=st.booleans(),
)
def test_a_batch_comes_out_row_by_row_as_it_went_in(
    rows: list[tuple[str, str, float]], datatype: str, packed: bool
) -> None:
    prompts, answers, sure = (list(column) for column in zip(*rows, strict=True))
    bodies = []
    for side, tensors in (
        ("inputs", [("prompt", "BYTES", prompts)]),
        ("outputs", [("answer", "BYTES", answers), ("confidence", datatype, sure)]),
    ):
        if packed:
            parts = [
                binary(name, kind, [one.encode() for one in data] if kind == "BYTES" else data, [len(rows), 1])
                for name, kind, data in tensors
            ]
            tail = b"".join(raw for _, raw in parts)
            bodies.append(json.dumps({"id": "r1", side: [described for described, _ in parts]}).encode() + tail)
        else:
            plain = [tensor(name, kind, [len(rows)], data) for name, kind, data in tensors]
            bodies.append(json.dumps({"id": "r1", side: plain}).encode())
    pairs = zip(*(halves(record(body)) for body in bodies), strict=True)
    found = [join(*pair) for pair in pairs]
    assert [(one.input.prompt, one.output.answer, one.output.confidence) for one in found] == rows
    assert len({one.request_id for one in found}) == len(rows)


def test_its_records_are_recognised(sample: Sample) -> None:
    assert all(map(recognises, map(sample, ("oip/request", "oip/response", "oip/triton_client_request"))))
    assert not any(map(recognises, map(sample, ("seldon/iris_request", "openai_chat/image_call"))))


def test_outputs_without_known_names_are_as_many_items_as_they_agree_on() -> None:
    pixels = [tensor("input_ids", "INT64", [2, 3], [1] * 6), tensor("mask", "INT64", [2, 3], [1] * 6)]
    hidden = [tensor("last_hidden", "FP32", [2, 2], [0.5] * 4), tensor("pooled", "FP32", [2, 1], [1.5, 2.5])]
    assert [one.extra["pooled"] for one in predictions(pixels, hidden)] == [1.5, 2.5]
    first, second = halves(record({"id": "r1", "outputs": hidden}))
    assert (first.pair_id, second.pair_id) == ("r1#0", "r1#1")
    boxes = [tensor("boxes", "FP32", [2], [1, 2]), tensor("kinds", "INT64", [2], [1, 2])]
    assert len(halves(record({"id": "r1", "outputs": boxes}))) == 1


def test_tensorflow_servings_columns_are_items() -> None:
    request = {"inputs": {"text": ["one?", "two?"], "key": ["a", "b"]}}
    response = {"outputs": {"label": ["cat", "dog"], "confidence": [0.75, 0.5]}}
    call = {"id": "r1", "ts": 1763719200, "model": "m", "request": request, "response": response}
    both = decoder(FormatOptions())(record(call))
    said = [(one.input.prompt, one.output.answer, one.output.confidence) for one in both if isinstance(one, Prediction)]
    assert said == [("one?", "cat", 0.75), ("two?", "dog", 0.5)]


@pytest.mark.parametrize(
    ("outputs", "answers"),
    [(["cat", "dog"], ["cat", "dog"]), ({"label": "cat"}, ["cat"]), ({"label": ["cat"], "x": []}, ["cat"])],
)
def test_outputs_that_are_no_columns_are_read_as_v1(outputs: Any, answers: list[str]) -> None:
    said = halves(record({"outputs": outputs}, {"x-request-id": "r1"}))
    assert [one.fields["output"]["answer"] for one in said] == answers


def test_more_columns_than_a_batch_may_have_are_refused() -> None:
    assert "2000 items" in str(refused({"id": "r1", "outputs": {"label": ["a"] * 2000}}))
