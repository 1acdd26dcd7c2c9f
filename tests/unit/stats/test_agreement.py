"""Agreement coefficients against published tables, scikit-learn and statsmodels, and their intervals by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import rankdata
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from monitor.errors import NotEnoughData
from monitor.stats.agreement import Agreement, Level, Weights, cohen_kappa, fleiss_kappa, krippendorff_alpha

NAN = float("nan")
COHEN_1960 = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
"""Table 2 there: two judges, 200 patients."""
FLEISS_1971 = {
    1: "444444", 2: "222555", 3: "233335", 4: "555555", 5: "222444", 6: "113333", 7: "333355", 8: "113334",
    9: "114444", 10: "555555", 11: "144444", 12: "124444", 13: "222333", 14: "144444", 15: "224445", 16: "333335",
    17: "111455", 18: "111112", 19: "224444", 20: "133555", 21: "555555", 22: "244444", 23: "224555", 24: "114444",
    25: "144445", 26: "222224", 27: "111155", 28: "224444", 29: "133333", 30: "555555",
}  # fmt: skip
"""Diagnoses of 30 patients by six psychiatrists."""
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
"""Sections C and D: four observers, twelve units."""


def pairs(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.indices((len(table), len(table))).reshape(2, -1)
    times = np.ravel(table)
    return first.repeat(times), second.repeat(times)


def test_kappa_of_cohens_own_table() -> None:
    found = cohen_kappa(*pairs(COHEN_1960))
    assert found.coefficient == pytest.approx(0.492, abs=5e-4)
    assert (found.observed, found.expected) == (pytest.approx(0.30), pytest.approx(0.59))
    assert (found.units, found.judgements) == (200, 400)


def test_kappa_of_fleiss_own_table() -> None:
    counts = [[row.count(kind) for kind in "12345"] for row in FLEISS_1971.values()]
    assert fleiss_kappa(counts).coefficient == pytest.approx(0.430, abs=5e-4)


def test_kappa_of_ten_subjects_and_fourteen_raters() -> None:
    assert fleiss_kappa(FOURTEEN_RATERS).coefficient == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorffs_own_table(level: Any, alpha: float) -> None:
    found = krippendorff_alpha(np.transpose(KRIPPENDORFF_2011), level=level)
    assert found.coefficient == pytest.approx(alpha, abs=5e-4)
    assert (found.units, found.judgements) == (11, 40)


def test_alpha_of_krippendorffs_binary_table() -> None:
    ratings = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha(np.transpose(ratings), level=level).coefficient == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
@pytest.mark.parametrize("seed", range(5))
def test_kappa_equals_scikit_learns(weights: Any, seed: int) -> None:
    first, second = four_categories(seed, 150)
    found = cohen_kappa(first, second, weights=weights, replicates=10)
    assert found.coefficient == pytest.approx(cohen_kappa_score(first, second, weights=weights), abs=1e-12)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_the_interval_of_many_units_is_the_large_sample_one_of_statsmodels(weights: Any) -> None:
    first, second = four_categories(1, 20_000)
    found = cohen_kappa(first, second, weights=weights, replicates=20_000)
    table, _ = inter_rater.to_table(np.column_stack([first, second]))
    expected = inter_rater.cohens_kappa(table, wt=weights)
    # 20,000 draws know their own outer quantiles to 1.3% of a standard error.
    assert found.interval.lower == pytest.approx(
        expected.kappa - 1.96 * expected.std_kappa, abs=0.06 * expected.std_kappa
    )
    assert found.interval.upper == pytest.approx(
        expected.kappa + 1.96 * expected.std_kappa, abs=0.06 * expected.std_kappa
    )


def four_categories(seed: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 4, units)
    return first, np.where(rng.random(units) < 0.6, first, rng.integers(0, 4, units))


def test_fleiss_kappa_equals_statsmodels() -> None:
    counts = np.random.default_rng(3).multinomial(5, [0.5, 0.3, 0.2], size=40)
    assert fleiss_kappa(counts).coefficient == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-12)


def test_texts_are_categories_too() -> None:
    verdicts = cohen_kappa(["correct", "correct", "incorrect"], ["correct", "incorrect", "incorrect"])
    assert verdicts.coefficient == pytest.approx(cohen_kappa([1, 1, 0], [1, 0, 0]).coefficient)


@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 1000))
def test_alpha_depends_neither_on_the_order_of_annotators_nor_of_units(units: int, raters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, 3, (units, raters)).astype(float)
    if np.unique(ratings).size == 1:
        return
    shuffled = rng.permuted(ratings, axis=1)[rng.permutation(units)]
    one, other = (krippendorff_alpha(table, level="ordinal", replicates=10) for table in (ratings, shuffled))
    assert one.coefficient == pytest.approx(other.coefficient, abs=1e-9)
    assert one.coefficient <= 1.0


def test_alpha_tends_to_fleiss_kappa_when_nothing_is_missing() -> None:
    """They differ by sampling without replacement alone: 1 - alpha = (1 - kappa) (n - 1) / n, n judgements in all."""
    rng = np.random.default_rng(1)
    ratings = rng.integers(0, 3, (50, 3))
    counts = (ratings[:, :, None] == np.arange(3)).sum(axis=1)
    alpha, kappa = krippendorff_alpha(ratings), fleiss_kappa(counts)
    assert 1 - alpha.coefficient == pytest.approx((1 - kappa.coefficient) * 149 / 150, abs=1e-12)


def test_no_difference_is_no_certainty() -> None:
    """Beside 20 units and one alike, and half a differing one, the share that differs is Beta(0.5, 21)."""
    twenty = np.repeat([0, 1], 10)
    expanded = stats.norm.cdf(np.sqrt(20 / 19) * stats.t(19).ppf(0.975))  # as far out as t is wider
    most = stats.beta(0.5, 21).ppf(expanded)
    for found in (cohen_kappa(twenty, twenty), krippendorff_alpha(np.column_stack([twenty, twenty]))):
        assert found.coefficient == 1.0
        assert found.interval.upper == 1.0
        # Chance differs in about half of the pairs.
        assert found.interval.lower == pytest.approx(1 - most / found.expected, abs=0.02)


@pytest.mark.parametrize("second", [[0] * 30, [1] + [0] * 29])
def test_a_category_that_one_annotator_never_names_is_no_certainty(second: list[int]) -> None:
    """The large-sample interval of the first has no width at all."""
    found = cohen_kappa([0] * 28 + [1] * 2, second)
    assert found.interval.upper - found.interval.lower > 0.4


REFUSED: dict[str, Any] = {
    "other units": lambda: cohen_kappa([1, 0], [1, 0, 1]),
    "one unit": lambda: cohen_kappa([1], [1]),
    "one category": lambda: cohen_kappa([1, 1, 1], [1, 1, 1]),
    "NaN": lambda: cohen_kappa([1.0, NAN], [1.0, 0.0]),
    "None": lambda: cohen_kappa([None, "a"], ["a", "b"]),
    "a matrix": lambda: cohen_kappa([[1, 0]], [[1, 0]]),
    "certainty": lambda: cohen_kappa([1, 0], [1, 0], confidence=1.0),
    "unequal rows": lambda: fleiss_kappa([[2, 1], [2, 2]]),
    "one judgement each": lambda: fleiss_kappa([[1, 0], [0, 1]]),
    "one category in counts": lambda: fleiss_kappa([[3, 0], [3, 0]]),
    "half a judgement": lambda: fleiss_kappa([[2.5, 0.5], [3, 0]]),
    "less than no judgement": lambda: fleiss_kappa([[3, -1], [2, 0]]),
    "no counts": lambda: fleiss_kappa([]),
    "nobody judged twice": lambda: krippendorff_alpha([[1, NAN], [NAN, 2]]),
    "one value": lambda: krippendorff_alpha([[1, 1], [1, 1]]),
    "infinity": lambda: krippendorff_alpha([[1, float("inf")], [1, 2]]),
    "a vector": lambda: krippendorff_alpha([1, 2, 3]),
    "texts": lambda: krippendorff_alpha([["a", "b"]]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_says_nothing_is_refused(case: str) -> None:
    with pytest.raises(NotEnoughData):
        REFUSED[case]()


def simulate(rng: np.random.Generator, units: int, sure: float, share: float) -> np.ndarray:
    """[units, 2]: each annotator sees the truth with probability `sure`, else guesses with the same shares.

    The true kappa and alpha are sure squared: two judgements are tied only where both saw.
    """
    truth = rng.random(units) < share
    saw = rng.random((units, 2)) < sure
    return np.where(saw, truth[:, None], rng.random((units, 2)) < share).astype(float)


@pytest.mark.parametrize(
    ("units", "sure", "share"),
    [(100, 0.9, 0.5), (300, 0.8, 0.85), (300, 0.5, 0.3), (30, 0.6, 0.9), (100, 0.9, 0.95), (100, 0.5, 0.95)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(units: int, sure: float, share: float) -> None:
    rng = np.random.default_rng(20261121)
    rounds = 300
    covered = np.zeros(3)
    for _ in range(rounds):
        while np.ptp(ratings := simulate(rng, units, sure, share)) == 0.0:
            pass  # every judgement is the same: refused
        counts = np.column_stack([2 - ratings.sum(axis=1), ratings.sum(axis=1)])
        found: list[Agreement] = [
            cohen_kappa(*ratings.T.astype(int), replicates=400),
            fleiss_kappa(counts, replicates=400),
            krippendorff_alpha(ratings, replicates=400),
        ]
        covered += [sure**2 in one.interval for one in found]
    # 300 rounds at 95%: below 272 or above 297 with probability 1 in 1,000 each.
    assert ((covered >= 272) & (covered <= 298)).all(), covered


def test_many_annotators_of_a_rare_category_are_covered_too() -> None:
    """Five who guess: of 30 units hardly two hold the rare category, and each unit on which they differ is one against
    four."""
    rng, covered = np.random.default_rng(5), 0
    for _ in range(200):
        while not (ratings := rng.random((30, 5)) < 0.05).any():
            pass  # every judgement is the same: refused
        rare = ratings.sum(axis=1)
        covered += 0.0 in fleiss_kappa(np.column_stack([5 - rare, rare]), replicates=400).interval
    assert covered >= 180, covered  # 0.95 of 200, less three standard errors; it was 77%


@pytest.mark.parametrize(
    ("units", "sure", "shares", "weights"),
    [(10, 0.0, [0.5, 0.5], None), (100, 0.9, [0.6, 0.2, 0.1, 0.06, 0.04], "quadratic"),
     (30, 0.8, [0.6, 0.2, 0.1, 0.06, 0.04], "quadratic"), (100, 0.9, [0.8, 0.1, 0.05, 0.03, 0.02], "quadratic")],
)  # fmt: skip
def test_few_units_and_weighted_differences_are_covered_too(
    units: int, sure: float, shares: list[float], weights: Weights | None
) -> None:
    """Without quantiles further out, and with unseen differences of every size alike, 87 to 91% were."""
    rng, covered, kinds = np.random.default_rng(8), [], len(shares)
    for _ in range(400):
        truth, guessed = rng.choice(kinds, (units, 1), p=shares), rng.choice(kinds, (units, 2), p=shares)
        first, second = np.where(rng.random((units, 2)) < sure, truth, guessed).T
        covered.append(sure**2 in cohen_kappa(first, second, weights=weights, replicates=400).interval)
    assert np.mean(covered) >= 0.92


def test_codes_that_a_float_cannot_tell_apart_are_no_one_category() -> None:
    first, second = np.array([2**60, 2**60 + 1] * 20), np.array([2**60 + 1, 2**60] * 20)
    assert cohen_kappa(first, second).coefficient == pytest.approx(-1.0)
    assert cohen_kappa(first.astype(np.uint64), second).coefficient == pytest.approx(-1.0)
    assert cohen_kappa(np.array([2**63, 1], np.uint64), np.array([-1, 1])).observed == 0.5
    for one, two in ((first, second.astype(float)), ([2**60 + 1, 0.5], [0.5, 0.5]), ([2**63, -1], [2**63, -1])):
        with pytest.raises(NotEnoughData, match="2\\^53"):
            cohen_kappa(one, two)
    mixed = pd.Series([2**60 + 1, 0.5], dtype=object)
    with pytest.raises(NotEnoughData, match="2\\^53"):
        cohen_kappa(mixed, [0.5, 0.5])
    for table in (np.column_stack([first, second]), [[2**60, 2**60 + 1], [1.0, NAN], [7, 7]]):
        with pytest.raises(NotEnoughData, match="2\\^53"):
            krippendorff_alpha(table)
    assert krippendorff_alpha([[2**53, 2**53 - 1], [7, 7]]).observed == 0.5
    assert krippendorff_alpha([[1e20, 2e20], [7.0, 7.0]], level="interval").units == 2


def test_numbers_are_not_compared_with_texts() -> None:
    with pytest.raises(NotEnoughData, match="must all be numbers"):
        cohen_kappa([1, 2, 1], ["1", "2", "2"])


def test_bytes_are_the_texts_that_they_encode() -> None:
    texts = ["é", "b", "é", "b"]
    coded = [one.encode() for one in texts]
    assert cohen_kappa(coded, ["é", "b", "b", "b"]) == cohen_kappa(texts, ["é", "b", "b", "b"])
    assert cohen_kappa([b"\xff", b"b"], ["\u00ff", "b"]).coefficient < 1.0
    with pytest.raises(NotEnoughData, match="must all be numbers"):
        cohen_kappa(coded, [1, 2, 1, 2])


def test_an_unknown_level_weighting_or_no_replicate_is_refused() -> None:
    pairs = [[1, 2], [1, 1], [2, 2]]
    with pytest.raises(NotEnoughData, match="level"):
        krippendorff_alpha(pairs, level="ratio")  # type: ignore[arg-type]
    with pytest.raises(NotEnoughData, match="weights"):
        cohen_kappa([1, 2, 1], [1, 2, 2], weights="cubic")  # type: ignore[arg-type]
    with pytest.raises(NotEnoughData, match="replicate"):
        krippendorff_alpha(pairs, replicates=0)
    with pytest.raises(NotEnoughData, match="replicate"):
        cohen_kappa([1, 2, 1], [1, 2, 2], replicates=0)
    with pytest.raises(NotEnoughData, match="replicate"):
        fleiss_kappa([[2, 0], [1, 1], [0, 2]], replicates=0)


def test_texts_in_a_column_of_a_data_frame_are_categories() -> None:
    first, second = ["yes", "no", "yes", "yes"] * 10, ["yes", "no", "no", "yes"] * 10
    expected = cohen_kappa(first, second)
    assert expected.coefficient == pytest.approx(cohen_kappa_score(first, second))
    assert cohen_kappa(pd.Series(first, dtype=object), np.array(second, dtype=object)) == expected
    with pytest.raises(NotEnoughData, match="numbers or texts"):
        cohen_kappa([*first[:-1], None], second)


def _alpha_by_pairs(table: np.ndarray, level: str) -> float:
    """Krippendorff (2011), section C, pair by pair."""
    values = table[np.isfinite(table)]
    told = table.copy()
    if level == "ordinal":
        told[np.isfinite(table)] = rankdata(values)  # the middle of equal ones
    units = [row[np.isfinite(row)] for row in told]
    flat = np.concatenate(units)

    def apart(one: np.ndarray) -> float:
        distances = one[:, None] - one
        return float((distances != 0.0).sum() if level == "nominal" else (distances**2).sum())

    observed = sum(apart(unit) / (unit.size - 1) for unit in units) / flat.size
    return 1.0 - observed / (apart(flat) / (flat.size * (flat.size - 1)))


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("steps", [3.0, 1e9], ids=["few values", "all different"])
def test_alpha_is_what_counting_pairs_gives(level: Level, steps: float) -> None:
    rng = np.random.default_rng(0)
    table = 1e6 + np.round(steps * (rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, 4)))) / steps
    table[rng.random(table.shape) < 0.2] = np.nan
    table = table[np.isfinite(table).sum(axis=1) >= 2]
    assert krippendorff_alpha(table, level=level).coefficient == pytest.approx(_alpha_by_pairs(table, level), abs=1e-6)


@pytest.mark.parametrize("level", ["ordinal", "interval"])
def test_thousands_of_different_ratings_take_no_square_of_their_number(level: Level) -> None:
    """A squared table of these values would hold a thousand million numbers. The truth is an intraclass correlation."""
    rng = np.random.default_rng(1)
    table = rng.normal(size=(16_000, 1)) + 0.5 * rng.normal(size=(16_000, 2))
    found = krippendorff_alpha(table, level=level, replicates=60)
    true = 1 / 1.25 if level == "interval" else 6 / np.pi * np.arcsin(0.4)  # Spearman's of a normal pair
    assert found.coefficient == pytest.approx(true, abs=0.015)
    assert found.interval.upper - found.interval.lower < 0.03


@pytest.mark.parametrize("unit", [1e-9, 1e12])
def test_alpha_does_not_depend_on_the_unit(unit: float) -> None:
    table = np.random.default_rng(2).normal(size=(30, 1)) + np.random.default_rng(3).normal(size=(30, 3))
    one, other = krippendorff_alpha(table, level="interval"), krippendorff_alpha(table * unit, level="interval")
    assert other.coefficient == pytest.approx(one.coefficient)
    assert other.expected == pytest.approx(one.expected * unit**2)
    assert other.interval.lower == pytest.approx(one.interval.lower)
