"""Regions of the embeddings where answers may go wrong: at the end of a direction, or around a wrong answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.inputs import Floats
from monitor.stats.shrinkage import ledoit_wolf

ENDS: Final = (0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2)
BALLS: Final = (0.035, 0.05, 0.07, 0.1)
"""Of the rows, that the end of a direction, or a ball, holds."""
RIDGES: Final = (0.0, 1.0, 30.0)
"""Of the mean variance, added to every axis: from Fisher's discriminant to the plain difference of the means."""
FOLDS: Final = 5
MOST_CENTRES: Final = 150
MOST_AXES: Final = 16
MOST_INDEPENDENT: Final = 24
ROUNDS: Final = 100
SETTLED: Final = 1e-4
"""Of the rotation: 1 less the cosine of each direction with the one before."""
STEP, STEPS = 0.05, 3
"""A ball settles on the wrong answers among this part of the rows, so many times (mean shift)."""
LEAST_ERRORS: Final = 5
ROUNDING: Final = 1e-20
"""Of the mean square of vectors: a variance below it is what rounding made of equal ones."""
LEAST_RIDGE: Final = 1e-9
"""Of the mean variance: rows may lie in fewer dimensions than they have numbers."""

Members = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Rows whose coordinate along `direction` [d] from `centre` [d] reaches `threshold`."""

    centre: Floats
    direction: Floats
    threshold: float

    def members(self, vectors: Floats) -> Members:
        found: Members = (vectors - self.centre) @ self.direction >= self.threshold
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """Rows whose squared distance from `middle` [p] is at most `reach`, along the whitened `axes` [d, p] from `centre`
    [d]; `direction` [d] leads from the centre to the middle."""

    centre: Floats
    axes: Floats
    middle: Floats
    reach: float
    direction: Floats

    def members(self, vectors: Floats) -> Members:
        distances = (((vectors - self.centre) @ self.axes - self.middle) ** 2).sum(axis=1)
        found: Members = distances <= self.reach
        return found


def beyond(vectors: Floats, errors: Floats, rng: np.random.Generator) -> Iterator[tuple[Beyond, Members]]:
    """Ends of the directions in which wrong answers lie, from `vectors` [n, d] and `errors` [n] of 0 or 1.

    Each comes with its members among these rows out of fold: a direction points to the very errors it was learnt from,
    so that only other rows can say whether it leads anywhere. Fisher (1936), "The use of multiple measurements in
    taxonomic problems", with the covariance of Ledoit and Wolf and some ridges.
    """
    if min(errors.sum(), (1.0 - errors).sum()) < LEAST_ERRORS * FOLDS:
        return
    centre = vectors.mean(axis=0)
    centred = vectors - centre
    covariance = ledoit_wolf(centred)
    level = float(np.trace(covariance)) / len(covariance)
    if all_alike(vectors):
        return
    folds = rng.permutation(len(vectors)) % FOLDS
    for ridge in RIDGES:
        metric = covariance + max(ridge, LEAST_RIDGE) * level * np.eye(len(covariance))
        direction = _discriminant(centred, errors, metric, covariance)
        along, elsewhere = centred @ direction, np.empty(len(vectors))
        for fold in range(FOLDS):
            apart = folds == fold
            elsewhere[apart] = centred[apart] @ _discriminant(centred[~apart], errors[~apart], metric, covariance)
        for part in ENDS:
            threshold, out_of_fold = (float(np.quantile(one, 1.0 - part)) for one in (along, elsewhere))
            yield Beyond(centre, direction, threshold), elsewhere >= out_of_fold


def all_alike(vectors: Floats) -> bool:
    """Whether rows of `vectors` [n, d] differ in nothing but rounding."""
    variance = ((vectors - vectors.mean(axis=0)) ** 2).mean()
    return bool(variance <= ROUNDING * (vectors**2).mean())


def independent(vectors: Floats, rng: np.random.Generator) -> Iterator[Beyond]:
    """Both ends of the directions along which `vectors` [n, d] vary most independently, whatever was answered.

    What pictures show comes and goes in each by itself, so such directions are often one thing that is seen: Yamagiwa,
    Oyama and Shimodaira (2023), "Discovering Universal Geometry in Embeddings with ICA", EMNLP. Because errors have no
    part in them, there is nothing to be judged out of fold.
    """
    if all_alike(vectors):
        return
    centre = vectors.mean(axis=0)
    axes, _ = _whitening(vectors - centre, MOST_INDEPENDENT)
    turned = axes @ independent_directions((vectors - centre) @ axes, rng)
    for direction in (*turned.T, *-turned.T):
        along = (vectors - centre) @ direction
        for part in ENDS:
            threshold = float(np.quantile(along, 1.0 - part))
            yield Beyond(centre, direction, threshold)


def independent_directions(whitened: Floats, rng: np.random.Generator) -> Floats:
    """Columns [p, p] of a rotation after which the columns of `whitened` [n, p] are as independent as can be.

    Symmetric FastICA with the contrast log cosh: Hyvärinen (1999), "Fast and robust fixed-point algorithms for
    independent component analysis", IEEE Transactions on Neural Networks 10(3).
    """
    n, size = whitened.shape
    rotation = np.linalg.qr(rng.normal(size=(size, size)))[0]
    for _ in range(ROUNDS):
        tangents = np.tanh(whitened @ rotation)
        step = whitened.T @ tangents / n - rotation * (1.0 - tangents**2).mean(axis=0)
        left, _, right = np.linalg.svd(step)
        before, rotation = rotation, left @ right
        if np.abs(np.abs((before * rotation).sum(axis=0)) - 1.0).max() < SETTLED:
            break
    return np.asarray(rotation)


def balls(vectors: Floats, errors: Floats, rng: np.random.Generator) -> Iterator[tuple[Ball, Members]]:
    """The nearest rows around wrong answers, along the leading whitened axes of `vectors` [n, d]: a scan statistic.
    Each comes with its members among these rows.

    Kulldorff (1997), "A spatial scan statistic", Communications in Statistics 26(6), with the embedding for the map.
    """
    wrong = np.flatnonzero(errors == 1.0)
    if min(wrong.size, len(vectors) - LEAST_ERRORS) < LEAST_ERRORS or all_alike(vectors):
        return
    centre = vectors.mean(axis=0)
    centred = vectors - centre
    axes, back = _whitening(centred, MOST_AXES)
    places = centred @ axes
    for start in places[rng.permutation(wrong)[:MOST_CENTRES]]:
        middle = _settled(start, places, wrong)
        distances = ((places - middle) ** 2).sum(axis=1)
        nearest = np.sort(distances)
        towards = back @ middle
        for part in BALLS:
            reach = float(nearest[int(part * len(vectors))])
            yield Ball(centre, axes, middle, reach, towards), distances <= reach


def _whitening(centred: Floats, most: int) -> tuple[Floats, Floats]:
    """The leading axes [d, p] of `centred` [n, d], 1 <= p <= `most`, along which rows vary by 1; and the way back
    [d, p]. Not all rows are zero."""
    values, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    values, directions = values[::-1][:most], directions[:, ::-1][:, :most]
    kept = values > 1e-9 * float(values[0])
    roots = np.sqrt(values[kept])
    return directions[:, kept] / roots, directions[:, kept] * roots


def _settled(middle: Floats, places: Floats, wrong: NDArray[np.int64]) -> Floats:
    """The middle of the wrong answers around it: from the edge of a cluster a ball would hold but a part of it."""
    near = max(LEAST_ERRORS, int(STEP * len(places)))
    for _ in range(STEPS):
        ball = ((places - middle) ** 2).sum(axis=1)
        within = wrong[ball[wrong] <= np.partition(ball, near)[near]]
        if not within.size:  # the middle of a ring may lie far from all of it
            break
        middle = places[within].mean(axis=0)
    return middle


def _discriminant(centred: Floats, errors: Floats, metric: Floats, covariance: Floats) -> Floats:
    """From right to wrong answers, such that rows vary by 1 along it."""
    apart = centred[errors == 1.0].mean(axis=0) - centred[errors == 0.0].mean(axis=0)
    direction = np.linalg.solve(metric, apart)
    scaled: Floats = direction / np.sqrt(max(float(direction @ covariance @ direction), 1e-300))
    return scaled
