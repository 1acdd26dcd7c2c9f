"""What spans with OpenInference's attributes become."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from monitor.domain.events import Label, Prediction
from monitor.domain.records import Record
from monitor.formats import FormatOptions, otlp
from tests.unit.formats.spans import SPAN, decode, in_json

COMPLETION = {
    "openinference.span.kind": "LLM",
    "llm.request.model_name": "gpt-3.5-turbo-instruct",
    "llm.response.model_name": "gpt-3.5-turbo-instruct-0914",
    "llm.prompts.0.prompt.text": "Once upon a time",
    "llm.choices.0.completion.text": "there was a dragon.",
    "llm.choices.1.completion.text": "there was a king.",
}


def test_annotations_and_evaluations_on_a_span_become_its_labels(sample: Callable[[str], Record]) -> None:
    prediction, *labels = otlp.decoder(FormatOptions(slices={"store": "metadata.store"}))(
        sample("otlp/openinference_image")
    )
    assert isinstance(prediction, Prediction)
    assert (prediction.output.confidence, prediction.cost_usd) == (0.91, 0.0031)
    assert prediction.slices == {"store": "north"}
    assert prediction.extra["session.id"] == "s-1"
    assert [(one.annotator.id, one.annotator.kind, one.verdict) for one in labels if isinstance(one, Label)] == [
        ("reviewer-42", "human", "correct"),
        ("hallucination", "llm", "incorrect"),
    ]


def test_each_text_of_an_embedding_call_is_a_prediction_with_its_vector(sample: Callable[[str], Record]) -> None:
    events = otlp.decoder(FormatOptions())(sample("otlp/openinference_embeddings"))
    assert [one.request_id.rpartition("-")[2] for one in events if isinstance(one, Prediction)] == [
        f"{SPAN}#0",
        f"{SPAN}#1",
        f"{SPAN}#2",
    ]
    second = events[1]
    assert isinstance(second, Prediction)
    assert second.input.prompt == "world"
    (vector,) = second.embeddings
    assert (vector.embedder, vector.kind) == ("text-embedding-ada-002", "prompt")
    assert struct.unpack("<3f", vector.data) == pytest.approx((0.4, 0.5, 0.6))


def test_a_retriever_gives_ranked_candidates(sample: Callable[[str], Record]) -> None:
    (event,) = otlp.decoder(FormatOptions())(sample("otlp/openinference_retriever"))
    assert isinstance(event, Prediction)
    assert event.task == "retrieval"
    assert event.model.name == "shop-assistant"  # the spans name no model: the service does
    assert [(one.answer, one.score) for one in event.output.candidates] == [("img-17", 0.98), ("img-4", 0.61)]


def test_a_classifier_gives_one_prediction_for_each_question(sample: Callable[[str], Record]) -> None:
    first, second = otlp.decoder(FormatOptions())(sample("otlp/openinference_classifier"))
    assert isinstance(first, Prediction)
    assert isinstance(second, Prediction)
    assert (first.output.answer, first.output.confidence) == ("false", 0.8)
    assert (second.output.answer, second.output.confidence) == ("technical", 0.7)
    assert second.slices == {"classification": "department"}


def test_a_text_completion_of_openinference_has_its_prompt_answer_and_version() -> None:
    (prediction,) = decode(in_json({"attributes": COMPLETION}))
    assert (prediction.input.prompt, prediction.output.answer) == ("Once upon a time", "there was a dragon.")
    assert (prediction.model.name, prediction.model.version) == ("gpt-3.5-turbo-instruct", "0914")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"model_name": "a", "response.model_name": "a-1"}, ("a", "1")),
        ({"model_name": "a", "request.model_name": "b", "response.model_name": "b"}, ("b", "")),
        ({"response.model_name": "a-1"}, ("a-1", "")),
        ({"model_name": "a"}, ("a", "")),
    ],
)
def test_names_of_a_model_of_openinference(names: dict[str, str], expected: tuple[str, str]) -> None:
    attributes = {"openinference.span.kind": "LLM"} | {f"llm.{name}": value for name, value in names.items()}
    (prediction,) = decode(in_json({"attributes": attributes}))
    assert (prediction.model.name, prediction.model.version) == expected
