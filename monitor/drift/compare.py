"""Compare a window with the reference: from two sketches to a verdict, in time that does not depend on their size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Final

import numpy as np

from monitor.domain.results import DetectorResult, DriftResult, DriftVerdict
from monitor.drift import DETECTORS
from monitor.drift.dispersion import MIN_WINDOWS, NEEDS_HOURS, Dispersion
from monitor.drift.distance import Distance
from monitor.drift.fit import Fit
from monitor.drift.sketch import Sketch
from monitor.errors import FingerprintMismatch, NotEnoughData
from monitor.stats.inputs import Floats, check_share, check_whole
from monitor.stats.noncentrality import NoncentralLaw
from monitor.stats.two_sample import cauchy_combination

MIN_CURRENT: Final = 50
"""Rows below which the mean of a window is not near enough to normal for a p-value of 1%."""

MIN_REFERENCE: Final = 100
"""Rows of the reference that calibrate: with fewer, neither its mean nor its covariance is known."""

LEVEL: Final = 0.01
"""False alarms of one comparison on unchanged traffic."""

POWER: Final = 0.8
"""Chance with which a shift of the reported smallest size is found."""

_TINY: Final = 1e-300

LOCATING: Final = "mean_shift"
"""The detector whose distance is reported: the others measure shape, not place."""


def compare(
    fit: Fit,
    reference: Sketch,
    current: Sketch,
    dispersion: Dispersion,
    *,
    level: float = LEVEL,
    among: int = 1,
    hours: Mapping[int, int] | None = None,
) -> DriftResult:
    """Whether `current` differs from `reference` by more than the reference's windows differ from each other.

    `reference` and `dispersion` come from the windows that calibrate; `level` is the false-alarm rate of this look.
    `among` so many comparisons, this one with them, the caller adjusts p-values: the smallest distance is then that of
    one that moves alone, whose p-value must be below `level / among` (the first step of Benjamini and Hochberg's rule).
    `hours` says how many rows of `current` came in each hour (whole hours since the epoch, UTC); a seasonal fit needs
    it, others do not look at it.

    Raises:
        FingerprintMismatch: the four were not made under one fit.
        NotEnoughData: level outside (0, 1), `among` below 1, or hours that a seasonal fit needs and that do not match
            the rows. Too few rows or windows are a verdict, not an error.
    """
    check_share(level, "level")
    check_whole(among, "comparisons", least=1)
    _check_one_fit(fit, reference, current, dispersion)
    missing = _missing(reference, current, dispersion)
    if missing is not None:
        verdict, reason = missing
        return DriftResult(verdict, reference.n, current.n, reason=reason)
    expected = _expected(fit, current, dispersion, hours)
    found = {name: detect(name, fit, reference, current, dispersion, expected) for name in fit.blocks}
    results = tuple(result for result, _ in found.values())
    p_value = combined(results)
    loudest, moved = min(found.values(), key=lambda one: one[0].p_value)
    place = found[LOCATING][1]
    return DriftResult(
        verdict=DriftVerdict.DRIFT if p_value < level else DriftVerdict.NO_DRIFT,
        n_reference=reference.n,
        n_current=current.n,
        p_value=p_value,
        effect=loudest.effect,
        effect_interval=moved.effect_interval(among=len(found)),
        distance=place.estimate,
        distance_interval=place.interval(),
        smallest_distance=smallest_distance(reference.n, current.n, dispersion, level=level / among),
        detector=loudest.name,
        detectors=results,
    )


def combined(results: Sequence[DetectorResult]) -> float:
    """The p-value of all detectors together, each with its own part of the level."""
    return cauchy_combination([one.p_value for one in results], [DETECTORS[one.name].weight for one in results])


def part(name: str, names: Iterable[str]) -> float:
    """The part of the level that a detector has among `names`, in (0, 1]."""
    return DETECTORS[name].weight / sum(DETECTORS[one].weight for one in names)


def detect(
    name: str, fit: Fit, reference: Sketch, current: Sketch, dispersion: Dispersion, expected: Floats | float = 0.0
) -> tuple[DetectorResult, Distance]:
    """One detector's result, and how far apart it sees the two windows.

    `expected` [all features] is how far the season alone takes the current means from those of the reference.

    The statistic is Hotelling's T-squared of the features' means in the metric of single rows, each direction
    discounted by how much windows of the reference vary in it; its law is that of the reference's own windows.
    """
    spread, law = dispersion.spreads[name], dispersion.law(name, current.n)
    due = expected[fit.blocks[name]] if isinstance(expected, np.ndarray) else expected
    moved = current.means(fit, name) - reference.means(fit, name) - due
    shift = moved @ spread.directions
    ratios = spread.ratios_at(current.n)
    harmonic, squares = _harmonic(reference.n, current.n), shift**2 / ratios
    statistic = harmonic * float(squares.mean())
    # Where the reference's own windows strayed as far, p cannot be less than how often they did.
    as_far = int((spread.distances >= statistic).sum())
    p_value = max(law.p_value(statistic), as_far / (dispersion.windows + 1))
    # Along the direction that separates best; of no shift at all, along any.
    along = float(squares.sum()) / max(float(np.linalg.norm(shift / ratios)), _TINY)
    unit = along / sqrt(statistic) if statistic > 0.0 else sqrt(shift.size * float(ratios.mean()) / harmonic)
    # What rows of now vary more, in the metric of the shift, and as often as rows of bursts come again.
    metric = max(float(shift @ shift), dispersion.replication * float(squares.sum())) / max(float(moved @ moved), _TINY)
    distance = Distance(
        estimate=unit * sqrt(max(0.0, statistic - spread.usual)),
        statistic=statistic,
        law=NoncentralLaw.beyond(law, 1.0 / shift.size).scattered(
            metric * _scatter(name, fit, reference, current) / shift.size
        ),
        of=lambda surplus: unit * sqrt(surplus),
    )
    result = DetectorResult(name, statistic / spread.usual, p_value, distance.effect, distance.effect_interval())
    return result, distance


def _scatter(name: str, fit: Fit, reference: Sketch, current: Sketch) -> float:
    """How much more the difference of the means varies than if rows of now varied as the reference's do, in units of
    1 / `_harmonic`; all of it is taken to lie along the difference, as it does where few rows moved far."""
    before, now = reference.variance(fit, name), current.variance(fit, name)
    if before is None or now is None:
        return 0.0
    return max(now - before, 0.0) * reference.n / (reference.n + current.n)


def smallest_distance(
    n_reference: int, n_current: int, dispersion: Dispersion, *, level: float = LEVEL, power: float = POWER
) -> float:
    """Shift of the mean, in standard deviations of single rows, that a comparison finds with `power` at `level`.

    For a direction in which windows vary as much as they do on average, if `mean_shift` alone speaks: the Cauchy rule
    then divides its p-value by its part of the level.

    Raises:
        NotEnoughData: no rows on a side, a level or power outside (0, 1), or too few windows to know how they vary.
    """
    for n, side in ((n_reference, "reference"), (n_current, "current")):
        check_whole(n, f"{side} rows", least=1)
    dispersion.demand_windows()
    spread = dispersion.spreads[LOCATING]
    alone = level * part(LOCATING, dispersion.spreads)
    surplus = dispersion.law(LOCATING, n_current).detectable(alone, power) * spread.ratios.size
    discount = float(np.mean(1.0 / spread.ratios_at(n_current)))
    return float(np.sqrt(surplus / _harmonic(n_reference, n_current) / discount))


def _expected(fit: Fit, current: Sketch, dispersion: Dispersion, hours: Mapping[int, int] | None) -> Floats | float:
    if fit.season is None:
        return 0.0
    if not isinstance(hours, Mapping) or dispersion.season is None:
        raise NotEnoughData(f"{NEEDS_HOURS}: how many of the window's {current.n} came in each")
    due = fit.season.over(hours)
    if sum(hours.values()) != current.n:
        raise NotEnoughData(f"the window has {current.n} rows, and its hours {sum(hours.values())}")
    return due - dispersion.season


def _harmonic(n_reference: int, n_current: int) -> float:
    """Rows of a single sample whose mean would be as uncertain as the difference of the two means."""
    return n_reference * n_current / (n_reference + n_current)


def _missing(reference: Sketch, current: Sketch, dispersion: Dispersion) -> tuple[DriftVerdict, str] | None:
    if reference.n < MIN_REFERENCE:
        return (
            DriftVerdict.NOT_ENOUGH_REFERENCE,
            f"the reference has {reference.n} rows for calibration; {MIN_REFERENCE} are needed",
        )
    if dispersion.windows < MIN_WINDOWS:
        return (
            DriftVerdict.NOT_ENOUGH_REFERENCE,
            f"the reference has {dispersion.windows} windows for calibration; {MIN_WINDOWS} are needed to know how "
            "much unchanged traffic varies",
        )
    if current.n < MIN_CURRENT:
        return DriftVerdict.NOT_ENOUGH_DATA, f"the window has {current.n} rows; {MIN_CURRENT} are needed"
    return None


def _check_one_fit(fit: Fit, *parts: Sketch | Dispersion) -> None:
    if any(part.fit_id != fit.id for part in parts):
        raise FingerprintMismatch(
            f"sketches and dispersion must be made under the fit that compares them (embedder {fit.fingerprint!r})"
        )
