from __future__ import annotations

import pytest

from monitor.domain.results import Answer, Candidate, Label
from monitor.tasks.multiple_choice import MultipleChoice, choice


@pytest.mark.parametrize("text", ["B", "b", " (b) ", "B.", "(B)", "[b]:", "\tB)\n"])
def test_ways_to_write_a_letter_are_one_choice(text: str) -> None:
    assert choice(text) == "B"


@pytest.mark.parametrize("text", ["both", "B or C", "A, B", "b c", "", "12", "(B) the left one"])
def test_longer_answers_are_not_guessed_into_letters(text: str) -> None:
    assert choice(text) == " ".join(text.casefold().split())


@pytest.mark.parametrize(("said", "correct"), [(" (b) ", True), ("A", False), ("The LEFT one", True), ("B?", False)])
def test_the_choice_is_compared_with_every_accepted_answer(said: str, correct: bool) -> None:
    verdict = MultipleChoice().score(Answer(said), Label(answers=("B", "the left one")))
    assert (verdict.correct, verdict.score) == (correct, float(correct))


def test_without_an_answer_the_best_candidate_speaks() -> None:
    weighed = Answer(None, (Candidate("A", 0.2), Candidate("B", 0.7)))
    assert MultipleChoice().score(weighed, Label(answers=("b",))).correct
