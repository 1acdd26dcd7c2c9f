"""The VQA metric against its published rules (visualqa.org/evaluation.html), worked numbers, and its official code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.results import Answer, Label
from monitor.errors import NotEnoughData
from monitor.tasks.contractions import CONTRACTIONS
from monitor.tasks.vqa import VisualQuestionAnswering, normalise, soft_accuracy
from tests.pace import cost

REFERENCE = json.loads((Path(__file__).parent / "vqa_reference.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("raw", "clean"), REFERENCE["normalised"])
def test_normalised_answers_are_those_of_the_official_code(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@pytest.mark.parametrize(("answer", "answers", "score"), REFERENCE["soft_accuracy"])
def test_soft_accuracy_is_that_of_the_official_code(answer: str, answers: list[str], score: float) -> None:
    assert soft_accuracy(answer, answers) == pytest.approx(score)


def test_both_sides_are_normalised_where_all_annotators_agree_unlike_in_the_official_code() -> None:
    assert soft_accuracy("Yes.", ["yes"] * 10) == 1.0


def test_a_huge_answer_costs_little() -> None:
    assert cost(lambda: normalise("a.,;' " * 200_000)) < 40


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Yes.", "yes"),  # periods go
        ("2.5", "2.5"),  # but not a decimal point
        ("THE Red  car", "red car"),  # lower case, no articles
        ("two", "2"),
        ("None", "0"),
        ("dont", "don't"),  # a missing apostrophe is put back
        ("couldn'tve", "couldn't've"),
        ("youre", "you're"),
        ("girl's", "girl's"),  # apostrophes stay: a possessive is no plural
        ("2:50 pm", "2:50 pm"),  # so do colons
        ("100,978", "100978"),  # a comma between digits leaves no space
        ("red,blue", "red blue"),  # other punctuation becomes a space
        ("red, blue", "red blue"),
        ("black/white", "black white"),
        ("  hot\tdog\n", "hot dog"),
        ("an", ""),
    ],
)
def test_answers_are_normalised_by_the_published_rules(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(st.text(max_size=30))
def test_outer_space_and_case_never_matter(text: str) -> None:
    assert normalise(f"  {text}\n") == normalise(text)


@pytest.mark.parametrize(("agreeing", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_soft_accuracy_has_the_published_values_for_ten_annotators(agreeing: int, expected: float) -> None:
    answers = ["red"] * agreeing + ["blue"] * (10 - agreeing)
    assert soft_accuracy("red", answers) == pytest.approx(expected)


def test_fewer_than_four_answers_are_all_acceptable() -> None:
    assert [soft_accuracy(answer, ["sofa", "couch"]) for answer in ("A sofa.", "couch", "chair")] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(("answer", "answers"), [(None, ["cat"]), ("cat", [None]), ("cat", 5), ("cat", None)])
def test_answers_that_are_no_texts_are_refused(answer: object, answers: object) -> None:
    with pytest.raises(NotEnoughData, match="texts"):
        soft_accuracy(answer, answers)  # type: ignore[arg-type]


def test_a_text_alone_is_one_answer_and_not_its_letters() -> None:
    assert (soft_accuracy("cat", "cat"), soft_accuracy("c", "cat")) == (1.0, 0.0)


def test_half_the_soft_accuracy_counts_as_correct() -> None:
    task = VisualQuestionAnswering()
    verdicts = [task.score(Answer("red"), Label(answers=("red",) * k + ("blue",) * (10 - k))) for k in (1, 2)]
    assert [(v.correct, pytest.approx(v.score)) for v in verdicts] == [(False, 0.3), (True, 0.6)]


def test_every_listed_slip_leads_back_to_a_form_with_its_apostrophe() -> None:
    assert all(slip.replace("'", "") == form.replace("'", "") and slip != form for slip, form in CONTRACTIONS.items())
    assert CONTRACTIONS["hed've"] == CONTRACTIONS["he'dve"] == "he'd've"
    assert not set(CONTRACTIONS) & set(CONTRACTIONS.values()) - {"somebody'd've"}
