"""Vectors of several predictions as one matrix, and whose vectors they are."""

from __future__ import annotations

import numpy as np

from monitor.services.explained_rows import embedders, stacked


def test_rows_without_a_vector_are_missing_values() -> None:
    found = stacked([None, np.array([1, 2], dtype=np.float32), None])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[np.nan] * 2, [1.0, 2.0], [np.nan] * 2])


def test_embedders_are_counted_by_their_vectors_of_inputs() -> None:
    one = np.zeros(2, dtype=np.float32)
    stored = [{(7, "image"): one, (8, "prompt"): one}, {(7, "prompt"): one, (8, "answer"): one}, {}]
    assert embedders(stored) == {7: 2, 8: 1}
    assert embedders([]) == {}
