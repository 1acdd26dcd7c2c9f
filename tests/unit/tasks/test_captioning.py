from __future__ import annotations

import pytest

from monitor.domain.results import Answer, Label
from monitor.tasks.captioning import ACCEPTABLE_RATING, Captioning


@pytest.mark.parametrize(("rating", "correct"), [(0.0, False), (ACCEPTABLE_RATING, True), (80.0, True), (49.9, False)])
def test_the_rating_is_the_score(rating: float, correct: bool) -> None:
    verdict = Captioning().score(Answer("a cat on a mat"), Label(rating=rating))
    assert (verdict.correct, verdict.score) == (correct, rating / 100)


@pytest.mark.parametrize("rating", [-1.0, 100.5, float("nan")])
def test_a_rating_off_the_scale_decides_nothing(rating: float) -> None:
    assert Captioning().score(Answer("a cat"), Label(rating=rating)).correct is None


def test_reference_captions_alone_decide_nothing() -> None:
    assert Captioning().score(Answer("a cat"), Label(answers=("a cat",))).correct is None
