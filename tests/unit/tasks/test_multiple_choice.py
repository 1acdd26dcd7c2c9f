from __future__ import annotations

import pytest

from monitor.domain.results import Answer, Candidate, Label
from monitor.tasks.multiple_choice import Choice, MultipleChoice, choice
from tests.pace import cost


@pytest.mark.parametrize(
    "text", ["B", "b", " (b) ", "B.", "(B)", "[b]:", "\tB)\n", "**B**", "Answer: B", "The correct answer is (b).",
             "Answers: B", "the correct answers are: b", "Options: B", "choices (b)", "optionB", "Answer:B"],
)  # fmt: skip
def test_ways_to_write_a_letter_are_one_choice(text: str) -> None:
    assert choice(text) == Choice("B", "")


@pytest.mark.parametrize("text", ["B. the left one", "(b) The left  one", "B: the left one", "Answer: B) the left one",
                                  "choices: (b) the left one", "(B)the left one", "B:the left one",
                                  "b)the left one", "[B]: the left one", "Answer: (b)the left one"])  # fmt: skip
def test_a_marked_letter_before_the_options_text_is_read(text: str) -> None:
    assert choice(text) == Choice("B", "the left one")


@pytest.mark.parametrize(
    "text",
    ["both", "B or C", "A, B", "b c", "", "12", "A cat", "I think B", "a.m.", "B.C. 44", "a.cat", "ab:cat", "(ab)cat",
     "options", "Answers", "the choices are", "answers: a and b", "options are fine"],
)  # fmt: skip
def test_other_answers_are_not_guessed_into_letters(text: str) -> None:
    assert choice(text) == Choice(None, " ".join(text.casefold().split()))


@pytest.mark.parametrize(
    ("said", "accepted", "correct"),
    [
        (" (b) ", "B", True),
        ("A", "B", False),
        ("The LEFT one", "the left one", True),
        ("B. the left one", "the left one", True),
        ("A. the left one", "B. the left one", False),  # letters decide
        ("Answers: B", "B", True),
        ("choices: (b) dog", "B", True),
        ("options", "S", False),
        ("choice s", "S", True),
        ("B?", "B", False),
        ("", "", False),
    ],
)
def test_letters_are_compared_and_texts_where_one_has_no_letter(said: str, accepted: str, correct: bool) -> None:
    verdict = MultipleChoice().score(Answer(said), Label(answers=("no such option", accepted)))
    assert (verdict.correct, verdict.score) == (correct, float(correct))


def test_without_an_answer_the_best_candidate_speaks() -> None:
    weighed = Answer(None, (Candidate("A", 0.2), Candidate("B", 0.7)))
    assert MultipleChoice().score(weighed, Label(answers=("b",))).correct


@pytest.mark.parametrize("unit", ["(", "a", " ", "the ", "answer is ", "*", "A) "])
def test_a_huge_answer_costs_little(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert cost(lambda: choice(text)) < 10
