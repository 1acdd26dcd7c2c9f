"""BLEU, ROUGE-L and CIDEr-D against the COCO caption evaluation's own scores, and against what follows by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import NotEnoughData
from monitor.tasks.captions import Caption, DocumentFrequencies, bleu, captions, cider_d, rouge_l
from monitor.tasks.captions.cider import cider_d_of
from monitor.tasks.captions.rouge import common_length, rouge_l_of
from tests.pace import cost

REFERENCE = json.loads((Path(__file__).parent / "coco_reference.json").read_text(encoding="utf-8"))
SCORED = captions([(candidate, references) for candidate, references in REFERENCE["pairs"]])
OFFICIAL = REFERENCE["scores"]
sentences = st.lists(
    st.sampled_from(["a", "the", "cat", "dog", "sits", "on", "red", "mat"]), min_size=1, max_size=9
).map(" ".join)
pairs = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=2, max_size=6)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_bleu_is_the_official_one(n: int) -> None:
    found = bleu(SCORED)[n - 1]
    assert found.corpus.value == pytest.approx(OFFICIAL["bleu"][n - 1], rel=1e-12)
    assert found.each == pytest.approx(OFFICIAL["bleu_each"][n - 1], rel=1e-12, abs=1e-300)


def test_rouge_l_is_the_official_one() -> None:
    found = rouge_l(SCORED)
    assert found.corpus.value == pytest.approx(OFFICIAL["rouge"], rel=1e-12)
    assert found.each == pytest.approx(OFFICIAL["rouge_each"], rel=1e-12)


def test_cider_d_is_the_official_one() -> None:
    found = cider_d(SCORED)
    assert found.corpus.value == pytest.approx(OFFICIAL["cider"], rel=1e-12)
    assert found.each == pytest.approx(OFFICIAL["cider_each"], rel=1e-12)


def test_bleu_clips_counts_as_in_its_papers_example() -> None:
    the = "the the the the the the the"  # Papineni et al. (2002), example 2: modified precision 2/7
    one, two = Caption.of(the, ["The cat is on the mat.", "There is a cat on the mat."]), Caption.of("a", ["a"])
    assert bleu([one, two])[0].each[0] == pytest.approx(2 / 7)


@pytest.mark.parametrize(("candidate", "score"), [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4)])
def test_rouge_l_is_that_of_its_papers_example(candidate: str, score: float) -> None:
    """Lin (2004), section 3.1: equal lengths, so precision, recall and F are the same for any beta."""
    assert rouge_l_of(Caption.of(candidate, ["police killed the gunman"])) == pytest.approx(score)


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_the_longest_common_subsequence_is_that_of_the_plain_recursion(first: str, second: str) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    assert common_length(first, second) == table[-1][-1]


def test_two_long_texts_are_compared_at_once() -> None:
    first, second = ["a", "b"] * 5000, ["b", "a"] * 5000
    assert common_length(first, second) == 9999
    assert cost(lambda: common_length(first, second)) < 40


def test_cider_d_by_hand() -> None:
    """Of four pictures, "cat" stands in one and "a" in all, which therefore weighs nothing."""
    frequencies = DocumentFrequencies(4, {("a",): 4, ("cat",): 1, ("dog",): 2, ("a", "cat"): 1, ("a", "dog"): 2})
    cat, dog = math.log(4), math.log(2)
    one = Caption.of("a cat", ["a cat dog"])
    of_one_word = cat * cat / (cat * math.hypot(cat, dog))
    of_two_words = cat * cat / (cat * math.hypot(cat, math.log(4)))  # "cat dog" was never seen: as rare as can be
    expected = 10 * (of_one_word + of_two_words) / 4 * math.exp(-1 / 72)
    assert cider_d_of(one, frequencies) == pytest.approx(expected)


def test_a_single_caption_has_a_score_under_frozen_frequencies() -> None:
    frequencies = DocumentFrequencies.of(SCORED)
    assert [cider_d_of(one, frequencies) for one in SCORED] == pytest.approx(OFFICIAL["cider_each"])


def test_frequencies_of_one_picture_say_nothing() -> None:
    with pytest.raises(NotEnoughData, match="many pictures"):
        DocumentFrequencies.of(SCORED[:1])


@settings(max_examples=25)
@given(pairs)
def test_scores_keep_to_their_ranges(found: list[tuple[str, list[str]]]) -> None:
    scored = captions([*found, (found[0][1][0], found[0][1][:1])])
    for metric, best in [(rouge_l(scored), 1.0), (bleu(scored)[0], 1.0), (cider_d(scored), 10.0)]:
        assert 0.0 <= metric.each.min() <= metric.each.max() <= best + 1e-9
        assert metric.corpus.interval.lower <= metric.corpus.interval.upper <= best + 1e-9


@settings(max_examples=25)
@given(pairs)
def test_the_order_of_captions_and_references_does_not_matter(found: list[tuple[str, list[str]]]) -> None:
    scored, turned = captions(found), captions([(one, refs[::-1]) for one, refs in found[::-1]])
    for metric in (lambda some: bleu(some)[3], rouge_l, cider_d):
        assert metric(scored).each == pytest.approx(metric(turned).each[::-1])
        assert metric(scored).corpus.value == pytest.approx(metric(turned).corpus.value)


def test_captions_drawn_less_often_count_for_more() -> None:
    drawn = np.where(np.arange(len(SCORED)) < 6, 0.1, 0.4)
    found = rouge_l(SCORED, drawn)
    assert found.corpus.value == pytest.approx(np.average(found.each, weights=1 / drawn))


def test_a_caption_drawn_with_a_third_of_the_chance_counts_as_three_in_bleu() -> None:
    weighed = bleu(SCORED, np.array([1 / 3] + [1.0] * (len(SCORED) - 1)))
    thrice = bleu([SCORED[0]] * 2 + SCORED)
    assert [one.corpus.value for one in weighed] == pytest.approx([one.corpus.value for one in thrice], rel=1e-6)


def test_a_caption_without_words_scores_nothing_and_one_without_references_is_refused() -> None:
    scored = [Caption.of("", ["a cat"]), Caption.of("a cat", ["a cat", "..."])]
    assert [one.words for one in scored[1].references] == [("a", "cat")]
    assert [metric.each[0] for metric in (*bleu(scored), rouge_l(scored), cider_d(scored))] == pytest.approx([0] * 6)
    with pytest.raises(NotEnoughData, match="reference"):
        Caption.of("a cat", ["", "..."])
    with pytest.raises(NotEnoughData, match="no captions"):
        captions([])
    with pytest.raises(NotEnoughData, match="at least 2"):
        rouge_l(scored[:1])


@pytest.mark.parametrize("references", [5, None, [5], ["a", None]])
def test_references_that_are_no_texts_are_refused(references: object) -> None:
    with pytest.raises(NotEnoughData, match="must be texts"):
        Caption.of("a", references)  # type: ignore[arg-type]


@pytest.mark.parametrize("pair", ["ab", ("a",), ("a", ["a"], "b"), 5, None])
def test_captions_are_pairs(pair: object) -> None:
    with pytest.raises(NotEnoughData, match="pairs"):
        captions([pair])  # type: ignore[list-item]
