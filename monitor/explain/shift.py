"""How far one kind of vectors moved, and which rows moved most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.errors import NotEnoughData
from monitor.explain.rows import Rows
from monitor.stats.classifier_test import domain_scores
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval

FOLDS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """How well a classifier tells the two windows apart by one kind of vectors.

    `auc` in [0, 1] with its interval is out of fold, as are `reference_scores` [n] and `current_scores` [m], in the
    order of the rows with NaN where a row has no vector: the highest belong to the rows that moved most.
    """

    kind: str
    auc: float
    interval: Interval
    reference_scores: Floats
    current_scores: Floats


def shift(reference: Rows, current: Rows, kind: str, *, confidence: float = 0.95, seed: int = 0) -> Shift | None:
    """Tell the windows apart by `kind`; None where too few rows or groups have such a vector, or all are the same.

    Rows of one group stay together, so that near-duplicates of a burst do not give their window away.
    """
    sides = [np.asarray(rows.vectors[kind], dtype=np.float64) for rows in (reference, current)]
    known = [np.isfinite(side).all(axis=1) for side in sides]
    try:
        found = domain_scores(
            sides[0][known[0]], sides[1][known[1]],
            reference_groups=reference.numbers[known[0]], current_groups=current.numbers[known[1]],
            folds=FOLDS, seed=seed, permutations=1, confidence=confidence,
        )  # fmt: skip
    except NotEnoughData:
        return None
    scores = [np.full(len(side), np.nan) for side in sides]
    scores[0][known[0]], scores[1][known[1]] = found.scores_reference, found.scores_current
    return Shift(kind, found.auc, found.interval, scores[0], scores[1])
