"""k-means against scikit-learn and against clusters that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from monitor.errors import NotEnoughData
from monitor.stats.kmeans import kmeans, nearest


def inertia(rows: np.ndarray, centres: np.ndarray) -> float:
    return float(((rows - centres[nearest(rows, centres)]) ** 2).sum())


def test_it_finds_planted_centres() -> None:
    rows, _, planted = make_blobs(600, 5, centers=4, cluster_std=0.3, random_state=3, return_centers=True)
    centres = kmeans(rows, 4, np.random.default_rng(0))
    distances = np.linalg.norm(centres[:, None] - planted[None], axis=2)
    assert distances.min(axis=0).max() < 0.15


def test_it_comes_as_close_as_scikit_learn_with_one_start() -> None:
    rows = np.random.default_rng(1).normal(size=(800, 6))
    ours = inertia(rows, kmeans(rows, 10, np.random.default_rng(0)))
    theirs = KMeans(10, n_init=1, random_state=0).fit(rows).inertia_
    assert ours <= 1.03 * theirs


def test_every_centre_is_the_mean_of_its_rows() -> None:
    rows = np.random.default_rng(2).normal(size=(300, 2))
    centres = kmeans(rows, 5, np.random.default_rng(0))
    members = nearest(rows, centres)
    assert np.allclose(centres, [rows[members == index].mean(axis=0) for index in range(5)], atol=0.05)


def test_few_distinct_rows_give_as_many_centres() -> None:
    rows = np.repeat([[0.0, 1.0], [5.0, 5.0]], 10, axis=0)
    assert len(kmeans(rows, 6, np.random.default_rng(0))) == 2


@pytest.mark.parametrize(("rows", "k"), [(np.zeros((3, 2)), 4), (np.zeros((3, 2)), 0), (np.full((5, 2), np.nan), 2)])
def test_bad_input_is_refused(rows: np.ndarray, k: int) -> None:
    with pytest.raises(NotEnoughData):
        kmeans(rows, k, np.random.default_rng(0))


@pytest.mark.parametrize("far", [0.0, 1e9])
def test_clusters_far_from_zero_are_told_apart(far: float) -> None:
    rows = np.random.default_rng(3).normal(size=(100, 2)) + np.repeat([[0.0], [8.0]], 50, axis=0) + far
    centres = kmeans(rows, 2, np.random.default_rng(0))
    assert np.sort(centres[:, 0] - far).round() == pytest.approx([0.0, 8.0])
    assert np.bincount(nearest(rows, centres)).tolist() == [50, 50]
