"""How often the comparison of a canary errs when it is looked at all the time, and how many labels it takes.

    python -m benchmarks.canary [--seed 1] [--trials 200] [--quick]

`false` is the share of trials in which the interval of the true difference ever left it out, looked at after every
block, at alpha 0.05. `labels` are rows of the canary until the interval leaves out 0: quartiles over trials, at alpha
0.05 and at 0.0125, which each of the service's four measures gets; beside them what a test of fixed size needs for a
power of 50 and 80% (`fixed_50`, `fixed_80`), which may be looked at only once. `expected_over_taken` compares the
labels that were announced as still needed, at half of those that it took, with those that it then took. Of calibration,
`mirrored` are gaps on either side of 0, and `common_swings` move both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.stats.sequential import Distances, Evidence, TwoProportions, compare

ALPHA = 0.05
Bools = NDArray[np.bool_]

NULLS = [  # rate of both, share of the canary, rows
    (0.85, 0.3, 1000), (0.85, 0.05, 3000), (0.5, 0.5, 1000), (0.98, 0.1, 3000), (0.35, 0.9, 1000),
]  # fmt: skip
CHANGES = [  # stable, canary, share of the canary, rows
    (0.85, 0.35, 0.3, 300), (0.85, 0.75, 0.3, 3000), (0.85, 0.80, 0.5, 8000), (0.98, 0.90, 0.1, 6000),
]  # fmt: skip
CONFIDENCE = 0.85
# Signed gaps of stable and canary.
MIRRORED = [(0.15, -0.15), (-0.15, 0.15), (0.05, -0.05), (0.15, -0.13), (0.1, 0.15)]
GAPS = [(0.0, 0.2), (0.2, 0.0), (0.25, -0.1), (0.0, 0.1)]
SWINGS = [(0.0, 0.0), (0.1, 0.1), (0.05, 0.15), (0.05, -0.05)]
GAP_ROWS = 3000


def rows(rng: np.random.Generator, n: int, share: float, stable: float, canary: float) -> tuple[Bools, Bools]:
    """Whether of the canary, and the outcome, of n rows in the order of arrival."""
    of_canary = rng.random(n) < share
    return of_canary, rng.random(n) < np.where(of_canary, canary, stable)


def proportions(of_canary: Bools, outcome: Bools) -> TwoProportions:
    return TwoProportions(~of_canary, ~of_canary & outcome, of_canary, of_canary & outcome)


def gaps(rng: np.random.Generator, of_canary: Bools, outcome: Bools) -> Distances:
    """Confidences that know nothing of the outcome, and are 85% on average."""
    return Distances(rng.beta(17, 3, outcome.size) - outcome, of_canary)


def sure_gaps(of_canary: Bools, outcome: Bools) -> Distances:
    """Of one confidence."""
    return Distances(CONFIDENCE - outcome, of_canary)


def _left_out(evidence: Evidence, true: float, alpha: float) -> bool:
    at_most, at_least = evidence.against(np.array([true]))
    return bool(max(at_most.max(), at_least.max()) >= np.log(2 / alpha))


def false_verdicts(seed: int, trials: int) -> list[dict[str, Any]]:
    """Of equal streams, of streams that differ, and of common hourly swings."""
    found = []
    for rate, share, n in NULLS:
        rng = np.random.default_rng(seed)
        held = {"accuracy": 0, "calibration": 0, "swinging": 0}
        for _ in range(trials):
            of_canary, outcome = rows(rng, n, share, rate, rate)
            held["accuracy"] += _left_out(proportions(of_canary, outcome), 0.0, ALPHA)
            held["calibration"] += _left_out(gaps(rng, of_canary, outcome), 0.0, ALPHA)
            swing = np.clip(rate + 0.3 * np.sin(np.arange(n) / 40), 0.02, 0.98)
            held["swinging"] += _left_out(proportions(of_canary, rng.random(n) < swing), 0.0, ALPHA)
        shares = {name: round(count / trials, 3) for name, count in held.items()}
        found.append({"rate": rate, "share": share, "rows": n, "false": shares})
    for stable, canary, share, n in CHANGES:
        rng = np.random.default_rng(seed)
        missed = [
            _left_out(proportions(*rows(rng, n, share, stable, canary)), canary - stable, ALPHA) for _ in range(trials)
        ]
        found.append({"stable": stable, "canary": canary, "share": share, "false": round(float(np.mean(missed)), 3)})
    return found


def calibration(seed: int, trials: int) -> dict[str, list[dict[str, Any]]]:
    """False verdicts on gaps of either sign, half of the rows the canary's, and where a swing moves both."""
    found: dict[str, list[dict[str, Any]]] = {"mirrored": [], "common_swings": []}
    cases = [("mirrored", *pair, 0.0, 1) for pair in MIRRORED]
    cases += [
        ("common_swings", *pair, swing, period) for pair in SWINGS for swing, period in ((0.05, 250), (0.15, 1000))
    ]
    for name, stable, canary, swing, period in cases:
        rng, missed = np.random.default_rng(seed), 0
        for _ in range(trials):
            of_canary = rng.random(GAP_ROWS) < 0.5
            gap = np.where(of_canary, canary, stable) + swing * np.sin(2 * np.pi * np.arange(GAP_ROWS) / period)
            evidence = Distances(0.7 - (rng.random(GAP_ROWS) < 0.7 - gap), of_canary)
            missed += _left_out(evidence, abs(canary) - abs(stable), ALPHA)
        found[name].append({"stable": stable, "canary": canary, "swing": swing, "rows_of_it": period,
                            "false": round(missed / trials, 3)})  # fmt: skip
    return found


def requests(seed: int, trials: int) -> dict[str, float]:
    """False verdicts on minutes of 400 requests of each with 1% errors, for a day."""
    rng = np.random.default_rng(seed)
    minutes = np.full(1440, 400.0)
    wrong = [
        _left_out(
            TwoProportions(minutes, rng.binomial(400, 0.01, 1440), minutes, rng.binomial(400, 0.01, 1440)), 0.0, ALPHA
        )
        for _ in range(trials)
    ]
    return {"false": round(float(np.mean(wrong)), 3)}


def power(seed: int, trials: int) -> list[dict[str, Any]]:
    """Labels of the canary until it is found worse."""
    return [
        {"stable": stable, "canary": canary, "share": share, "alpha": alpha,
         **_taken(seed, trials, (n, share, stable, canary), alpha, proportions),
         "fixed_50": _fixed(stable, canary, share, alpha, 0.5), "fixed_80": _fixed(stable, canary, share, alpha, 0.8)}
        for stable, canary, share, n in CHANGES
        for alpha in (ALPHA, ALPHA / 4)
    ]  # fmt: skip


def power_of_calibration(seed: int, trials: int) -> list[dict[str, Any]]:
    """Labels of the canary, half of all, until its gap is found nearer to 0, or further from it."""
    return [
        {"stable": stable, "canary": canary, "alpha": alpha,
         **_taken(seed, trials, (GAP_ROWS, 0.5, CONFIDENCE - stable, CONFIDENCE - canary), alpha, sure_gaps)}
        for stable, canary in GAPS
        for alpha in (ALPHA, ALPHA / 4)
    ]  # fmt: skip


def _taken(
    seed: int, trials: int, drawn: tuple[int, float, float, float], alpha: float,
    evidence: Callable[[Bools, Bools], Evidence],
) -> dict[str, Any]:  # fmt: skip
    """`labels` and `expected_over_taken` of rows that are `drawn`."""
    rng, taken, ratios = np.random.default_rng(seed), [], []
    for _ in range(trials):
        labels, expected = _labels_taken(*rows(rng, *drawn), alpha, evidence)
        taken.append(labels)
        ratios.append(expected / max(1.0, labels - labels // 2))
    quartiles = np.quantile(taken, [0.25, 0.5, 0.75, 0.8], method="lower").tolist()
    known = [one for one in ratios if np.isfinite(one)]
    return {
        "labels": [None if np.isinf(one) else int(one) for one in quartiles[:3]],
        "labels_80": None if np.isinf(quartiles[3]) else int(quartiles[3]),
        "expected_over_taken": round(float(np.median(known)), 2) if known else None,
    }


def _labels_taken(
    of_canary: Bools, outcome: Bools, alpha: float, evidence: Callable[[Bools, Bools], Evidence]
) -> tuple[float, float]:
    """Canary's rows until it is found different, and those that were expected to be missing at half of them."""
    gathered = evidence(of_canary, outcome)
    at_most, at_least = gathered.against(np.array([0.0]))
    reached = np.flatnonzero(np.maximum(at_most, at_least)[:, 0] >= np.log(2 / alpha))
    if not reached.size:
        return np.inf, np.inf
    counts = np.cumsum(of_canary)
    labels = int(counts[gathered.ends[reached[0]]])
    half = max(int(np.searchsorted(counts, labels // 2)), int(gathered.ends[0]) + 1)
    early = compare(evidence(of_canary[:half], outcome[:half]), alpha=alpha, margin=0.02)
    return labels, float(early.more) if early.more is not None else np.inf


def _fixed(stable: float, canary: float, share: float, alpha: float, power_: float) -> int:
    """Canary's rows that a two-sided z-test of fixed size needs."""
    variance = canary * (1 - canary) + stable * (1 - stable) * share / (1 - share)
    deviates = ndtri(1 - alpha / 2) + ndtri(power_)
    return int(np.ceil(variance * (deviates / (canary - stable)) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few trials: a smoke test")
    options = parser.parse_args()
    trials = 10 if options.quick else options.trials
    report = {
        "false_verdicts": false_verdicts(options.seed, 2 * trials),
        "requests": requests(options.seed, trials),
        "calibration": calibration(options.seed, trials),
        "power": power(options.seed, max(10, trials // 4)),
        "power_of_calibration": power_of_calibration(options.seed, max(10, trials // 4)),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
