"""What every task type keeps, whoever adds it to the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.results import Answer, Candidate, Label, Verdict
from monitor.tasks import TASKS

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"
texts = st.one_of(st.none(), st.text(max_size=12))
answers = st.builds(
    Answer,
    answer=texts,
    candidates=st.lists(st.builds(Candidate, st.text(max_size=6), st.floats(-3, 3)), max_size=4).map(tuple),
)
labels = st.builds(
    Label,
    verdict=st.sampled_from([None, "correct", "incorrect", "unsure"]),
    answers=st.lists(st.text(max_size=6), max_size=12).map(tuple),
    rating=st.one_of(st.none(), st.floats(0, 100)),
)

pytestmark = pytest.mark.parametrize("name", sorted(TASKS))


@given(answers, labels)
def test_scores_are_shares_and_agree_with_correct_about_being_known(name: str, said: Answer, label: Label) -> None:
    verdict = TASKS[name].score(said, label)
    assert (verdict.correct is None) == (verdict.score is None)
    assert verdict.score is None or 0.0 <= verdict.score <= 1.0
    assert verdict == TASKS[name].score(said, label)


@pytest.mark.parametrize(("spoken", "correct"), [("correct", True), ("incorrect", False)])
@given(answers)
def test_an_annotators_own_verdict_wins(name: str, spoken: str, correct: bool, said: Answer) -> None:
    contrary = Label(verdict=spoken, answers=("no such answer",), rating=0.0 if correct else 100.0)  # type: ignore[arg-type]
    assert TASKS[name].score(said, contrary) == Verdict(correct, float(correct), "label")


def test_unsure_gives_no_verdict(name: str) -> None:
    label = Label(verdict="unsure", answers=("yes",), rating=100.0)
    assert TASKS[name].score(Answer("yes"), label) == Verdict(None, None, "label")


def test_a_label_that_says_nothing_gives_no_verdict(name: str) -> None:
    assert TASKS[name].score(Answer("yes"), Label()) == Verdict(None, None, TASKS[name].scorer)


def test_a_model_that_said_nothing_is_never_called_correct_by_its_answer(name: str) -> None:
    assert TASKS[name].score(Answer(), Label(answers=("yes",))).correct in {False, None}


def test_the_scorer_is_named_and_documented(name: str) -> None:
    page = DOCS.read_text()
    assert f"`{name}`" in page
    assert TASKS[name].scorer in page
