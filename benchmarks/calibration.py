"""What the intervals of the calibration measures cover, and whether a recommended repair holds up.

    python -m benchmarks.calibration [--seed 1] [--trials 200] [--quick]

Truth is the same measure of two million answers of the same traffic. `covers` is the share of trials whose 95% interval
holds it. Kinds of traffic: calibrated, over-confident by 10 points everywhere, over-confident where confidence is high
and not elsewhere, and nearly always right; each drawn with equal probabilities, and with probabilities that favour
unsure answers.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, logit

from monitor.stats.calibration import MEASURES, calibration
from monitor.stats.calibration.measured import difference
from monitor.stats.inputs import Floats
from monitor.stats.scaling import repairs

POPULATION = 2_000_000
Answers = tuple[Floats, Floats, Floats]


def _beta(a: float, b: float, accuracy: Callable[[Floats], Floats]) -> Callable[[np.random.Generator, int], Answers]:
    def draw(rng: np.random.Generator, n: int) -> Answers:
        confidence = rng.beta(a, b, n).round(6)
        correct = rng.random(n) < np.clip(accuracy(confidence), 0.0, 1.0)
        return confidence, correct.astype(np.float64), np.ones(n)

    return draw


TRAFFIC: dict[str, Callable[[np.random.Generator, int], Answers]] = {
    "calibrated": _beta(5, 2, lambda c: c),
    "10 points over-confident": _beta(5, 2, lambda c: c - 0.1),
    "over-confident where sure": _beta(4, 1.5, lambda c: c - 0.3 * c**4),
    "nearly always right": _beta(40, 1.5, lambda c: c),
}
SIZES = (30, 100, 500, 3000)


def sampled(draw: Callable[[np.random.Generator, int], Answers], rng: np.random.Generator, n: int) -> Answers:
    """`n` answers of which unsure ones are drawn up to four times as often."""
    confidence, correct, _ = draw(rng, 8 * n + 100)
    probability = np.clip(0.25 * (1.0 + 3.0 * (confidence < 0.6)) * (1.0 + 0.5 * (confidence > 0.9)), 0.0, 1.0)
    kept = np.flatnonzero(rng.random(confidence.size) < probability)[:n]
    return confidence[kept], correct[kept], probability[kept]


def coverage(seed: int, trials: int, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row per kind of traffic, design and size."""
    found = []
    for name, draw in TRAFFIC.items():
        rng = np.random.default_rng(seed)
        confidence, correct, _ = draw(rng, POPULATION)
        truth = {key: one.value for key, one in calibration(confidence, correct).measures().items()}
        truth["ece_debiased"] = truth["ece"]
        for weighted in (False, True):
            for n in sizes:
                held: dict[str, int] = defaultdict(int)
                for _ in range(trials):
                    answers = sampled(draw, rng, n) if weighted else draw(rng, n)
                    measured = calibration(answers[0], answers[1], probability=answers[2]).measures()
                    for key, one in measured.items():
                        held[key] += one.interval.lower - 1e-4 <= truth[key] <= one.interval.upper + 1e-4
                covers = {key: round(held[key] / trials, 3) for key in MEASURES}
                found.append({"traffic": name, "weighted": weighted, "n": n, "covers": covers})
    return found


def differences(seed: int, trials: int, n: int) -> dict[str, float]:
    """Coverage of the difference of an over-confident window and a calibrated one, by measure."""
    rng = np.random.default_rng(seed)
    one, two = TRAFFIC["10 points over-confident"], TRAFFIC["calibrated"]
    truth = {}
    for draw in (one, two):
        confidence, correct, _ = draw(rng, POPULATION)
        truth[draw] = calibration(confidence, correct).measures()
    held: dict[str, int] = defaultdict(int)
    for _ in range(trials):
        first, second = one(rng, n), two(rng, n)
        ours, theirs = calibration(*first[:2]).measures(), calibration(*second[:2]).measures()
        for key in MEASURES:
            true = truth[one][key].value - truth[two][key].value
            interval = difference(ours[key], theirs[key]).interval
            held[key] += interval.lower <= true <= interval.upper
    return {key: round(held[key] / trials, 3) for key in MEASURES}


def repaired(seed: int, trials: int) -> list[dict[str, Any]]:
    """How often a repair is recommended, by the temperature that is needed, and whether it keeps what it promises.

    `promised` and `kept` are the corrected ECE after the repair: as the answers at hand say, and as a hundred thousand
    further answers say that are scaled by the temperature found (medians over trials).
    """
    found = []
    for temperature in (1.0, 1.3, 1.8):
        for n in (200, 1000, 4000):
            rng = np.random.default_rng(seed)
            advised, promised, kept, before = 0, [], [], []
            for _ in range(trials):
                repair = repairs(*_heated(rng, n, temperature))[0]
                advised += repair.holds
                confidence, correct = _heated(rng, POPULATION // 20, temperature)
                scaled = expit(logit(confidence) / (repair.temperature or 1.0))
                before.append(calibration(confidence, correct).ece.corrected)
                kept.append(calibration(scaled, correct).ece.corrected)
                promised.append(repair.after.ece.corrected)
            found.append({
                "temperature": temperature, "n": n, "recommended": round(advised / trials, 2),
                "before": round(float(np.median(before)), 4), "promised": round(float(np.median(promised)), 4),
                "kept": round(float(np.median(kept)), 4),
            })  # fmt: skip
    return found


def _heated(rng: np.random.Generator, n: int, temperature: float) -> tuple[Floats, Floats]:
    """Confidences that scaling by `temperature` would make right."""
    true = rng.beta(5, 2, n).clip(1e-6, 1 - 1e-6)
    return np.asarray(expit(logit(true) * temperature)), (rng.random(n) < true).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="small sizes and few trials: a smoke test")
    options = parser.parse_args()
    trials, sizes = (20, SIZES[:2]) if options.quick else (options.trials, SIZES)
    rows = coverage(options.seed, trials, sizes)
    means = {key: round(float(np.mean([row["covers"][key] for row in rows])), 3) for key in MEASURES}
    worst = {key: min(row["covers"][key] for row in rows) for key in MEASURES}
    changes = {str(n): differences(options.seed, trials, n) for n in sizes[1:3]}
    print(
        json.dumps(
            {
                "mean": means,
                "worst": worst,
                "differences": changes,
                "repairs": repaired(options.seed, max(5, trials // 3)),
                "cells": rows,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
