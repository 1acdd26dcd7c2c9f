from __future__ import annotations

import pytest

from monitor.domain.results import Answer, Candidate, Label
from monitor.tasks.multiple_choice import Choice, MultipleChoice, choice
from tests.pace import cost


@pytest.mark.parametrize(
    "text", ["B", "b", " (b) ", "B.", "(B)", "[b]:", "\tB)\n", "**B**", "Answer: B", "The correct answer is (b).",
             "The correct answer is option B.", "Answer: option (b)", "the answer is choice B", "Answers: B",
             "the correct answers are: b", "Options: B", "choices (b)", "optionB", "Answer:B"],
)  # fmt: skip
def test_ways_to_write_a_letter_are_one_choice(text: str) -> None:
    assert choice(text) == Choice("B", "")


@pytest.mark.parametrize("text", ["B. the left one", "(b) The left  one", "B: the left one", "Answer: B) the left one",
                                  "choices: (b) the left one", "(B)the left one", "B:the left one",
                                  "b)the left one", "[B]: the left one", "Answer: (b)the left one"])  # fmt: skip
def test_a_marked_letter_before_the_options_text_is_read(text: str) -> None:
    assert choice(text) == Choice("B", "the left one")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: B\n\nExplanation: A is wrong.", "B"),
        ("B\nThe cat is red", "B"),
        ("B. cat\n\nIt is red.", "B"),
        ("B because A is wrong", "B"),
        ("The answer is B because A is not", "B"),
        ("B is correct.", "B"),
        ("B is the best answer, A is close", "B"),
        ("B - cat", "B"),
        ("B, cat", "B"),
        ("The best answer is A, although B is close", "A"),
        ("<B>", "B"),
        ("<answer>B</answer>", "B"),
        (r"$\boxed{B}$", "B"),
        (r"Answer: \( \text{(B)} \)", "B"),
        ("**B. cat**", "B"),
        ("**Answer:** B", "B"),
        ("Answer:\n\nB", "B"),
        ("It shows a cat, not A.\n\nAnswer: B", "B"),
        ("The image is an example of:\n\nAnswer: B", "B"),
        ("It shows a cat. The correct option is (B).", "B"),
        ("Therefore, the answer is B.", "B"),
        ("A) is wrong\nB) is wrong\nAnswer: C", "C"),
        ("Options: A) cat B) dog. Answer: B", "B"),
        ("It is red. Therefore, the correct answer is Option B: cat", "B"),
        ("Answer: A\nNo, wait.\nAnswer: B", "B"),
        ("A. B is wrong", "A"),
        ("The answer is C. The answer is not D.", "C"),
    ],
)
def test_the_forms_of_language_models_are_read(text: str, letter: str) -> None:
    assert choice(text).letter == letter


@pytest.mark.parametrize(
    "text",
    [
        "I think A or B", "Not B", "B is wrong", "B is not correct", "B is correct?", "A, B and C are correct",
        "(A), (B)", "(A) or (B)", "b) and c)", "A - B", "B, or maybe C", "I, too", "I, Claudius", "The answer is A cat",
        "The answer is option", "Answer: options B",
        "Answer: B or C", "Answer: (B) and (C)", "Answer: not B", "The answer is not B.",
        "Answer A: too small\nAnswer B: right", "The options are:\nA) cat\nB) dog", "A) is too small\nB) is right",
        "b. C\nd. B", "B\nC", "X-ray", "C++",
    ],
)  # fmt: skip
def test_where_several_letters_or_none_may_be_meant_none_is_read(text: str) -> None:
    assert choice(text).letter is None


def test_of_a_long_answer_both_ends_are_read() -> None:
    reasoning = "The cat is red.\n" * 1000
    assert choice(f"{reasoning}Answer: B").letter == choice(f"Answer: B\n{reasoning}").letter == "B"
    assert choice(f"{reasoning}Answer: B\n{reasoning}").letter is None


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


@pytest.mark.parametrize(
    "unit", ["(", "a", " ", "the ", "answer is ", "*", "A) ", "A\n", "answer: b\n", "so the ", "**"]
)
def test_a_huge_answer_costs_little(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert cost(lambda: choice(text)) < 10
