"""CLIPScore: does the caption fit the picture, without any reference; RefCLIPScore: with references as well.

Hessel, Holtzman, Forbes, Le Bras and Choi (2021), "CLIPScore: A Reference-free Evaluation Metric for Image Captioning",
EMNLP, section 3. Published values are those of CLIP ViT-B/32 and captions that begin with "A photo depicts"; with
another encoder or without the prefix the scale differs, so compare only scores of one embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from monitor.errors import FingerprintMismatch, NotEnoughData
from monitor.stats.inputs import Floats, as_numbers, as_rows, as_vector
from monitor.tasks.captions.caption import CorpusScore, means
from monitor.tasks.estimates import jackknife

WEIGHT: Final = 2.5
"""The paper's w: stretches the cosines that CLIP gives to about 0 to 1."""

_ROUNDING: Final = 1e-3
"""Vectors are stored in half precision."""


def clip_score(images: ArrayLike, answers: ArrayLike, probabilities: ArrayLike | None = None) -> CorpusScore:
    """Mean of 2.5 max(cos, 0) over pairs of vectors [n, d] of one embedder, in [0, 2.5]; n >= 2.

    `probabilities` [n] as for `mean_share`.

    Raises:
        FingerprintMismatch: vectors of different lengths: they cannot come from one embedder.
        NotEnoughData: fewer than two pairs, other shapes, a zero vector, NaN, or probabilities that cannot be.
    """
    return clip_score_of_cosines(cosines(images, answers), probabilities)


def clip_score_of_cosines(agreement: ArrayLike, probabilities: ArrayLike | None = None) -> CorpusScore:
    """The same from the cosines [n] of each pair, as a database gives them: in [-1, 1], but for rounding.

    Raises:
        NotEnoughData: fewer than two, NaN, values that are no cosines, or probabilities that cannot be.
    """
    found = as_vector(agreement, "agreement")
    if np.abs(found).max() > 1.0 + _ROUNDING:
        raise NotEnoughData(f"cosines must lie in [-1, 1]; found {found.min():g} to {found.max():g}")
    each = WEIGHT * found.clip(0.0, 1.0)
    (corpus,) = jackknife(each[:, None], means, WEIGHT, probabilities)
    return CorpusScore(corpus, each)


def ref_clip_score(
    images: ArrayLike, answers: ArrayLike, references: Sequence[ArrayLike], probabilities: ArrayLike | None = None
) -> CorpusScore:
    """Mean harmonic mean of CLIPScore and the best max(cos, 0) of the caption with its references, in [0, 2.5).

    `references` holds one array [r, d] per caption, r >= 1.

    Raises:
        FingerprintMismatch, NotEnoughData: as `clip_score`; also for a caption without references.
    """
    texts = _vectors(answers, "answers")
    if not _is_list(references):
        raise NotEnoughData("references must be a list of arrays, one for each caption")
    if len(references) != len(texts):
        raise NotEnoughData(f"{len(texts)} captions cannot be paired with {len(references)} sets of references")
    with_image = WEIGHT * np.maximum(cosines(images, texts), 0.0)
    with_texts = np.array([
        max(0.0, cosines(np.tile(text, (len(own), 1)), own).max())
        for text, own in zip(texts, (_vectors(one, "references") for one in references), strict=True)
    ])  # fmt: skip
    total = with_image + with_texts
    each = np.divide(2.0 * with_image * with_texts, total, out=np.zeros_like(total), where=total > 0.0)
    (corpus,) = jackknife(each[:, None], means, WEIGHT, probabilities)
    return CorpusScore(corpus, each)


def cosines(first: ArrayLike, second: ArrayLike) -> Floats:
    """Cosine of each pair of rows [n, d], in [-1, 1].

    Raises:
        FingerprintMismatch, NotEnoughData: as `clip_score`, for n >= 1.
    """
    left, right = _vectors(first, "vectors"), _vectors(second, "vectors")
    if left.shape[1] != right.shape[1]:
        raise FingerprintMismatch(f"vectors of lengths {left.shape[1]} and {right.shape[1]} are not of one embedder")
    if len(left) != len(right):
        raise NotEnoughData(f"{len(left)} vectors cannot be paired with {len(right)}")
    found: Floats = np.clip(np.einsum("nd,nd->n", _directions(left), _directions(right)), -1.0, 1.0)
    return found


def _is_list(values: object) -> bool:
    return isinstance(values, Sequence) or (isinstance(values, np.ndarray) and values.ndim > 0)


def _vectors(values: ArrayLike, name: str) -> Floats:
    numbers = as_numbers(values, name, dimensions=2)  # however large they are: `_directions` scales them
    return np.asarray(as_rows(numbers, name, most=float(np.finfo(np.float64).max)))


def _directions(vectors: Floats) -> Floats:
    """The vectors [n, d] at length 1, without squares that are too large or too small for a float."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        raise NotEnoughData("a vector of zeros has no direction to compare")
    scaled = vectors / largest
    units: Floats = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return units
