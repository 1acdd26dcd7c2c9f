"""What every task type keeps, whoever adds it to the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.results import Answer, Candidate, Judged, Label, Verdict
from monitor.tasks import TASKS
from monitor.tasks.safety import common_metrics

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
rows_of = st.lists(
    st.builds(
        Judged,
        answer=answers,
        label=labels,
        correct=st.sampled_from([None, True, False]),
        score=st.one_of(st.none(), st.floats(0, 1)),
        agreement=st.one_of(st.none(), st.floats(-1, 1)),
        probability=st.floats(0.01, 1),
    ),
    max_size=6,
)
RANGES = {"share": (0.0, 1.0), "difference": (-1.0, 1.0), "points": (0.0, 100.0), "score": (-1.0, 10.0)}

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


def test_it_does_not_matter_how_an_accent_is_encoded(name: str) -> None:
    composed, decomposed = "caf\u00e9 n\u00ba 5.jpg", "cafe\u0301 n\u00ba 5.jpg"
    given, wanted = Answer(candidates=(Candidate(composed, 1.0),)), (decomposed,)
    same = TASKS[name].score(given, Label(answers=(composed,)))
    assert TASKS[name].score(given, Label(answers=wanted)) == same
    rows = [
        [Judged(given, Label(answers=accepted), correct=True, score=1.0) for _ in range(3)]
        for accepted in (wanted, (composed,))
    ]
    assert TASKS[name].metrics(rows[0]) == TASKS[name].metrics(rows[1])


def test_a_model_that_said_nothing_is_never_called_correct_by_its_answer(name: str) -> None:
    assert TASKS[name].score(Answer(), Label(answers=("yes",))).correct in {False, None}


def test_the_scorer_is_named_and_documented(name: str) -> None:
    page = DOCS.read_text()
    assert f"`{name}`" in page
    assert TASKS[name].scorer in page
    missing = [one.name for one in (*TASKS[name].metrics(()), *common_metrics(())) if f"`{one.name}`" not in page]
    assert not missing


@settings(max_examples=25)
@given(rows_of)
def test_metrics_are_always_the_same_ones_within_their_ranges(name: str, rows: list[Judged]) -> None:
    found, empty = TASKS[name].metrics(rows), TASKS[name].metrics(())
    assert [(one.name, one.unit) for one in found] == [(one.name, one.unit) for one in empty]
    assert all(one.value is None and one.interval is None and one.n == 0 for one in empty)
    assert len({one.name for one in (*found, *common_metrics(()))}) == len(found) + len(common_metrics(()))
    for one in found:
        low, high = RANGES[one.unit]
        assert (one.value is None) == (one.interval is None)
        assert one.n <= len(rows)
        if one.value is not None and one.interval is not None:
            assert low - 1e-9 <= one.interval.lower <= one.interval.upper <= high + 1e-9
            assert low - 1e-9 <= one.value <= high + 1e-9


@settings(max_examples=15)
@given(rows_of)
def test_neither_the_order_of_rows_nor_the_unit_of_their_probabilities_matters(name: str, rows: list[Judged]) -> None:
    halved = [replace(row, probability=row.probability / 2) for row in rows[::-1]]
    values = [[one.value for one in TASKS[name].metrics(some)] for some in (rows, halved)]
    assert values[0] == [None if value is None else pytest.approx(value) for value in values[1]]


def test_accuracy_comes_first(name: str) -> None:
    assert TASKS[name].metrics(())[0].name == "accuracy"
