"""Arrays that no statistic can use are refused in words, never with numpy's own error, a warning or NaN."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from monitor.discovery import labelled
from monitor.errors import NotEnoughData
from monitor.stats.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from monitor.stats.bootstrap import resampled_means
from monitor.stats.calibration import brier_score, calibration, corp_decomposition, reliability_table
from monitor.stats.calibration.rows import as_rows
from monitor.stats.classifier_test import domain_scores
from monitor.stats.dominance import dominance
from monitor.stats.estimated_accuracy import estimate_accuracy, meaning
from monitor.stats.kmeans import kmeans
from monitor.stats.maturity import delay_curve, maturity
from monitor.stats.multiple_testing import benjamini_hochberg, holm
from monitor.stats.ppi import Guesses, prediction_powered
from monitor.stats.scaling import fit_temperature, repairs
from monitor.stats.shrinkage import ledoit_wolf
from monitor.stats.two_sample import cauchy_combination
from monitor.stats.weighted import weighted_share
from monitor.tasks.captions.clip_score import clip_score, clip_score_of_cosines
from monitor.tasks.estimates import jackknife, mean_share, mean_sign

N = 120
RNG = np.random.default_rng(0)
SHARES = RNG.random(N)
RIGHT = (RNG.random(N) < 0.7).astype(float)
DRAWN = 0.1 + 0.9 * RNG.random(N)
ROWS = RNG.normal(size=(N, 4))
CURVE = delay_curve(SHARES, RIGHT)
PAST = meaning(SHARES, RIGHT)

GOOD: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cohen_kappa": (cohen_kappa, (RIGHT, RIGHT[::-1])),
    "fleiss_kappa": (fleiss_kappa, (RNG.multinomial(3, [0.5, 0.5], N),)),
    "krippendorff_alpha": (krippendorff_alpha, (RIGHT.reshape(-1, 2),)),
    "resampled_means": (resampled_means, (ROWS, DRAWN)),
    "brier_score": (lambda c, y, p: brier_score(c, y, probability=p), (SHARES, RIGHT, DRAWN)),
    "calibration": (lambda c, y, p: calibration(c, y, probability=p), (SHARES, RIGHT, DRAWN)),
    "corp_decomposition": (lambda c, y, p: corp_decomposition(c, y, probability=p), (SHARES, RIGHT, DRAWN)),
    "reliability_table": (lambda c, y, p: reliability_table(c, y, probability=p), (SHARES, RIGHT, DRAWN)),
    "domain_scores": (lambda a, b: domain_scores(a, b, permutations=9), (ROWS, ROWS[::-1])),
    "dominance": (dominance, (SHARES, DRAWN)),
    "meaning": (meaning, (SHARES, RIGHT, DRAWN)),
    "estimate_accuracy": (lambda c, counts: estimate_accuracy(c, PAST, counts), (SHARES, DRAWN)),
    "kmeans": (lambda rows: kmeans(rows, 3, np.random.default_rng(0)), (ROWS,)),
    "delay_curve": (delay_curve, (SHARES, RIGHT, DRAWN)),
    "delay_curve.to_come": (CURVE.to_come, (SHARES,)),
    "maturity": (lambda ages, counts: maturity(5, ages, CURVE, counts), (SHARES, DRAWN)),
    "benjamini_hochberg": (benjamini_hochberg, (SHARES,)),
    "holm": (holm, (SHARES,)),
    "cauchy_combination": (cauchy_combination, (SHARES,)),
    "guesses": (Guesses.of, (SHARES, DRAWN)),
    "prediction_powered": (prediction_powered, (RIGHT, SHARES, SHARES, DRAWN)),
    "fit_temperature": (lambda c, y, p: fit_temperature(as_rows(c, y, p)), (SHARES, RIGHT, DRAWN)),
    "repairs": (lambda c, y, p: repairs(c, y, probability=p), (SHARES, RIGHT, DRAWN)),
    "ledoit_wolf": (ledoit_wolf, (ROWS,)),
    "weighted_share": (weighted_share, (RIGHT, DRAWN)),
    "clip_score": (clip_score, (ROWS, ROWS[::-1], DRAWN)),
    "clip_score_of_cosines": (clip_score_of_cosines, (SHARES, DRAWN)),
    "jackknife": (lambda parts, p: jackknife(parts, np.asarray, 9.0, p, least=-9.0), (ROWS, DRAWN)),
    "mean_share": (mean_share, (SHARES, DRAWN)),
    "mean_sign": (mean_sign, (RIGHT, DRAWN)),
    "labelled": (lambda y, v, p: labelled(y, [{}] * N, {"image": v}, p), (RIGHT, ROWS, DRAWN)),
}
TAKEN = {
    ("krippendorff_alpha", 0, "NaN"),  # nobody judged this unit
    ("labelled", 1, "NaN"),  # a row without a vector
    *(("cohen_kappa", place, kind) for place in (0, 1) for kind in ("texts", "too large")),  # categories
    *(("clip_score", place, "too large") for place in (0, 1)),  # the length of a vector does not matter
}
"""Argument of a function, and what it may be after all."""


def bad(good: Any) -> dict[str, Any]:
    holed = np.asarray(good, dtype=np.float64).copy()
    holed.flat[3] = np.nan
    endless = holed.copy()
    endless.flat[3] = -np.inf
    return {
        "NaN": holed, "infinite": endless, "too large": np.where(np.isnan(holed), 1e31, holed),
        "gradient": torch.tensor(np.array(good, dtype=np.float64), requires_grad=True),
        "texts": np.full(np.shape(good), "0.5"), "complex": np.asarray(good) + 1j, "ragged": [[1.0], [1.0, 2.0]],
        "masked": np.ma.masked_array(good, np.isnan(holed)), "a number": 0.5, "three dimensions": holed[None, None],
    }  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_no_number_is_refused_in_words(name: str) -> None:
    call, good = GOOD[name]
    call(*good)
    for place, argument in enumerate(good):
        for kind, value in bad(argument).items():
            if (name, place, kind) in TAKEN:
                continue
            with pytest.raises(NotEnoughData):
                call(*good[:place], value, *good[place + 1 :])


@pytest.mark.parametrize("name", GOOD)
def test_the_largest_and_smallest_values_give_numbers_or_are_refused(name: str) -> None:
    """Warnings are errors here: an overflow would be one."""
    call, good = GOOD[name]
    for place, argument in enumerate(good):
        for values in (0 * argument, 0 * argument + 1, 1e-300 * argument, 9e29 * argument / np.abs(argument).max()):
            try:
                found = call(*good[:place], values, *good[place + 1 :])
            except NotEnoughData:
                continue
            assert not re.search(r"\b(nan|inf)\b", repr(found))


def same_numbers(array: np.ndarray) -> tuple[Any, ...]:
    fixed = array.copy()
    fixed.setflags(write=False)
    frame = pd.Series(array, index=range(len(array), 0, -1)) if array.ndim == 1 else pd.DataFrame(array)
    return fixed, np.stack([array, array], axis=1)[:, 0], frame, torch.tensor(fixed), array.astype(object)


@pytest.mark.parametrize("name", GOOD)
def test_columns_of_data_frames_tensors_and_views_are_arrays(name: str) -> None:
    call, good = GOOD[name]
    expected = repr(call(*good))
    for arguments in zip(*(same_numbers(np.asarray(one)) for one in good), strict=True):
        assert repr(call(*arguments)) == expected


@pytest.mark.parametrize("name", [name for name, (_, good) in GOOD.items() if len(good) > 1 and name != "dominance"])
def test_arrays_that_do_not_belong_together_are_refused(name: str) -> None:
    call, good = GOOD[name]
    for place, argument in enumerate(good):
        if (name, place) in {("prediction_powered", 2), ("domain_scores", 0), ("domain_scores", 1)}:
            continue  # unlabelled rows, or another window: as many as there are
        with pytest.raises(NotEnoughData):
            call(*good[:place], argument[:-1], *good[place + 1 :])
