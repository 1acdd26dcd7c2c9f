"""Classes and how likely they are, in the forms in which Hugging Face's models are served."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

ROLES = Roles({})
CATS = [{"label": "tabby", "score": 0.85}, {"label": "Egyptian cat", "score": 0.07}]
CANDIDATES = [{"answer": "tabby", "score": 0.85}, {"answer": "Egyptian cat", "score": 0.07}]


def rows(body: dict[str, Any]) -> list[Any]:
    return read_response(json.dumps(body).encode(), ROLES, 100_000, "m").rows


def tensor(shape: list[int], *data: str, content_type: str | None = None) -> dict[str, Any]:
    parameters = {"content_type": content_type} if content_type else None
    return {"name": "output", "shape": shape, "datatype": "BYTES", "parameters": parameters, "data": data}


def in_json(*elements: Any) -> dict[str, Any]:
    """An answer of MLServer's Hugging Face runtime (docs/examples/huggingface of SeldonIO/MLServer)."""
    return {"outputs": [tensor([len(elements), 1], *map(json.dumps, elements), content_type="hg_jsonlist")]}


def test_probabilities_by_the_number_of_the_class_are_candidates() -> None:
    """KServe's Hugging Face runtime with `--return_probabilities`, V1."""
    (row,) = rows({"predictions": [{"0": 0.0015, "1": 0.9985}]})
    best = [{"answer": "1", "score": 0.9985}, {"answer": "0", "score": 0.0015}]
    assert row == {"status": "ok", "output": {"answer": "1", "confidence": 0.9985, "candidates": best}}


@pytest.mark.parametrize("text", ["{0: 0.0002, 1: 0.9998}", '{"0": 0.0002, "1": 0.9998}', "{0: 2e-4, 1: 0.9998}"])
def test_so_they_are_as_a_text(text: str) -> None:
    """The same with V2, whose texts Python has printed (kserve/website, text-classification.md)."""
    first, second = rows({"outputs": [tensor([2, 1], text, "{0: 0.9991, 1: 0.0009}")]})
    assert (first["output"]["answer"], first["output"]["confidence"]) == ("1", 0.9998)
    assert (second["output"]["answer"], second["output"]["confidence"]) == ("0", 0.9991)


@pytest.mark.parametrize("text", ["{0: -4.06, 1: 4.36}", "{0: nan, 1: 1}", "{0: 0.5}", '{"0": "a"}', "{0: {}", "{cat}"])
def test_texts_of_something_else_are_answers(text: str) -> None:
    assert rows({"predictions": [text]})[0]["output"] == {"answer": text}


@pytest.mark.parametrize("numbers", [{"0": 0.9, "1": 0.8}, {"0": 0.1}, {"2019": 3, "2020": 4}, {"0": "a", "1": 1}])
def test_other_objects_with_numbers_for_names_are_not(numbers: dict[str, Any]) -> None:
    assert "candidates" not in rows({"predictions": [numbers]})[0]["output"]


def test_labels_with_their_scores_are_candidates() -> None:
    output = {"answer": "tabby", "confidence": 0.85, "candidates": CANDIDATES}
    assert rows({"predictions": [CATS[::-1]]}) == [{"status": "ok", "output": output}]


def test_found_objects_are_no_candidates_of_each_other() -> None:
    found = [{**one, "box": {"xmin": 1}} for one in CATS]
    assert rows({"predictions": [found, [CATS[0], {}], []]}) == [{"status": "ok", "output": {}}] * 3


@pytest.mark.parametrize(
    ("element", "output"),
    [
        ({"score": 0.98, "start": 12, "end": 18, "answer": "Seldon"}, {"answer": "Seldon", "confidence": 0.98}),
        ({"label": "NEGATIVE", "score": 0.99}, {"answer": "NEGATIVE", "confidence": 0.99}),
        ({"generated_text": "this is a test"}, {"answer": "this is a test"}),
        ([{"generated_text": "this is a test"}], {"answer": "this is a test"}),
        (CATS, {"answer": "tabby", "confidence": 0.85, "candidates": CANDIDATES}),
        ([[0.1, 0.2]], {}),
        ([], {}),
    ],
)
def test_texts_that_mlserver_calls_json_are_read_as_such(element: Any, output: dict[str, Any]) -> None:
    assert rows(in_json(element))[0]["output"] == output


def test_each_item_of_a_batch_is_read() -> None:
    both = rows(in_json({"label": "POSITIVE", "score": 0.9}, {"label": "NEGATIVE", "score": 0.8}))
    assert [row["output"]["answer"] for row in both] == ["POSITIVE", "NEGATIVE"]


def test_parameters_in_json_are_no_prompt() -> None:
    """A request as MLServer's Hugging Face runtime takes it."""
    limit = {**tensor([1], "20", content_type="hg_json"), "name": "max_new_tokens"}
    inputs = [{**tensor([1], "this is a test"), "name": "args"}, limit]
    (row,) = read_request(json.dumps({"inputs": inputs}).encode(), ROLES, 100_000).rows
    assert row == {"input": {"prompt": "this is a test"}, "extra": {"max_new_tokens": 20}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"label"', Rejection.INVALID), ("[" * 5000, Rejection.INVALID), (r'{"a": "\u0000"}', Rejection.UNSTORABLE)],
)
def test_what_is_called_json_and_is_none_is_refused(text: str, reason: Rejection) -> None:
    with pytest.raises(InvalidEvent) as caught:
        rows({"outputs": [tensor([1], text, content_type="hg_json")]})
    assert caught.value.reason is reason


# ---- lists without a name, as pipelines answer: Hugging Face's inference toolkit, Text Embeddings Inference ----------


def called(asked: Any, said: Any) -> list[Any]:
    value = {"id": "r1", "ts": 1763719200, "request": {"inputs": asked}, "response": said}
    found = FORMATS["oip"](FormatOptions(model="m"))(
        Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(value).encode())
    )
    assert all(isinstance(one, Prediction) for one in found)
    return list(found)


SURE = [{"label": "positive", "score": 0.99}, {"label": "negative", "score": 0.98}]  # of two texts, or by a sigmoid


@pytest.mark.parametrize("said", [CATS, SURE])
def test_the_classes_of_one_input_are_one_answer(said: Any) -> None:
    (one,) = called("s3://b/1.png", said)
    assert (one.output.answer, one.output.confidence) == (said[0]["label"], said[0]["score"])
    assert [each.answer for each in one.output.candidates] == [each["label"] for each in said]


@pytest.mark.parametrize("said", [CATS, SURE])
def test_of_as_many_inputs_each_class_is_the_answer_of_one(said: Any) -> None:
    found = called(["a", "b"], said)
    assert [one.output.answer for one in found] == [one["label"] for one in said]
    assert all(not one.output.candidates for one in found)


def test_alone_a_list_of_classes_is_one_answer_where_its_scores_are_shares() -> None:
    def answers(said: Any) -> list[str]:
        return [row["output"]["answer"] for row in read_response(json.dumps(said).encode(), ROLES, 100_000, "m").rows]

    assert answers(CATS) == ["tabby"]
    assert answers(SURE) == ["positive", "negative"]
    assert answers(CATS[::-1]) == ["Egyptian cat", "tabby"]
    assert answers([CATS[0], {**CATS[0], "score": 0.1}]) == ["tabby", "tabby"]
    assert answers(CATS[:1]) == ["tabby"]


def test_answers_with_their_scores_are_candidates_too() -> None:
    said = [{"answer": "cat", "score": 0.9}, {"answer": "dog", "score": 0.05}]
    (one,) = called({"question": "What?", "image": "s3://b/1.png"}, said)
    assert (one.input.prompt, one.output.answer, len(one.output.candidates)) == ("What?", "cat", 2)


def test_things_that_were_found_in_a_picture_are_no_candidates() -> None:
    box = {"xmin": 1, "ymin": 1, "xmax": 2, "ymax": 2}
    assert len(called("s3://b/1.png", [{**one, "box": box} for one in CATS])) == 2
