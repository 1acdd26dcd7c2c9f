"""The rows that are shown are those that moved."""

from __future__ import annotations

import numpy as np

from monitor.explain import Family, Rows, explain
from monitor.explain.examples import examples

FAMILY = Family("image", "subject", ("a cat", "a bird"), 4.0 * np.eye(2, 8))


def rows(n: int, seed: int, *, birds: float = 0.1, darker: float = 0.0, web: float = 0.2) -> Rows:
    rng = np.random.default_rng(seed)
    subjects = (rng.random(n) < birds).astype(int)
    images = 4.0 * np.eye(2, 8)[subjects] + rng.normal(size=(n, 8))
    slices = [{"client": "web" if rng.random() < web else "app"} for _ in range(n)]
    return Rows(slices, {"image": images}, {"brightness": rng.normal(0.5 - darker, 0.1, n)})


def test_of_a_concept_those_nearest_to_the_phrase_are_shown() -> None:
    current = rows(400, 1, birds=0.6)
    found = explain(rows(400, 0), current, [FAMILY])
    shown = examples(found, current, [FAMILY], 6)
    assert len(shown) == 6
    assert all(current.vectors["image"][row, 1] > current.vectors["image"][row, 0] + 3 for row in shown)


def test_of_a_measurement_the_most_extreme_ones_are_shown() -> None:
    current = rows(400, 1, darker=0.2)
    shown = examples(explain(rows(400, 0), current, [FAMILY]), current, [FAMILY], 6)
    assert set(shown) == set(np.argsort(current.features["brightness"])[:6])


def test_of_a_slice_its_own_rows_are_shown() -> None:
    current = rows(400, 1, web=0.7)
    shown = examples(explain(rows(400, 0), current, [FAMILY]), current, [FAMILY], 6)
    assert [current.slices[row]["client"] for row in shown] == ["web"] * 6


def test_without_a_cause_something_is_shown_all_the_same() -> None:
    current = rows(200, 1)
    found = explain(rows(200, 0), current, [FAMILY])
    assert found.first is None
    assert len(examples(found, current, [FAMILY], 6)) == 6
