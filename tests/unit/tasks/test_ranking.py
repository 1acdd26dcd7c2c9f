from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.results import Answer, Candidate, Label
from monitor.tasks.classification import Classification
from monitor.tasks.ranking import rank, recall
from monitor.tasks.retrieval import Retrieval
from monitor.tasks.task import ranked, said

WEIGHED = Answer(None, (Candidate("cat", 0.2), Candidate("Dog ", 0.5), Candidate("fox", 0.3)))


@pytest.mark.parametrize(("wanted", "place"), [("dog", 1), ("FOX", 2), ("cat", 3), ("owl", None)])
def test_rank_is_the_place_by_score(wanted: str, place: int | None) -> None:
    assert rank(WEIGHED, Label(answers=(wanted,))) == place


def test_the_best_of_several_accepted_answers_gives_the_rank() -> None:
    assert rank(WEIGHED, Label(answers=("cat", "fox"))) == 2


def test_ties_keep_the_models_order() -> None:
    tied = Answer(None, (Candidate("a", 1.0), Candidate("b", 1.0)))
    assert (said(tied), rank(tied, Label(answers=("b",)))) == ("a", 2)


@pytest.mark.parametrize("place", range(4))
def test_a_candidate_whose_score_is_not_known_comes_last(place: int) -> None:
    """NaN is neither above nor below another score: as a key it would leave the others in the order they came in."""
    scored = [Candidate("cat", 0.2), Candidate("fox", 0.3), Candidate("owl", float("-inf"))]
    scored.insert(place, Candidate("dog", float("nan")))
    assert ranked(Answer(None, tuple(scored))) == ("fox", "cat", "owl", "dog")


@pytest.mark.parametrize(("k", "share"), [(1, 1 / 3), (2, 2 / 3), (3, 2 / 3)])
def test_recall_is_the_share_of_relevant_items_among_the_best(k: int, share: float) -> None:
    label = Label(answers=("dog", "fox", "owl", "DOG"))
    assert recall(WEIGHED, label, k) == pytest.approx(share)
    verdict = Retrieval(k).score(WEIGHED, label)
    assert (verdict.correct, verdict.score, verdict.scorer) == (True, pytest.approx(share), f"recall_at_{k}")


def test_nothing_relevant_found_is_incorrect() -> None:
    assert Retrieval().score(WEIGHED, Label(answers=("owl",))).correct is False


@given(st.lists(st.tuples(st.text(max_size=4), st.floats(-5, 5)), max_size=8), st.text(max_size=4))
def test_top_one_by_rank_is_what_classification_calls_correct(pairs: list[tuple[str, float]], wanted: str) -> None:
    prediction, label = Answer(None, tuple(Candidate(*pair) for pair in pairs)), Label(answers=(wanted,))
    assert Classification().score(prediction, label).correct == (rank(prediction, label) == 1)
