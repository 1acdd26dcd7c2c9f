"""Two streams of rows cut into blocks that hold rows of both, by how they arrive and by nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats, as_vector


def block_ends(first: ArrayLike, second: ArrayLike, growth: float) -> NDArray[np.int64]:
    """Where blocks end (index of the last increment, included) when increments bring rows of two streams.

    `first` [t] and `second` [t] are numbers of rows >= 0. A block ends as soon as it holds rows of both, in about the
    ratio of all rows before it, and `growth` of their number: with 0.01, a million rows make some hundred blocks. So
    the ends depend on arrivals up to there alone: never on outcomes, and later increments never move them. Rows after
    the last end wait for the next block.

    Raises:
        NotEnoughData: lengths that differ, or negative or fractional counts.
    """
    ours, theirs = _counts(first, "first"), _counts(second, "second")
    if ours.size != theirs.size:
        raise NotEnoughData(f"{ours.size} increments of the first stream and {theirs.size} of the second")
    ends: list[int] = []
    of_first = of_second = block_first = block_second = 0.0
    least_first = least_second = 1.0
    for place, (one, other) in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True)):
        block_first, block_second = block_first + one, block_second + other
        enough = growth * (of_first + of_second) <= block_first + block_second
        if enough and block_first >= least_first and block_second >= least_second:
            ends.append(place)
            of_first, of_second = of_first + block_first, of_second + block_second
            block_first = block_second = 0.0
            least_first = max(1.0, round(of_first / of_second))
            least_second = max(1.0, round(of_second / of_first))
    return np.array(ends, dtype=np.int64)


def block_sums(values: Floats, ends: NDArray[np.int64]) -> Floats:
    """Sums of `values` [t] over each block."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values)[ends]]))


def like_for_like(rows: Floats, sums: Floats) -> Floats:
    """Means [2, b] of both streams up to each block, as if they had come together, of `rows` [2, b] > 0 and `sums`.

    Blocks weigh rows of one times rows of the other over those of both: Cochran (1954), "Some methods for strengthening
    the common chi-square tests", Biometrics 10; Greenland and Robins (1985), "Estimation of a common effect parameter
    from sparse follow-up data", Biometrics 41. Where a canary's share grows while the traffic becomes harder, the plain
    mean of its rows is one of harder traffic (Simpson's paradox).
    """
    weights = rows[0] * rows[1] / rows.sum(axis=0)
    means: Floats = np.cumsum(weights * sums / rows, axis=1) / np.cumsum(weights)
    return means


def _counts(values: ArrayLike, name: str) -> Floats:
    counts = as_vector(values, name, least=0)
    if (counts < 0.0).any() or (counts != np.round(counts)).any():
        raise NotEnoughData(f"{name} must be whole numbers of rows, 0 or more")
    return counts
