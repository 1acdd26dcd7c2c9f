"""Which evaluations of telemetry are labels, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.domain.events import Label
from monitor.formats.evaluations import RESULT
from tests.unit.formats.spans import decode, in_json

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def labels(name: str, label: str | None = None, score: float | None = None) -> list[Label]:
    """Of one evaluation on the span of a call."""
    attributes: list[dict[str, Any]] = [{"key": "gen_ai.evaluation.name", "value": {"stringValue": name}}]
    if label is not None:
        attributes.append({"key": "gen_ai.evaluation.score.label", "value": {"stringValue": label}})
    if score is not None:
        attributes.append({"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": score}})
    event = {"timeUnixNano": "1763719200400000000", "name": RESULT, "attributes": attributes}
    found = decode(in_json({"attributes": CHAT, "events": [event]}))
    return [one for one in found if isinstance(one, Label)]


@pytest.mark.parametrize(
    "name", ["Relevance", "IntentResolution", "Fluency", "groundedness", "coherence", "task_adherence"]
)
@pytest.mark.parametrize("label", ["pass", "fail", "Passed", "failed"])
def test_passing_an_evaluation_of_something_else_is_no_verdict(name: str, label: str) -> None:
    """Azure's evaluators say pass or fail of whatever they look at; the conventions' own examples are such names."""
    assert labels(name, label) == []


@pytest.mark.parametrize("name", ["correctness", "QA Correctness", "ExactMatch", "answer-correctness", "vqa_accuracy"])
@pytest.mark.parametrize(("label", "verdict"), [("pass", "correct"), ("Failed", "incorrect"), ("correct", "correct")])
def test_passing_an_evaluation_of_correctness_is_a_verdict(name: str, label: str, verdict: str) -> None:
    (found,) = labels(name, label)
    assert (found.verdict, found.extra["evaluation"]) == (verdict, name)


@pytest.mark.parametrize("name", ["Hallucination", "anything"])
def test_words_of_correctness_are_verdicts_under_any_name(name: str) -> None:
    assert [one.verdict for one in labels(name, "hallucinated")] == ["incorrect"]


@pytest.mark.parametrize(
    "name", ["HateUnfairness", "hate_unfairness", "Hate and unfairness", "indirect-attack", "SelfHarm", "violence"]
)
@pytest.mark.parametrize(("label", "violated"), [("fail", True), ("pass", False), ("NotToxic", False)])
def test_evaluations_of_safety_are_no_verdicts(name: str, label: str, violated: bool) -> None:
    (found,) = labels(name, label, 5.0)
    assert (found.safety_violation, found.verdict, found.rating) == (violated, None, None)


@pytest.mark.parametrize(
    ("name", "label", "score", "expected"),
    [
        ("Builtin.Correctness", "Correct", 1.0, ("correct", None, None)),
        ("Builtin.Correctness", "Partially Correct", 0.5, (None, 50.0, None)),
        ("Builtin.Harmfulness", "Not Harmful", 0.0, (None, None, False)),
        ("Builtin.Harmfulness", "Harmful", 1.0, (None, None, True)),
    ],
)
def test_what_stands_before_the_name_of_an_evaluation_is_no_part_of_it(
    name: str, label: str, score: float, expected: tuple[Any, ...]
) -> None:
    """As Amazon Bedrock AgentCore names those that it brings."""
    (found,) = labels(name, label, score)
    assert (found.verdict, found.rating, found.safety_violation) == expected
    assert found.extra["evaluation"] == name


@pytest.mark.parametrize("name", ["Builtin.Helpfulness", "Builtin.Refusal", "Builtin."])
def test_evaluations_of_something_else_stay_none_behind_a_dot(name: str) -> None:
    assert labels(name, "Yes", 1.0) == []
