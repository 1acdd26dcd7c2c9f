"""How far judgements of one unit are apart, and how far those of all units: from sums, never pair by pair.

A pattern says how many judgements of a unit fall on each value. What time it takes goes with the judgements, not with
the values that there are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from monitor.stats.inputs import Floats

Disagreement = Callable[[Floats], tuple[Floats, Floats]]
"""Weights of patterns [replicates, patterns] -> observed and expected disagreement [replicates]."""


def told_apart(patterns: csr_array) -> Disagreement:
    """Two values are alike or not: pairs that differ are all pairs less those of one value."""
    judged = patterns.sum(axis=1)
    within = (judged**2 - patterns.power(2).sum(axis=1)) / (judged - 1.0)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total, shares = weights @ judged, _times(weights, patterns)
        return weights @ within / total, (total**2 - (shares**2).sum(axis=1)) / (total * (total - 1.0))

    return disagreement


def at_distance(patterns: csr_array, values: Floats) -> Disagreement:
    """Squared distances of values that do not depend on which units were drawn."""
    judged = np.asarray(patterns.sum(axis=1), dtype=np.float64)
    sums, squares = patterns @ values, patterns @ values**2
    within = _squared_distances(judged, sums, squares) / (judged - 1.0)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total = weights @ judged
        between = _squared_distances(total, weights @ sums, weights @ squares) / (total * (total - 1.0))
        return weights @ within / total, between

    return disagreement


def ranked(patterns: csr_array) -> Disagreement:
    """Squared distances by rank, which every draw of units changes: a value's is the middle of its judgements'."""
    judged = np.asarray(patterns.sum(axis=1), dtype=np.float64)
    turned = csr_array(patterns.T)

    def disagreement(weights: Floats) -> tuple[Floats, Floats]:
        total, counts = weights @ judged, _times(weights, patterns)
        ranks = np.cumsum(counts, axis=1) - counts / 2.0
        ranks -= total[:, None] / 2.0
        within = _squared_distances(judged, _times(ranks, turned), _times(ranks**2, turned)) / (judged - 1.0)
        of_all = (counts * ranks).sum(axis=1), (counts * ranks**2).sum(axis=1)
        between = _squared_distances(total, *of_all) / (total * (total - 1.0))
        return (weights * within).sum(axis=1) / total, between

    return disagreement


def _squared_distances(n: Floats, sums: Floats, squares: Floats) -> Floats:
    """Sum over all pairs of n values, both ways round, of their squared distance, from their sum and that of their
    squares; never below 0, as rounding might have it."""
    return np.maximum(2.0 * (n * squares - sums**2), 0.0)


def _times(dense: Floats, sparse: csr_array) -> Floats:
    """[a, b] times [b, c]."""
    return np.asarray((sparse.T @ dense.T).T)
