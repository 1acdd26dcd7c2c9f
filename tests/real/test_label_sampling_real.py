"""A real model's log, labelled by the shipped sampler under a shipped plan: the sample speaks for the whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from monitor.domain.histograms import CONFIDENCE_BINS, confidence_bins
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.sampling import LabelPlan
from monitor.sampling.planning import Volume, plan_rates

DATA = os.environ.get("SNELLEN_REAL_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="SNELLEN_REAL_DATA does not name the folder of real logs")

YEAR, BUDGET, MINIMUM, BOOST, ROUNDS = 2018, 2000, 60, 2.0, 8


@pytest.fixture(scope="module")
def log() -> dict[str, np.ndarray]:
    """A year of predictions: confidence in the answer given, whether it was right, and the slice."""
    assert DATA is not None
    columns = ["year", "RAC1P", "prediction", "predicted_probability", "employed"]
    read = pq.read_table(Path(DATA) / "employment_ma.parquet", columns=columns)
    table = {name: read[name].to_numpy() for name in columns}
    chosen = table["year"] == YEAR
    probability = table["predicted_probability"][chosen]
    return {
        "confidence": np.where(table["prediction"][chosen] == 1, probability, 1 - probability),
        "correct": table["prediction"][chosen] == table["employed"][chosen],
        "slice": table["RAC1P"][chosen].astype(str),
    }


def plan_of(log: dict[str, np.ndarray]) -> LabelPlan:
    bins = confidence_bins(log["confidence"])

    def volume(chosen: np.ndarray, where: Slice) -> Volume:
        counts = np.bincount(bins[chosen], minlength=CONFIDENCE_BINS)
        return Volume(where, float(chosen.sum()), tuple(counts / counts.sum()))

    slices = [volume(log["slice"] == value, Slice("race", str(value))) for value in np.unique(log["slice"])]
    rates = plan_rates(volume(np.ones(len(bins), bool), ALL_TRAFFIC), slices, BUDGET, MINIMUM, BOOST)
    return LabelPlan(rates.base_rate, BOOST, rates.factors)


def test_a_planned_sample_of_a_real_log_meets_its_budget_and_estimates_its_accuracy(
    log: dict[str, np.ndarray],
) -> None:
    truth = log["correct"].mean()
    assert truth == pytest.approx(0.8282, abs=5e-5)
    plan = plan_of(log)
    errors: dict[str, list[float]] = {"base": [], "hajek": [], "unweighted": []}
    for number in range(ROUNDS):
        draws = [
            plan.draw(f"{number}-{index}", {"race": str(value)}, float(confidence))
            for index, (value, confidence) in enumerate(zip(log["slice"], log["confidence"], strict=True))
        ]
        drawn = np.array([one.drawn for one in draws])
        base = np.array([one.in_base for one in draws])
        weight = 1 / np.array([one.probability for one in draws])[drawn]
        assert drawn.sum() == pytest.approx(BUDGET, abs=4 * np.sqrt(BUDGET))
        for value in np.unique(log["slice"]):
            inside = log["slice"] == value
            least = min(MINIMUM, inside.sum())
            assert drawn[inside].sum() >= least - 4 * np.sqrt(least)
        errors["base"].append(log["correct"][base].mean() - truth)
        errors["hajek"].append(float(log["correct"][drawn] @ weight / weight.sum()) - truth)
        errors["unweighted"].append(log["correct"][drawn].mean() - truth)
    for name in ("base", "hajek"):
        n = BUDGET * (0.5 if name == "base" else 1.0)
        assert abs(np.mean(errors[name])) < 4 * np.sqrt(truth * (1 - truth) / (n * ROUNDS)), name
    assert np.mean(errors["unweighted"]) < -0.01
