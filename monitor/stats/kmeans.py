"""Centres of clusters: Lloyd's algorithm from the starting points of k-means++."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.inputs import Floats, as_matrix, check_whole

ITERATIONS = 25


def kmeans(rows: ArrayLike, k: int, rng: np.random.Generator) -> Floats:
    """At most `k` centres [<= k, d] of `rows` [n, d], n >= k >= 1: fewer where distinct rows are fewer.

    Lloyd (1982), "Least squares quantization in PCM", IEEE Transactions on Information Theory 28; started as Arthur and
    Vassilvitskii (2007), "k-means++: the advantages of careful seeding", SODA. A local optimum, fixed by `rng`.

    Raises:
        NotEnoughData: fewer rows than clusters, k < 1 or no whole number, no columns, NaN.
    """
    check_whole(k, "clusters", least=1)
    points = as_matrix(rows, "rows", least=k)
    centres = _seeds(points, k, rng)
    members = nearest(points, centres)
    for _ in range(ITERATIONS):
        centres = np.stack([points[members == index].mean(axis=0) for index in np.unique(members)])
        found = nearest(points, centres)
        if np.array_equal(found, members):
            break
        members = found
    return centres


def nearest(rows: Floats, centres: Floats) -> NDArray[np.int64]:
    """Number of the centre that each row is nearest to [n]."""
    near = centres - centres[0]  # far from 0 the squares would be so large that what they differ by is lost
    found: NDArray[np.int64] = ((near**2).sum(axis=1) - 2.0 * (rows - centres[0]) @ near.T).argmin(axis=1)
    return found


def _seeds(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Each further point is drawn with a chance that grows with its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    distances = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k and distances.max() > 0.0:
        chosen.append(int(rng.choice(len(points), p=distances / distances.sum())))
        distances = np.minimum(distances, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]
