"""277,677 real probabilities and outcomes: known figures, intervals that hold the whole, and one model beside itself.

Run with SNELLEN_REAL_DATA naming the folder that holds employment_ma.parquet.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression

from monitor.stats.calibration import MEASURES, calibration, corp_decomposition
from monitor.stats.scaling import repairs
from monitor.stats.sequential import BoundedMeans, Outcome, TwoProportions, compare
from tests.pace import cost

DATA = os.environ.get("SNELLEN_REAL_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="SNELLEN_REAL_DATA does not name the folder of real logs")
KNOWN = {2015: (0.8272, 0.8247), 2016: (0.8253, 0.8244), 2017: (0.8292, 0.8253), 2018: (0.8282, 0.8243)}
"""Year -> accuracy, mean confidence."""


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    """`confidence` of the more likely answer, whether it was `correct`, and what to slice by."""
    assert DATA is not None
    rows = pd.read_parquet(Path(DATA) / "employment_ma.parquet")
    probability = rows["predicted_probability"].to_numpy(np.float64).round(7)
    rows["confidence"] = np.maximum(probability, 1 - probability)
    rows["correct"] = (probability >= 0.5) == (rows["employed"] == 1)
    return rows


def columns(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["confidence"].to_numpy(), rows["correct"].to_numpy()


@pytest.mark.parametrize("year", KNOWN)
def test_each_year_has_its_known_gap(answers: pd.DataFrame, year: int) -> None:
    accuracy, confidence = KNOWN[year]
    rows = columns(answers[answers["year"] == year])
    found = calibration(*rows)
    assert cost(lambda: calibration(*rows), attempts=2) < 100
    assert found.gap.value == pytest.approx(confidence - accuracy, abs=1.01e-4)
    assert found.uncertainty.value == pytest.approx(accuracy * (1 - accuracy), abs=1e-4)
    assert found.ece.value < 0.02  # a well calibrated model, over-confident nowhere by much


def test_samples_hold_the_figures_of_the_whole_as_often_as_said(answers: pd.DataFrame) -> None:
    """Nothing here is drawn from a law that we made up."""
    everything = calibration(*columns(answers)).measures()
    rng = np.random.default_rng(1)
    sampled = ["gap", "ece", "ece_equal_mass", "ece_smooth", "root_mean_square", "brier", "log_loss", "uncertainty"]
    held = dict.fromkeys(sampled, 0)
    for _ in range(60):
        probability = np.where(answers["confidence"] < 0.7, 0.006, 0.002)  # unsure ones three times as often
        drawn = rng.random(len(answers)) < probability
        found = calibration(*columns(answers[drawn]), probability=probability[drawn]).measures()
        for name in sampled:
            held[name] += everything[name].value in found[name].interval
    assert min(held.values()) >= 51, held  # 0.95 of 60, less three standard errors


def test_the_isotonic_parts_are_sklearns(answers: pd.DataFrame) -> None:
    confidence, correct = columns(answers)
    found = corp_decomposition(confidence, correct)
    fit = IsotonicRegression().fit(confidence, correct).predict(confidence)
    of_fit = float(np.mean((fit - correct) ** 2))
    assert found.miscalibration == pytest.approx(np.mean((confidence - correct) ** 2) - of_fit, abs=1e-9)
    assert found.discrimination == pytest.approx(found.uncertainty - of_fit, abs=1e-9)


def test_a_calibrated_model_is_hardly_to_be_repaired(answers: pd.DataFrame) -> None:
    for one in repairs(*columns(answers[answers["year"] == 2015])):
        assert abs(one.won.value) < 0.003
        assert one.temperature is None or one.temperature == pytest.approx(1.0, abs=0.08)


def test_one_model_beside_itself_is_no_other(answers: pd.DataFrame) -> None:
    """The same year, split by a coin, looked at after each answer."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(20):
        confidence, correct = columns(answers[answers["year"] == 2016].sample(1500, random_state=rng))
        canary = rng.random(1500) < 0.3
        accuracy = compare(
            TwoProportions(~canary, ~canary & correct, canary, canary & correct), alpha=0.05, margin=0.02
        )
        gap = compare(BoundedMeans(confidence - correct, canary), alpha=0.05, margin=0.02)
        wrong += any(one.outcome in (Outcome.HIGHER, Outcome.LOWER) for one in (accuracy, gap))
    assert wrong <= 4


def test_every_measure_of_a_real_slice_lies_in_its_interval(answers: pd.DataFrame) -> None:
    for _, rows in answers.head(20_000).groupby("MAR"):
        for name, one in calibration(*columns(rows)).measures().items():
            assert one.value in one.interval, name
    assert len(MEASURES) == 14
