"""Whose word decides about an answer, and what it is compared with: one rule for verdicts and for metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from monitor.domain.results import Answer, Candidate, Label
from monitor.services.label_words import (
    comparable,
    deciding,
    last_words,
    not_outvoted,
    said_together,
    score_words,
    speaking,
)
from monitor.tasks import TASKS


@dataclass(frozen=True)
class Row:
    task: str = "vqa"
    answer: str | None = "red"
    candidates: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Said:
    annotator_id: str
    verdict: str | None = None
    adjudicates: bool = False
    answers: list[str] = field(default_factory=list)
    rating: float | None = None


FIRST, OTHER, LAST = Said("ann", "correct"), Said("bo", "incorrect"), Said("ann", "incorrect")
SETTLED, SETTLED_LAST = Said("chi", "correct", adjudicates=True), Said("chi", "incorrect", adjudicates=True)
UNSURE = Said("chi", "unsure", adjudicates=True)


def naming(*answers: str | list[str]) -> list[Said]:
    """Annotators who each name this, or these."""
    return [Said(str(place), answers=[one] if isinstance(one, str) else one) for place, one in enumerate(answers)]


def outcomes(task: str, words: list[Said], answer: str = "red") -> list[tuple[bool | None, float | None]]:
    return [(one.correct, one.score) for one in score_words(Row(task, answer), words)]


def test_the_last_word_of_each_annotator_counts() -> None:
    assert last_words([FIRST, OTHER, LAST]) == deciding(Row(), [FIRST, OTHER, LAST]) == [LAST, OTHER]
    assert deciding(Row(), []) == []


def test_who_says_nothing_of_whether_it_is_right_takes_nothing_back() -> None:
    silent = [Said("ann"), Said("ann", answers=[" ", ""]), Said("chi", adjudicates=True)]
    assert deciding(Row(), [FIRST, OTHER, *silent]) == [FIRST, OTHER]
    assert speaking([*silent, UNSURE, Said("bo", rating=0.0), *naming("red")]) == [
        UNSURE, Said("bo", rating=0.0), *naming("red"),
    ]  # fmt: skip


def test_where_somebody_adjudicates_that_word_alone_counts() -> None:
    assert deciding(Row(), [FIRST, SETTLED, OTHER, SETTLED_LAST, LAST]) == [SETTLED_LAST]


def test_an_adjudicator_who_decides_nothing_leaves_it_to_the_annotators() -> None:
    assert deciding(Row(), [FIRST, OTHER, UNSURE]) == [FIRST, OTHER, UNSURE]
    assert deciding(Row(), [FIRST, OTHER, SETTLED, UNSURE]) == [FIRST, OTHER, UNSURE], "it was taken back"
    assert deciding(Row(), [FIRST, OTHER, UNSURE, Said("dee", "correct", adjudicates=True)])[0].annotator_id == "dee"


@pytest.mark.parametrize("alike", range(11))
def test_ten_annotators_who_name_one_answer_each_are_one_label_with_ten_answers(alike: int) -> None:
    named = ["red"] * alike + [f"other {number}" for number in range(10 - alike)]
    whole = TASKS["vqa"].score(Answer("red"), Label(answers=tuple(named)))
    assert outcomes("vqa", naming(*named)) == [(whole.correct, whole.score)]
    assert outcomes("vqa", [*naming(*named), Said("x", "unsure", answers=["red"])]) == [(whole.correct, whole.score)]


@pytest.mark.parametrize(
    ("task", "words", "expected"),
    [
        ("vqa", naming("crimson", "red", "rose"), [(True, 1.0)]),
        ("vqa", naming(["red", "rose"], ["crimson", "scarlet"]), [(True, 1.0)]),
        ("vqa", naming(["red", "rose"], "crimson", "scarlet", "ruby", "pink"), [(False, pytest.approx(4 / 15))]),
        ("vqa", [*naming("red"), Said("x", "incorrect")], [(True, 1.0), (False, 0.0)]),
        ("captioning", [Said("a", rating=30.0), Said("b", rating=90.0)], [(True, 0.6)]),
        ("retrieval", naming("red", ["red", "blue"]), [(True, 0.5)]),
        ("classification", naming("red", "blue"), [(True, 1.0), (False, 0.0)]),
        ("multiple_choice", naming("red", "blue"), [(True, 1.0), (False, 0.0)]),
        ("nobody's", naming("red", "blue"), [(None, None), (None, None)]),
        ("vqa", [Said("a", "unsure"), Said("b", "unsure", answers=["red"])], [(None, None), (None, None)]),
    ],
    ids=[
        "three accepted answers", "lists, of each one vote", "a list among votes", "a verdict among names", "ratings",
        "items", "classes are voted on", "choices are voted on", "no scorer", "all unsure",
    ],
)  # fmt: skip
def test_opinions_are_weighed_together_where_several_may_be_right_and_else_voted_on(
    task: str, words: list[Said], expected: list[tuple[bool | None, float | None]]
) -> None:
    assert outcomes(task, words) == expected


def test_who_is_unsure_names_no_acceptable_answer() -> None:
    (named,) = naming("red")
    doubtful = Said("x", "unsure", answers=["blue"], rating=10.0)
    for task in TASKS:
        assert not_outvoted(Row(task), [named, doubtful], correct=True) == [named]


def test_what_is_named_in_a_vote_that_is_lost_is_no_acceptable_answer() -> None:
    words = naming("red", "blue", "blue")
    assert not_outvoted(Row("classification"), words, correct=False) == words[1:]
    assert not_outvoted(Row("classification"), words[:2], correct=None) == []
    assert not_outvoted(Row("vqa"), words, correct=True) == words


def test_nothing_is_compared_where_something_was_removed_from_one_of_the_texts() -> None:
    marked = "call [phone removed]"
    assert comparable(Answer("two", (Candidate("three", 0.1),)), ["two", "2"]) == ("two", "2")
    assert comparable(Answer(), []) == ()
    assert comparable(Answer(marked), ["two"]) == ()
    assert comparable(Answer("two", (Candidate(marked, 0.1),)), ["two"]) == ()
    assert comparable(Answer("two"), ["two", marked]) == ()
    assert said_together(Answer("two"), naming(marked, "two"), ()) == Label(answers=("two",))


def test_blank_texts_are_no_accepted_answers() -> None:
    assert comparable(Answer("two"), ["", " \t", "two"]) == ("two",)
    assert outcomes("classification", naming([""], ["  "])) == [(None, None), (None, None)]
    assert outcomes("vqa", naming([""], "red")) == [(True, 1.0)]
