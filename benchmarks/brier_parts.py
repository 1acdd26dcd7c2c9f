"""What the intervals of the Brier score's parts cover that need no bins.

    python -m benchmarks.brier_parts [--seed 1] [--trials 25] [--sizes 300]

Traffic as in `benchmarks.calibration`, drawn with equal probabilities and with some that favour unsure answers. Truth
is that of 200,000 answers whose chances are known: scipy's isotonic fit of these takes the place of one of outcomes.
`covers` is in how many trials the 95% interval of each part holds it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from benchmarks.calibration import TRAFFIC, Traffic, sampled
from monitor.stats.calibration import corp_decomposition

POPULATION = 200_000
PARTS = ("miscalibration", "discrimination", "uncertainty")
ROUNDING = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=25, help="of each traffic, design and size")
    parser.add_argument("--sizes", type=int, nargs="*", default=(300,), help="numbers of answers to try")
    options = parser.parse_args()
    cells = coverage(options.seed, options.trials, options.sizes)
    together = {part: sum(one["covers"][part] for one in cells) for part in PARTS}
    print(
        json.dumps({"seed": options.seed, "samples": options.trials * len(cells), **together, "cells": cells}, indent=1)
    )


def coverage(seed: int, trials: int, sizes: Sequence[int]) -> list[dict[str, Any]]:
    found = []
    for place, (name, traffic) in enumerate(TRAFFIC.items()):
        rng = np.random.default_rng([seed, place])
        true = truth(traffic, rng)
        for weighted in (False, True):
            for n in sizes:
                held: Counter[str] = Counter()
                for _ in range(trials):
                    confidence, correct, probability = sampled(traffic, rng, n) if weighted else traffic.draw(rng, n)
                    parts = corp_decomposition(confidence, correct, probability=probability)
                    for part in PARTS:
                        interval = getattr(parts, f"{part}_interval")
                        held[part] += interval.lower - ROUNDING <= true[part] <= interval.upper + ROUNDING
                found.append(
                    {"traffic": name, "weighted": weighted, "n": n, "covers": {one: held[one] for one in PARTS}}
                )
    return found


def truth(traffic: Traffic, rng: np.random.Generator) -> dict[str, float]:
    """The parts with endless data, of chances that need not rise with confidence."""
    confidence = np.sort(traffic.confidences(rng, POPULATION))
    right = traffic.right(confidence)
    fit, accuracy = isotonic_regression(right).x, float(right.mean())
    of_fit = float(np.mean((fit - right) ** 2))
    return {
        "miscalibration": float(np.mean((confidence - right) ** 2)) - of_fit,
        "discrimination": float(right.var()) - of_fit,
        "uncertainty": accuracy * (1.0 - accuracy),
    }


if __name__ == "__main__":
    main()
