"""Which rows show best what moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.domain.slices import ALL_TRAFFIC
from monitor.explain.candidates import agreement, concepts
from monitor.explain.causes import Cause
from monitor.explain.explanation import Explanation
from monitor.explain.rows import Family, Rows
from monitor.stats.inputs import Floats


def examples(found: Explanation, current: Rows, families: Sequence[Family], most: int) -> NDArray[np.int64]:
    """Numbers of at most `most` current rows that show the first cause best, the clearest first; without a confirmed
    cause those that a classifier tells best from the reference. Empty where nothing can be told apart."""
    scores = _by_cause(found.first, found, current, families) if found.first else _by_domain(found, len(current))
    known = np.flatnonzero(np.isfinite(scores))
    ranked: NDArray[np.int64] = known[np.argsort(-scores[known], kind="stable")][:most]
    return ranked


def _by_cause(cause: Cause, found: Explanation, current: Rows, families: Sequence[Family]) -> Floats:
    sign = 1.0 if cause.dominance.delta > 0.0 else -1.0
    by_domain = np.nan_to_num(_by_domain(found, len(current)), nan=-1e9)
    if cause.kind == "feature":
        scores = sign * current.features[cause.name]
    elif cause.kind == "pairing":
        scores = sign * agreement(current)
    elif cause.kind == "concept":
        rng = np.random.default_rng(0)
        known = {(one.of, one.name): one for one in concepts(current, current, families, rng)}
        scores = sign * known[cause.of, cause.name].measure(current)
    elif cause.kind == "slice":
        scores = np.where(current.within(cause.of, cause.name) == (sign > 0), by_domain, np.nan)
    else:
        scores = by_domain
    if cause.within != ALL_TRAFFIC:
        scores = np.where(current.within(cause.within.dimension, cause.within.value), scores, np.nan)
    return scores


def _by_domain(found: Explanation, n: int) -> Floats:
    """Scores of the kind of vectors that moved most; all alike where there are no vectors."""
    if not found.shifts:
        return np.zeros(n)
    return max(found.shifts, key=lambda one: one.auc).current_scores
