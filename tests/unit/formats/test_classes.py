"""Classes and how likely they are, in the forms in which Hugging Face's models are served."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
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
