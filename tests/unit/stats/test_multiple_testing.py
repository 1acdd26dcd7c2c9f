from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.errors import NotEnoughData
from monitor.stats.multiple_testing import benjamini_hochberg, holm

p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(p_lists)
def test_adjusted_values_equal_scipys(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values)
    np.testing.assert_allclose(benjamini_hochberg(p_values), expected, rtol=1e-12, atol=0)


def test_the_worked_example_of_the_paper_rejects_four() -> None:
    # Benjamini and Hochberg (1995), section 3.2: 15 p-values, four are rejected at q = 0.05.
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert int((benjamini_hochberg(p) <= 0.05).sum()) == 4


@given(p_lists, st.randoms())
def test_the_order_of_the_tests_does_not_matter(p_values: list[float], random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(p_values)))
    random.shuffle(order)
    shuffled = benjamini_hochberg([p_values[i] for i in order])
    np.testing.assert_array_equal(shuffled, benjamini_hochberg(p_values)[order])


def test_false_discoveries_among_true_nulls_and_alternatives_stay_below_the_level() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(2000):
        scores = rng.standard_normal(40) + np.repeat([0.0, 3.0], [30, 10])
        found = benjamini_hochberg(stats.norm.sf(scores)) <= 0.1
        shares.append(found[:30].sum() / max(found.sum(), 1))
    assert np.mean(shares) == pytest.approx(0.1 * 30 / 40, abs=0.012)


@pytest.mark.parametrize("p_values", [[], [0.5, float("nan")], [1.2], [-0.1], [[0.5]]])
def test_what_is_no_p_value_is_refused(p_values: list[float]) -> None:
    with pytest.raises(NotEnoughData):
        benjamini_hochberg(p_values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    p, order = np.array(p_values), np.argsort(p_values, kind="stable")
    expected, largest = np.empty(p.size), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, p[index] * (p.size - place)))
        expected[index] = largest
    assert np.allclose(holm(p), expected)


def test_holm_lies_between_bonferroni_and_benjamini_hochberg() -> None:
    p = np.random.default_rng(0).random(40) ** 3
    assert (holm(p) <= np.minimum(1.0, 40 * p) + 1e-12).all()
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
