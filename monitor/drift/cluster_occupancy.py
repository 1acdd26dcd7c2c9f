"""Cluster occupancy: kinds of content come, go, or change their shares."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.detector import Parameters
from monitor.drift.projection import Projection
from monitor.stats.inputs import Floats

CLUSTERS: Final = 16
AXES: Final = 16
"""Clusters are looked for along the leading axes: the others hold more noise than content."""

_ROUNDS: Final = 20
_ROWS_PER_CLUSTER: Final = 40
_LEAST_VARIANCE: Final = 0.05


class ClusterOccupancy:
    """Features: membership in the clusters of the reference, whitened; one fewer than there are clusters.

    Clusters are those of Lloyd (1982), "Least squares quantization in PCM", from the starts of Arthur and Vassilvitskii
    (2007), "k-means++: The Advantages of Careful Seeding".
    """

    name: Final = "cluster_occupancy"
    weight: Final = 1.0
    directions: Final = None

    def learn(self, rows: Projection) -> Parameters | None:
        places = rows.axes[:, :AXES]
        centres = _centres(places, min(CLUSTERS, len(places) // _ROWS_PER_CLUSTER))
        if len(centres) < 2:
            return None
        members = _members(places, centres)
        variances, directions = np.linalg.eigh(np.cov(members.T))
        # Shares add up to one, so one direction has no variance; nearly empty clusters have hardly any.
        kept = variances > max(_LEAST_VARIANCE * float(variances[-1]), 1e-6)
        return {
            "centres": centres,
            "shares": members.mean(axis=0),
            "whiten": directions[:, kept] / np.sqrt(variances[kept]),
        }

    def features(self, rows: Projection, parameters: Parameters) -> Floats:
        members = _members(rows.axes[:, :AXES], parameters["centres"])
        whitened: Floats = (members - parameters["shares"]) @ parameters["whiten"]
        return whitened


def _members(places: Floats, centres: NDArray[np.floating]) -> Floats:
    """Which cluster each row is in, as zeros and a one, [n, k]."""
    return np.eye(len(centres))[_nearest(places, centres)]


def _nearest(places: Floats, centres: NDArray[np.floating]) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = (np.square(centres).sum(axis=1) - 2.0 * places @ centres.T).argmin(axis=1)
    return nearest


def _centres(places: Floats, k: int) -> Floats:
    if k < 2:
        return places[:0]
    centres = places[_starts(places, k)]
    for _ in range(_ROUNDS):
        nearest = _nearest(places, centres)
        counts = np.bincount(nearest, minlength=k)
        sums = np.stack([np.bincount(nearest, weights=column, minlength=k) for column in places.T], axis=1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    kept: Floats = centres[np.bincount(_nearest(places, centres), minlength=k) > 0]
    return kept


def _starts(places: Floats, k: int) -> list[int]:
    """Rows to start from: each drawn with a chance in proportion to its squared distance from those already drawn."""
    rng = np.random.default_rng(0)
    chosen = [int(rng.integers(len(places)))]
    nearest = np.full(len(places), np.inf)
    while len(chosen) < k:
        nearest = np.minimum(nearest, np.square(places - places[chosen[-1]]).sum(axis=1))
        reach = np.cumsum(nearest)
        chosen.append(min(int(np.searchsorted(reach, rng.random() * reach[-1], side="right")), len(places) - 1))
    return chosen
