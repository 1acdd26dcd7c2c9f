"""What each task says of many answers, on rows whose figures can be told by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.results import Answer, Candidate, Judged, Label
from monitor.tasks.captioning import Captioning
from monitor.tasks.captions import CaptionWeights, captions, cider_d
from monitor.tasks.classification import Classification
from monitor.tasks.metric import Metric
from monitor.tasks.multiple_choice import MultipleChoice
from monitor.tasks.retrieval import Retrieval
from monitor.tasks.safety import common_metrics


def ranking(*answers: str) -> Answer:
    return Answer(None, tuple(Candidate(one, -place) for place, one in enumerate(answers)))


def named(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {one.name: one for one in metrics}


def test_top_k_counts_where_the_accepted_class_stands_in_short_lists_too() -> None:
    label = Label(answers=("cat",))
    rows = [
        Judged(ranking("cat", "dog", "fox", "owl", "elk"), label, correct=True),
        Judged(ranking("dog", "fox", "cat", "owl", "elk"), label, correct=False),
        Judged(ranking("dog", "fox", "owl", "elk", "cat"), label, correct=False),
        Judged(ranking("dog", "cat"), label, correct=False),
        Judged(Answer("cat"), label, correct=True),
    ]
    found = named(Classification().metrics(rows))
    assert [(found[f"top_{k}"].value, found[f"top_{k}"].n) for k in (1, 3, 5)] == [
        (pytest.approx(2 / 5), 5), (pytest.approx(4 / 5), 5), (1.0, 5)
    ]  # fmt: skip


def test_what_a_short_list_lacks_may_be_among_the_k_best() -> None:
    label = Label(answers=("cat",))
    rows = [Judged(ranking("dog", "fox"), label), Judged(ranking("cat"), label), Judged(Answer(), label)]
    first, third, _fifth = Classification().metrics(rows)[1:]
    assert (first.value, first.n, first.reason) == (pytest.approx(1 / 3), 3, "")
    assert (third.value, third.n, third.enough) == (None, 2, False)
    assert third.reason.endswith("fewer than k of which were logged (1 of 3 answers)")


def test_a_wrong_answer_alone_tells_of_no_place_but_its_own() -> None:
    rows = [
        Judged(ranking("cat", "dog"), correct=True),
        Judged(ranking("cat", "dog"), correct=False),
        Judged(ranking("cat"), correct=False),
        Judged(ranking("cat", "dog")),
    ]
    found = named(Retrieval().metrics(rows))
    for name in ("hit_at_1", "recall_at_1"):
        assert (found[name].value, found[name].n) == (pytest.approx(1 / 3), 3)
    for name in ("hit_at_5", "recall_at_10", "mrr"):
        assert (found[name].value, found[name].n) == (None, 2)
        assert found[name].reason == "no label says what is right (1 of 3 answers)"
    another = replace(rows[1], answer=Answer("dog", rows[1].answer.candidates))
    assert named(Classification().metrics([another]))["top_1"].reason, "the best candidate is not what was called wrong"


def test_retrieval_has_recall_hits_and_reciprocal_ranks() -> None:
    rows = [
        Judged(ranking("a", "b", "c"), Label(answers=("a", "c"))),
        Judged(ranking("x", "y", "z", "a"), Label(answers=("z",))),
        Judged(ranking("x"), Label(answers=("q",))),
        Judged(ranking("x"), Label()),
    ]
    found = named(Retrieval().metrics(rows))
    assert found["recall_at_1"].value == pytest.approx((0.5 + 0 + 0) / 3)
    assert found["recall_at_5"].value == pytest.approx(2 / 3)
    assert found["hit_at_1"].value == pytest.approx(1 / 3)
    assert found["mrr"].value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert {found[name].n for name in ("recall_at_10", "hit_at_5", "mrr")} == {3}


def test_mrr_is_that_of_the_worked_example() -> None:
    """The example of en.wikipedia.org/wiki/Mean_reciprocal_rank: ranks 3, 2 and 1 give 11/18."""
    rows = [
        Judged(ranking("catten", "cati", "cats"), Label(answers=("cats",))),
        Judged(ranking("torii", "tori", "toruses"), Label(answers=("tori",))),
        Judged(ranking("viruses", "virii", "viri"), Label(answers=("viruses",))),
    ]
    assert named(Retrieval().metrics(rows))["mrr"].value == pytest.approx(11 / 18)


def test_answers_without_a_letter_are_counted() -> None:
    rows = [
        Judged(Answer(text), Label(answers=("B",)), correct=False) for text in ("A", "the left one", "A. the right")
    ]
    assert named(MultipleChoice().metrics(rows))["unreadable_rate"].value == pytest.approx(1 / 3)


CAPTIONS = [
    Judged(Answer("a cat sleeps on a mat"), Label(answers=("a cat sleeps on a mat",), rating=90), agreement=0.3),
    Judged(Answer("two dogs"), Label(answers=("two dogs play with a ball",), rating=40), agreement=0.1),
    Judged(Answer("a red bus"), Label(answers=("a bus in the rain",)), agreement=-0.2),
    Judged(Answer("a tree"), Label(rating=60)),
]


def test_captions_have_ratings_text_metrics_and_clip_score() -> None:
    found = named(Captioning().metrics(CAPTIONS))
    pairs = [(row.answer.answer or "", row.label.answers) for row in CAPTIONS[:3]]
    assert (found["human_rating"].value, found["human_rating"].n) == (pytest.approx(190 / 3), 3)
    assert found["cider_d"].value == pytest.approx(cider_d(captions(pairs)).corpus.value)
    assert found["clip_score"].value == pytest.approx(2.5 * 0.4 / 3)
    assert found["bleu_4"].n == found["rouge_l"].n == 3


def test_caption_quality_weighs_rating_and_cider_d_where_both_are_known() -> None:
    weights = CaptionWeights(human_rating=3, cider_d=1)
    found = named(Captioning(weights).metrics(CAPTIONS))["caption_quality"]
    each = cider_d(captions([(row.answer.answer or "", row.label.answers) for row in CAPTIONS[:3]])).each
    expected = [0.75 * 90 + 0.25 * 100, 0.75 * 40 + 0.25 * 100 * min(1, each[1])]
    assert (found.value, found.n) == (pytest.approx(sum(expected) / 2), 2)


def test_a_slice_weighs_words_by_all_references() -> None:
    part = CAPTIONS[:2]
    others = [Judged(Answer("x"), Label(answers=("dogs run",))), Judged(Answer("x"), Label(answers=("dogs sleep",)))]
    whole = named(Captioning().over(part + others).metrics(part))["cider_d"]
    assert whole.value != pytest.approx(named(Captioning().metrics(part))["cider_d"].value)
    assert whole.n == 2


def test_one_caption_alone_has_no_corpus_figures() -> None:
    found = named(Captioning().metrics(CAPTIONS[:1]))
    assert (found["cider_d"].value, found["cider_d"].n, found["clip_score"].n) == (None, 1, 1)
    assert found["human_rating"].value == pytest.approx(90)


def test_refusals_and_violations_are_rates_of_what_is_known() -> None:
    rows = [
        Judged(Answer("I can't help"), refused=True, flagged=False, correct=False, violation=False),
        Judged(Answer("I can't help"), refused=True, flagged=False, correct=True),
        Judged(Answer("I can't help"), refused=True, flagged=False),
        Judged(Answer("a cat"), refused=False, flagged=True, correct=True, violation=True, agreement=0.2),
        Judged(Answer(), correct=False, agreement=0.4),
    ]
    found = named(common_metrics(rows))
    names = ("refusal_rate", "false_refusal_rate", "violation_rate")
    assert [(found[name].value, found[name].n) for name in names] == [(0.75, 4), (0.5, 2), (0.5, 2)]
    assert (found["flagged_rate"].value, found["answer_image_agreement"].value) == (0.25, pytest.approx(0.3))


def test_no_violation_among_few_is_no_proof_that_there_are_none() -> None:
    rows = [Judged(Answer("a cat"), violation=False)] * 30
    rate = named(common_metrics(rows))["violation_rate"]
    assert rate.interval is not None
    assert (rate.value, rate.interval.lower, rate.enough) == (0.0, 0.0, True)
    assert rate.interval.upper > 0.1
