"""Evidence about the difference of two proportions: the two-sample e-process."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr, xlog1py, xlogy

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_vector
from monitor.stats.sequential.blocks import block_ends, block_sums, like_for_like

_PRIOR: Final = 0.5
"""Rows of either outcome that guesses of the rates begin with: Jeffreys'."""

_GROWTH: Final = 0.01
_HALVINGS: Final = 40


class TwoProportions:
    """Binary outcomes of two independent streams.

    The factor of a block is p(outcomes; guess) / p(outcomes; null point), where the guess of the two rates comes from
    earlier blocks and the null point is the one of the null hypothesis with the least Kullback-Leibler divergence from
    the guess, weighted by the rows of each stream in the block. The hypotheses "difference <= d" and ">= d" are convex,
    so the factor has expectation at most 1 under each of their points, and the product is an e-process.
    Turner, Ly and Grünwald (2024), "Generic E-variables for exact sequential k-sample tests that allow for optional
    stopping", J. Statistical Planning and Inference 230; Turner and Grünwald (2023), "Exact anytime-valid confidence
    intervals for contingency tables and beyond", Statistics and Probability Letters 198.

    The first block serves the guess alone, its factor is 1: to bet on rates of 1/2 costs what a hundred blocks win
    back where it holds a thousand rows of one stream and one of the other.
    """

    reach = 1.0

    def __init__(self, n_first: ArrayLike, k_first: ArrayLike, n_second: ArrayLike, k_second: ArrayLike) -> None:
        """Increments in the order in which they became known, each [t]: rows and how many of them had the outcome.

        Raises:
            NotEnoughData: lengths that differ, counts that cannot be, or no block with rows of both streams.
        """
        n1, k1 = as_vector(n_first, "n_first", least=0), as_vector(k_first, "k_first", least=0)
        n2, k2 = as_vector(n_second, "n_second", least=0), as_vector(k_second, "k_second", least=0)
        if len({n1.size, k1.size, n2.size, k2.size}) > 1:
            raise NotEnoughData("increments of two streams need four counts each")
        if (k1 < 0).any() or (k2 < 0).any() or (k1 > n1).any() or (k2 > n2).any():
            raise NotEnoughData("an increment cannot have more outcomes than rows, nor fewer than 0")
        if any((one != np.round(one)).any() for one in (n1, k1, n2, k2)):
            raise NotEnoughData("rows and outcomes of an increment must be whole numbers")
        self.ends: NDArray[np.int64] = block_ends(n1, n2, _GROWTH)
        if not self.ends.size:
            raise NotEnoughData("there is no block yet that holds rows of both streams")
        self.rows = np.stack([block_sums(n1, self.ends), block_sums(n2, self.ends)])
        self.hits = np.stack([block_sums(k1, self.ends), block_sums(k2, self.ends)])

    @property
    def estimate(self) -> float:
        first, second = like_for_like(self.rows, self.hits)[:, -1].tolist()
        return float(second - first)

    @property
    def rows_per_block(self) -> float:
        return float(self.rows[1].mean())

    def against(self, differences: Floats) -> tuple[Floats, Floats]:
        """See `Evidence`; `differences` within (-1, 1)."""
        guess = np.column_stack([[0.5, 0.5], self._guesses()[:, :-1]])[:, :, None]
        null = nearest(guess, self.rows[:, :, None], differences)
        counts = self.hits[:, :, None], self.rows[:, :, None]
        factors = _log_likelihood(*counts, guess) - _log_likelihood(*counts, null)
        factors[:, 0] = 0.0
        above = guess[1] - guess[0] > differences
        return (
            np.cumsum(np.where(above, factors.sum(axis=0), 0.0), axis=0),
            np.cumsum(np.where(above, 0.0, factors.sum(axis=0)), axis=0),
        )

    def growth(self, difference: float) -> float:
        """See `Evidence`: the divergence of the observed rates from the null hypothesis."""
        shares = self._guesses()[:, -1:, None]
        weights = self.rows.mean(axis=1)[:, None, None]
        null = nearest(shares, weights, np.array([difference]))
        return float((weights * (rel_entr(shares, null) + rel_entr(1.0 - shares, 1.0 - null))).sum())

    def _guesses(self) -> Floats:
        """Of both rates [2, b], as known after each block."""
        rows = np.cumsum(self.rows, axis=1)
        return (like_for_like(self.rows, self.hits) * rows + _PRIOR) / (rows + 2 * _PRIOR)


def nearest(guess: Floats, weights: Floats, differences: Floats) -> Floats:
    """The pairs of rates [2, b, d] that differ by `differences` [d] and are nearest to `guess` [2, b, 1].

    They minimise the sum over both streams of weight times KL(guess || rate), `weights` [2, b, 1]: a convex function of
    the first rate, whose derivative is halved to its zero.
    """
    shape = np.broadcast_shapes(guess[0].shape, differences.shape)
    low: Floats = np.broadcast_to(np.maximum(0.0, -differences), shape).astype(np.float64)
    high: Floats = np.broadcast_to(np.minimum(1.0, 1.0 - differences), shape).astype(np.float64)
    for _ in range(_HALVINGS):
        rate = (low + high) / 2.0
        other = rate + differences
        rising = weights[0] * (rate - guess[0]) * other * (1.0 - other)
        rising += weights[1] * (other - guess[1]) * rate * (1.0 - rate)
        low, high = np.where(rising < 0.0, rate, low), np.where(rising < 0.0, high, rate)
    rate = (low + high) / 2.0
    return np.stack([rate, rate + differences])


def _log_likelihood(hits: Floats, rows: Floats, rate: Floats) -> Floats:
    found: Floats = np.asarray(xlogy(hits, rate) + xlog1py(rows - hits, -rate), dtype=np.float64)
    return found
