"""CLIPScore and RefCLIPScore by the formulas of Hessel et al. (2021), section 3, and caption quality."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import FingerprintMismatch, NotEnoughData
from monitor.tasks.captions import CaptionWeights, clip_score, ref_clip_score
from monitor.tasks.captions.clip_score import clip_score_of_cosines

IMAGES = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
TEXTS = np.array([[3.0, 4.0], [0.0, 1.0], [-1.0, 0.0]])


def test_clip_score_is_two_and_a_half_times_the_cosine_and_never_below_0() -> None:
    found = clip_score(IMAGES, TEXTS)
    assert found.each == pytest.approx([1.5, 2.5, 0.0])
    assert found.corpus.value == pytest.approx(4 / 3)
    assert clip_score_of_cosines([0.6, 1.0, -1.0]).each == pytest.approx(found.each)


def test_ref_clip_score_is_the_harmonic_mean_with_the_best_reference() -> None:
    references = [[[3.0, 4.0], [1.0, 0.0]], [[1.0, 0.0]], [[-1.0, 0.0]]]
    found = ref_clip_score(IMAGES, TEXTS, references)
    assert found.each == pytest.approx([2 * 1.5 * 1 / 2.5, 0.0, 0.0])


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(FingerprintMismatch, match="2 and 3"):
        clip_score(IMAGES, np.ones((3, 3)))
    with pytest.raises(NotEnoughData, match="paired"):
        clip_score(IMAGES, TEXTS[:2])
    with pytest.raises(NotEnoughData, match="zeros"):
        clip_score(IMAGES, np.zeros((3, 2)))
    with pytest.raises(NotEnoughData, match="NaN"):
        clip_score(IMAGES, np.full((3, 2), np.nan))
    with pytest.raises(NotEnoughData, match="references"):
        ref_clip_score(IMAGES, TEXTS, [[[1.0, 0.0]]])
    with pytest.raises(FingerprintMismatch, match="2 and 3"):
        ref_clip_score(IMAGES, TEXTS, [np.ones((1, 3))] * 3)
    for scalar in (0.5, np.array(0.5), np.array(None)):
        with pytest.raises(NotEnoughData, match="list of arrays"):
            ref_clip_score(IMAGES, TEXTS, scalar)  # type: ignore[arg-type]
    with pytest.raises(NotEnoughData, match="cosines"):
        clip_score_of_cosines([0.5, 7.0])


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_length_of_vectors_does_not_matter(size: float) -> None:
    assert clip_score(size * IMAGES, size * TEXTS).each == pytest.approx([1.5, 2.5, 0.0])


def test_points_are_capped_and_weights_are_proportions() -> None:
    metrics = {"human_rating": 50.0, "cider_d": 1.4, "clip_score": 0.7}
    assert CaptionWeights().points(metrics) == pytest.approx(75.0)
    assert CaptionWeights(2, 1, clip_score=1).points(metrics) == pytest.approx((2 * 50 + 100 + 70) / 4)
    with pytest.raises(NotEnoughData, match="rouge_l"):
        CaptionWeights(rouge_l=1).points(metrics)
    with pytest.raises(NotEnoughData, match="cider_d"):
        CaptionWeights().points({"human_rating": 50.0, "cider_d": float("nan")})
    for odd in (None, "0.5"):
        with pytest.raises(NotEnoughData, match="cider_d"):
            CaptionWeights().points({"human_rating": 50.0, "cider_d": odd})  # type: ignore[dict-item]


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 2.0), (float("inf"), 1.0), (float("nan"), 1.0)])
def test_weights_that_weigh_nothing_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(NotEnoughData, match="weights"):
        CaptionWeights(*weights)
