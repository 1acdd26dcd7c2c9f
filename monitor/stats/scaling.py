"""What would repair the confidences: fitted on one half of the answers, judged on the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, ndtri

from monitor.errors import NotEnoughData
from monitor.stats.bootstrap import percentiles, resampled_means
from monitor.stats.calibration.measured import FEWEST_DRAWS, Difference, check_level
from monitor.stats.calibration.rows import Rows, as_rows
from monitor.stats.calibration.scores import CERTAIN, isotonic, log_losses
from monitor.stats.calibration.summary import Calibration, calibration
from monitor.stats.inputs import Floats, check_whole
from monitor.stats.intervals import Interval

MIN_ROWS: Final = 100
"""Fewer answers cannot be halved: with 50 in each half the temperature is known to about a third."""

MIN_ISOTONIC: Final = 1000
"""Answers of one half below which isotonic regression may follow chance: Niculescu-Mizil and Caruana (2005),
"Predicting Good Probabilities With Supervised Learning", ICML, found it behind a sigmoid with fewer than about 200 to
1,000."""

_HOTTEST: Final = 20.0
"""Temperatures are sought between 1 / 20 and 20."""
_AT_BOUND: Final = 0.999
"""A search that comes so near to its bound has found no temperature: the best one lies beyond."""

Kind = Literal["temperature", "isotonic"]
Recalibrate = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Repair:
    """What recalibrating `n` answers would do, each judged by the fit of the half that it was not in.

    `temperature` is fitted on all answers; above 1 it makes confidences more modest; with its interval, both None for
    other kinds. `before` and `after` are the calibration of the answers as they are and as repaired. `won` is the mean
    log loss that the repair takes away, in nats, with its interval, and `won_by_half` that of each half. `holds`: the
    interval and both halves lie above 0, and no bound of the search holds the temperature; only then is the repair to
    be recommended.
    """

    kind: Kind
    temperature: float | None
    temperature_interval: Interval | None
    n: int
    before: Calibration
    after: Calibration
    won: Difference
    won_by_half: tuple[float, float]
    holds: bool

    def sentence(self) -> str:
        """For people: what it would bring, or that it would not.

        The errors named are the corrected ECEs, less what chance adds to them; "at most" is the end of the interval.
        """
        if self.temperature is not None and _at_bound(self.temperature):
            return _BEYOND[self.temperature > 1.0]
        name = "Isotonic regression" if self.temperature is None else f"T = {self.temperature:.2g}"
        if not self.holds:
            return f"{name} is not shown to help answers that it was not fitted on: leave the confidences as they are."
        return (
            f"{name} would bring the calibration error from {self.before.ece.corrected:.3f} to "
            f"{self.after.ece.corrected:.3f} (at most {self.after.ece.interval.upper:.3f}) and the signed gap "
            f"from {self.before.gap.value:+z.3f} to {self.after.gap.value:+z.3f}."
        ).replace(" -", " −")


_BEYOND: Final = {
    True: f"No temperature up to {_HOTTEST:g} is the best: surer answers are hardly more often right, or less often. "
    "None repairs these confidences.",
    False: f"No temperature down to {1.0 / _HOTTEST:g} is the best: hardly an answer contradicts its confidence. "
    "It takes more that do to tell.",
}
"""Sentence where the best temperature lies beyond the bound: the upper one?"""


def _at_bound(temperature: float) -> bool:
    return bool(abs(np.log(temperature)) > _AT_BOUND * np.log(_HOTTEST))


def repairs(
    confidence: ArrayLike, correct: ArrayLike, *, probability: ArrayLike | None = None, level: float = 0.95,
    seed: int = 0,
) -> tuple[Repair, ...]:  # fmt: skip
    """Temperature scaling and, where each half holds `MIN_ISOTONIC` answers, isotonic regression.

    Args:
        confidence: [n] in [0, 1], of the answer given. The scores of other answers are not known, so its logit is
            scaled as that of a yes/no question, expit(logit(confidence) / T): Platt's form without intercept. Guo et
            al. (2017), section 4, scale all logits, which is the same where there are two answers.
        correct: [n], true or false.
        probability: [n] in (0, 1], of each answer to have been drawn for labelling; None: all alike.
        level: of the intervals.
        seed: of the two halves.

    The half that an answer is in does not see it: the figures after repair are those of answers that were not fitted.

    Raises:
        NotEnoughData: rows that `calibration` refuses, fewer than `MIN_ROWS`, or a half without a right answer, without
            a wrong one, with no confidence but 1/2, or a level above
            0.992, which 500 draws cannot tell.
    """
    check_level(level, FEWEST_DRAWS)
    check_whole(seed, "as the seed", least=0)
    rows = as_rows(confidence, correct, probability, least=MIN_ROWS)
    first = np.random.default_rng(seed).permutation(rows.n) < rows.n // 2
    kinds: dict[Kind, Callable[[Rows], Recalibrate]] = {"temperature": _temperature_scaling}
    if min(first.sum(), rows.n - first.sum()) >= MIN_ISOTONIC:
        kinds["isotonic"] = _isotonic_regression
    before = _calibration(rows, rows.confidence, level)
    return tuple(_judged(kind, fit, rows, first, before, level) for kind, fit in kinds.items())


def recommended(found: Sequence[Repair]) -> Repair | None:
    """The repair that holds up and wins most; None when none does."""
    return max((one for one in found if one.holds), key=lambda one: one.won.value, default=None)


def fit_temperature(rows: Rows) -> float:
    """The T in [1/20, 20] under which expit(logit(confidence) / T) has the least (weighted) log loss.

    Guo et al. (2017), section 4.2. Outcomes count as they are: Platt's targets, (k + 1) / (k + 2) for right answers,
    would make sound confidences that are nearly 1 look too high. The bounds hold a sample that has no mistake, and one
    whose surer answers are no more often right.

    Raises:
        NotEnoughData: only right or only wrong answers, or nothing but 1/2.
    """
    right = rows.correct.sum()
    if right in (0, rows.n):
        raise NotEnoughData(
            f"{rows.n} answers of which {int(right)} are right: a temperature needs right and wrong ones"
        )
    logits = _logits(rows.confidence)
    if not logits.any():
        raise NotEnoughData(f"all {rows.n} confidences are 1/2, which no temperature changes")

    def loss(log_temperature: float) -> float:
        scaled = logits * np.exp(-log_temperature)
        return float(rows.weight @ (np.logaddexp(0.0, scaled) - rows.correct * scaled))

    found = minimize_scalar(
        loss, bounds=(-np.log(_HOTTEST), np.log(_HOTTEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def _interval(rows: Rows, temperature: float, level: float) -> Interval:
    """Of the temperature: normal for 1 / T, within the bounds of the fit.

    The variance holds also where scaling is not all that is wrong: White (1982), "Maximum Likelihood Estimation of
    Misspecified Models", Econometrica 50. Few mistakes, of rows that weigh much, hardly show in it; it is at least the
    one that the fitted confidences foretell.
    """
    logits = _logits(rows.confidence)
    fitted = expit(logits / temperature)
    leverage, spread = rows.weight * logits, fitted * (1.0 - fitted)
    curvature = float(leverage @ (spread * logits))
    variance = max(float(leverage**2 @ (fitted - rows.correct) ** 2), float(leverage**2 @ spread))
    error = float(ndtri((1.0 + level) / 2.0)) * float(np.sqrt(variance)) / curvature if curvature > 0.0 else np.inf
    highest, lowest = min(1.0 / temperature + error, _HOTTEST), max(1.0 / temperature - error, 1.0 / _HOTTEST)
    return Interval(1.0 / highest, 1.0 / lowest)


def _temperature_scaling(rows: Rows) -> Recalibrate:
    temperature = fit_temperature(rows)
    return lambda confidence: np.asarray(expit(_logits(confidence) / temperature))


def _isotonic_regression(rows: Rows) -> Recalibrate:
    """Steps joined by lines, kept from 0 and 1 by Laplace's rule. Zadrozny and Elkan (2002), KDD."""
    least = 1.0 / (rows.n + 2.0)
    fitted = isotonic(rows).clip(least, 1.0 - least)
    return lambda confidence: np.interp(confidence, rows.confidence, fitted)


def _judged(
    kind: Kind,
    fit: Callable[[Rows], Recalibrate],
    rows: Rows,
    first: NDArray[np.bool_],
    before: Calibration,
    level: float,
) -> Repair:
    repaired = np.empty_like(rows.confidence)
    for half in (first, ~first):
        repaired[half] = fit(rows.part(~half))(rows.confidence[half])
    won = log_losses(rows.confidence, rows.correct) - log_losses(repaired, rows.correct)
    by_half = tuple(float(np.average(won[half], weights=rows.weight[half])) for half in (first, ~first))
    lower, upper = percentiles(resampled_means(won[:, None], rows.weight), rows.n, level)
    interval = Interval(float(lower[0]), float(upper[0]))
    temperature = fit_temperature(rows) if kind == "temperature" else None
    return Repair(
        kind=kind,
        temperature=temperature,
        temperature_interval=None if temperature is None else _interval(rows, temperature, level),
        n=rows.n,
        before=before,
        after=_calibration(rows, repaired, level),
        won=Difference(rows.mean(won), interval),
        won_by_half=(by_half[0], by_half[1]),
        holds=interval.lower > 0.0 and min(by_half) > 0.0 and not (temperature and _at_bound(temperature)),
    )


def _calibration(rows: Rows, confidence: Floats, level: float) -> Calibration:
    return calibration(confidence, rows.correct, probability=rows.probability, level=level)


def _logits(confidence: Floats) -> Floats:
    return np.asarray(logit(confidence.clip(CERTAIN, 1.0 - CERTAIN)))
