"""Yes/no questions: how answers are read, and POPE's figures against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from monitor.domain.results import Answer, Judged, Label
from monitor.stats.intervals import wilson
from monitor.tasks.metric import Metric
from monitor.tasks.vqa import VisualQuestionAnswering
from monitor.tasks.yes_no import YesNo, agreed, polarity
from tests.pace import cost


def judged(
    answer: str | None, truth: str | None = None, correct: bool | None = None, probability: float = 1.0
) -> Judged:
    label = Label(answers=() if truth is None else (truth,))
    return Judged(Answer(answer), label, correct=correct, probability=probability)


def figures(rows: list[Judged]) -> dict[str, Metric]:
    return {one.name: one for one in YesNo().metrics(rows)}


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Yes.",
        "YES, there isn't any doubt",
        " Yeah!",
        "There is a dog here.",
        "It is.",
        "true",
        "Y",
        "Answer: yes",
        "**The answer is yes**",
        "Yes, an a/c unit",
        "Yes</s>",
        "Yes, and no one is there",
    ],
)
def test_ways_to_say_yes(text: str) -> None:
    assert polarity(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "No, there is a cat instead.",
        "NOPE",
        "There is no dog.",
        "There isn’t one",
        "It is not. Yes?",
        "n",
        "The correct answer is: No",
        "No, it is either/or",
        "No or few people: no.",
        "I can't see a dog.",
        "I cannot see a picture of a dog on the wall",
        "I don't see one, sorry",
        "I can't see the picture on the wall",
        "I don't see any pictures",
        "No images of dogs hang on the wall.",
        "There are not enough chairs.",
        "Sorry, no.",
    ],
)
def test_ways_to_say_no(text: str) -> None:
    assert polarity(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "blue",
        "I don't know",
        "I'm not sure.",
        "It cannot be determined",
        "maybe",
        "42",
        "None",
        "да",
        "The answer is",
        "Answer: maybe",
        "N/A",
        "n/a",
        "N/A.",
        "n.a.",
        '"N/A"',
        "Answer: N/A",
        "yes/no",
        "(Yes / No)",
        "**No**/Yes",
        "Y/N",
        "Yes or no",
        "No, or yes?",
    ],
)
def test_what_is_neither(text: str) -> None:
    assert polarity(text) is (False if text == "None" else None)


@pytest.mark.parametrize(
    "text",
    [
        "It is hard to see.", "It is too dark to judge.", "True or false?", "true/false", "No idea.", "no clue",
        "No way to tell.", "No way of knowing", "No telling", "It is not clear from the picture.", "It is not clear.",
        "It isn't clear", "Not clear.", "It's not entirely clear", "It is not clear whether there is a dog.",
        "It is difficult to see whether there is a dog.", "It is difficult to judge.", "It's very hard to make out",
        "It is impossible to see.", "It is not possible to see a dog from this angle.", "I am not confident.",
        "I'm not very confident", "It is possible.", "It is possible that there is a dog", "It's possible",
        "It is ambiguous.", "It is uncertain.", "It is either yes or no", "It might be a dog",
        "It might not be a dog", "I have no idea.", "I don't have any idea", "I haven't a clue", "I cannot judge.",
        "I can't answer that", "It cannot be confirmed", "It cannot be reliably judged", "Answer: No idea",
        "There is too much glare to judge", "The image is too dark to see a dog",
        "It is unknown whether there is a dog", "It isn't easy to see", "false or true", "No idea, sorry",
        "It is too blurry to identify", "Y or N",
        "I'm sorry, but I can't help with that.", "I cannot assist with this request", "I am not able to view images.",
        "Unfortunately, I cannot see the image", "I don't see any image.", "There is no image attached.",
        "No image was provided.", "There is not enough information.", "I won't comply", "I can't directly view photos",
        "There isn't enough context", "There isn't an image attached", "I'm not able to process it",
    ],
)  # fmt: skip
def test_doubt_is_neither(text: str) -> None:
    assert polarity(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Yes, it is clear that there is a dog.", "It is clear that there is a dog", "It is clearly a dog.",
        "It is clear.", "It is a clear day", "There is a hard hat.", "There is a judge in the picture.",
        "It is possible to turn left", "It is possible to see a dog", "There is a dog, but it is hard to see.",
        "It is too dark.", "It is difficult to cross the street", "It is a good idea", "There is a clue on the table",
        "They are confident", "Yes, that is possible.", "Yes, no doubt", "Yes, though it is hard to see",
        "It is impossible.", "It is hard.", "True", "There is a bird too small to identify",
        "I see a dog that is hard to make out", "Yes, no idea why",
    ],
)  # fmt: skip
def test_a_yes_with_words_of_doubt_is_yes(text: str) -> None:
    assert polarity(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "No, that is not possible.", "No, it is hard to see", "No, not clearly.", "The sky is not clear",
        "It is not a clear day", "It is not clear water", "That is not possible", "It is not possible.",
        "It is not difficult", "It is not hard", "No way!", "No, there is no way to know", "I can't see a dog",
        "I cannot see a dog", "There is no clear sign of a dog", "False", "They are not confident",
        "It is not a good idea", "There is no judge", "No, no idea", "No ideas board is there", "There isn't a judge",
        "There can't be a judge", "Not visible", "No way through is open", "It is not too dark to see",
    ],
)  # fmt: skip
def test_a_no_with_words_of_doubt_is_no(text: str) -> None:
    assert polarity(text) is False


@pytest.mark.parametrize(
    ("with_yes", "with_no"),
    [
        ("Based on the image, yes", "Based on the image, no"),
        ("I believe yes", "I believe no"),
        ("Absolutely yes.", "Absolutely no."),
        ("Sure, yes", "I'm afraid no"),
        ("The answer to the question is yes.", "The answer to the question is no."),
        ("I would say yes.", "I'd say no."),
        ("No doubt, there is a dog", "No doubt, there is no dog"),
        ("There is no doubt that there is a dog", "There is no doubt that there is no dog"),
        ("Without a doubt, yes", "Without any doubt, no"),
        ("Is there a dog in the image? Yes, there is.", "Is there a dog in the image? No, there is not."),
        ("Is there not a dog? Yes.", "Is there a dog?\nNo."),
        ("Q: Is there a dog? Is it black?\nA: Yes", "Q: Is there a dog? Is it black?\nA: No"),
        ("In the image, there is a dog.", "In the image, there is no dog."),
        ("There **is** a dog", "There **is** no dog"),
        ("No doubt: there  is a dog", "No doubt: there  is no dog"),
        ("There seems to be a dog", "There seems to be no dog"),
        ("Of course.", "Of course not."),
        ("I think so", "I don't think so"),
        ("It is true.", "It is false."),
        ("The statement is true", "The statement is false"),
        ("It is true that there is a dog", "It is true that there is no dog"),
        ("Based on the image, yes, there isn't a cat", "Based on the image, no, there is a cat"),
        ("Yes, do you want to know more? Let me know.", "No, do you want to know more? Let me know."),
    ],
)
def test_a_spoken_yes_is_read_wherever_a_spoken_no_is(with_yes: str, with_no: str) -> None:
    assert (polarity(with_yes), polarity(with_no)) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "Neither yes nor no", "It is neither yes nor no.", "This is a yes/no question.", "Not yes", "It isn't yes",
        "Although it is not clear, yes", "I'm not sure, but yes", "I would not say yes", "Maybe yes", "No doubt.",
        "Is there a dog? I can't tell.", "Is there a dog?", "I can't be certain", "un gato y un perro",
        "The dog is present", "A true classic",
    ],
)  # fmt: skip
def test_a_yes_in_doubt_or_behind_a_negation_is_not_guessed_at(text: str) -> None:
    assert polarity(text) is None


def test_ways_to_speak_do_not_tilt_the_share_of_yes() -> None:
    wordy = [judged(f"Based on the image, {truth}, I believe.", truth, True) for truth in ("yes", "no") * 30]
    found = figures(wordy)
    assert [found[name].value for name in ("yes_share", "recall", "yes_bias", "undecided_rate")] == [0.5, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("unit", ["?", "? ", "yes? ", "a? ", '"', "no doubt ", "there ", ", there"])
def test_a_huge_answer_costs_little(unit: str) -> None:
    assert cost(lambda: polarity(unit * (1_000_000 // len(unit)))) < 10


@given(st.text(max_size=40))
def test_any_text_is_read_the_same_in_any_case_and_space(text: str) -> None:
    assert polarity(f" {text} ") is polarity(text)


def test_most_answers_decide_and_a_tie_does_not() -> None:
    assert [agreed(one) for one in (("yes", "no", "yes"), ("yes", "no"), ("maybe", "no"), ())] == [
        True,
        None,
        False,
        None,
    ]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_figures_are_those_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    word = {True: "yes", False: "no"}
    found = figures([judged(word[given], word[truth], given is truth) for truth, given in pairs])
    truths, answers = (np.array(side) for side in zip(*pairs, strict=True))
    tn, fp, fn, tp = sk.confusion_matrix(truths, answers, labels=[False, True]).ravel()

    assert found["accuracy"].value == pytest.approx(sk.accuracy_score(truths, answers))
    assert found["yes_share"].value == pytest.approx(answers.mean())
    assert found["yes_bias"].value == pytest.approx(answers.mean() - truths.mean())
    for name, hits, n in [
        ("precision", tp, tp + fp), ("recall", tp, tp + fn), ("false_positive_rate", fp, fp + tn),
        ("false_negative_rate", fn, fn + tp),
    ]:  # fmt: skip
        assert found[name].n == n
        assert found[name].value == (None if n == 0 else pytest.approx(hits / n))
        assert found[name].interval == (None if n == 0 else wilson(int(hits), int(n)))
    if tp + fp + fn:
        assert found["f1"].value == pytest.approx(sk.f1_score(truths, answers, zero_division=0.0))


def test_answers_that_say_neither_are_wrong_and_counted_apart() -> None:
    rows = [judged("blue", "yes", False), judged("yes", "yes", True), judged("I don't know", "no", False)]
    found = figures(rows)
    assert found["undecided_rate"].value == pytest.approx(2 / 3)
    assert (found["recall"].value, found["false_negative_rate"].value, found["false_positive_rate"].value) == (
        0.5,
        0,
        0,
    )
    assert (found["yes_bias"].value, found["yes_bias"].n) == (0.0, 1)
    assert YesNo().score(Answer("blue"), Label(answers=("yes",))).correct is False


def test_a_verdict_on_a_yes_or_no_tells_the_truth_as_well() -> None:
    found = figures([judged("yes", correct=False), judged("no", correct=True)])
    assert (found["false_positive_rate"].value, found["false_positive_rate"].n) == (0.5, 2)


def test_an_answer_that_says_neither_counts_in_every_rate_or_there_is_none() -> None:
    rows = [judged("yes", correct=True), judged("no", correct=True), judged("blue", correct=False), judged("blue")]
    found = figures(rows)
    assert [found[name].value for name in ("undecided_rate", "yes_share", "precision", "yes_bias")] == [0.5, 0.25, 1, 0]
    for name in ("recall", "f1", "false_positive_rate", "false_negative_rate"):
        assert (found[name].value, found[name].reason) == (None, "no label says what is right (1 of 2 answers)")
    assert figures([*rows[:2], judged("no", "yes", False), judged("blue", "yes", False)])["recall"].value == 1 / 3


def test_an_answer_that_was_not_logged_says_neither_yes_nor_neither() -> None:
    assert figures([judged(None), judged("yes")])["undecided_rate"].n == 1


def test_rows_drawn_less_often_count_for_more() -> None:
    rows = [judged("yes", "no", False, 0.1), judged("no", "no", True, 0.4)]
    assert figures(rows)["false_positive_rate"].value == pytest.approx(0.8)


def test_a_model_that_always_says_yes_is_found_out() -> None:
    rows = [judged("yes", truth, truth == "yes") for truth in ("yes", "no") * 50]
    bias = figures(rows)["yes_bias"]
    assert bias.interval is not None
    assert (bias.value, bias.interval.lower > 0.35) == (0.5, True)


def test_yes_no_questions_among_others_have_their_rates() -> None:
    rows = [
        Judged(Answer("yes"), Label(answers=("yes",) * 9 + ("maybe",)), correct=True, score=1.0),
        Judged(Answer("yes"), Label(answers=("no",) * 10), correct=False, score=0.0),
        Judged(Answer("no parking"), Label(answers=("no parking",) * 10), correct=True, score=1.0),
        Judged(Answer("two"), Label(answers=("2",) * 6 + ("3",) * 4), correct=True, score=1.0),
    ]
    found = {one.name: one for one in VisualQuestionAnswering().metrics(rows)}
    assert (found["false_positive_rate"].value, found["false_positive_rate"].n) == (1.0, 1)
    assert (found["recall"].value, found["recall"].n) == (1.0, 1)
    assert (found["soft_accuracy"].value, found["exact_match"].value) == (0.75, 0.75)


def test_of_a_wrong_answer_alone_nobody_knows_whether_the_question_was_one_of_yes_or_no() -> None:
    rows = [
        Judged(Answer("yes"), correct=True, score=1.0),
        Judged(Answer("Yes."), correct=False, score=0.0),
        Judged(Answer("two"), correct=True, score=1.0),
    ]
    found = {one.name: one for one in VisualQuestionAnswering().metrics(rows)}
    assert (found["precision"].value, found["precision"].n, found["recall"].value) == (0.5, 2, 1.0)
    assert found["exact_match"].value == pytest.approx(2 / 3)
    rows += [Judged(Answer("blue"), correct=False, score=0.0)]
    found = {one.name: one for one in VisualQuestionAnswering().metrics(rows)}
    assert (found["precision"].value, found["yes_bias"].value) == (0.5, 0.5)
    assert {found[name].value for name in ("recall", "f1", "false_positive_rate", "yes_share")} == {None}
    rows += [Judged(Answer("No parking"), correct=True, score=1.0)]
    assert VisualQuestionAnswering().metrics(rows)[-2].value is None
