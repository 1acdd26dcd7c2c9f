"""What rows that come in groups say of their mean, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from monitor.errors import NotEnoughData
from monitor.stats.groups import as_groups, spread_of_mean, welch_freedom


def test_rows_alone_vary_as_the_textbook_says() -> None:
    values = np.random.default_rng(0).normal(size=40)
    variance, freedom = spread_of_mean(values, np.arange(40))
    assert variance == pytest.approx(values.var(ddof=1) / 40)
    assert freedom == pytest.approx(39.0)


def test_groups_of_equal_rows_and_one_size_are_as_many_rows_as_groups() -> None:
    values = np.random.default_rng(1).normal(size=12)
    variance, freedom = spread_of_mean(np.repeat(values, 7), np.repeat(np.arange(12), 7))
    assert variance == pytest.approx(values.var(ddof=1) / 12)
    assert freedom == pytest.approx(11.0)


def test_uneven_groups_of_equal_rows_have_the_variance_that_they_have() -> None:
    """Variance of the mean of rows that are alike within groups: sum of squared sizes over their squared sum."""
    rng, sizes = np.random.default_rng(2), np.array([1, 2, 3, 5, 8, 8, 12, 16])
    numbers = np.repeat(np.arange(8), sizes)
    found = [spread_of_mean(rng.normal(size=8)[numbers], numbers) for _ in range(8000)]
    true = (sizes**2).sum() / sizes.sum() ** 2
    assert np.mean([variance for variance, _ in found]) == pytest.approx(true, rel=0.05)
    of_squares = true**2 * sizes.sum() ** 4 / (sizes**4).sum() - 1.0
    assert np.median([freedom for _, freedom in found]) == pytest.approx(of_squares, rel=0.1)


def test_the_freedom_of_two_samples_is_that_of_welchs_test() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=8), 3.0 * rng.normal(size=25)
    parts = [spread_of_mean(one, np.arange(one.size)) for one in (first, second)]
    theirs = ttest_ind(first, second, equal_var=False)
    found = welch_freedom((parts[0][0], parts[1][0]), (parts[0][1], parts[1][1]))
    assert found == pytest.approx(theirs.df)


@pytest.mark.parametrize(
    "groups",
    [[0, 1], [0.5, 1.0, 2.0], [[0], [1, 2], [3]], ["a", "b", "c"], [3, 3, 3], np.ma.masked_equal([1, 2, 3], 2)],
    ids=["few", "fractions", "ragged", "texts", "one", "masked"],
)
def test_what_are_no_groups_is_refused(groups: object) -> None:
    with pytest.raises(NotEnoughData):
        as_groups(groups, 3, "current", least=2)  # type: ignore[arg-type]
