"""Do the intervals of agreement coefficients cover, also where nearly all judgements are of one category?

    python -m benchmarks.agreement [--seed 1] [--trials 200] [--units 10 30 100 300]

Annotators see the truth of a unit with the same chance, and guess with the shares of the categories where they do not.
So two judgements are tied only where both saw, and kappa and alpha, of any level, are the square of that chance. Of
samples in which every judgement is the same there is no coefficient, and they are left out. Weights of kappa need more
than two categories. `covered` is the share of
intervals of 95% that hold the truth, by coefficient and number of units; `worst` the lowest cell.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.stats.agreement import Agreement, Weights, cohen_kappa, fleiss_kappa, krippendorff_alpha

Ratings = NDArray[np.float64]

SHARES: dict[str, tuple[float, ...]] = {
    "two, even": (0.5, 0.5), "two, 80%": (0.8, 0.2), "two, 90%": (0.9, 0.1), "two, 95%": (0.95, 0.05),
    "two, 98%": (0.98, 0.02), "five, even": (0.2,) * 5, "five, falling": (0.6, 0.2, 0.1, 0.06, 0.04),
    "five, 80%": (0.8, 0.1, 0.05, 0.03, 0.02),
}  # fmt: skip
TRUTHS = (0.0, 0.3, 0.6, 0.8, 0.95)
UNITS = (10, 30, 100, 300)
REPLICATES = 1000


def judged(rng: np.random.Generator, units: int, annotators: int, shares: tuple[float, ...], truth: float) -> Ratings:
    kinds = len(shares)
    right = rng.choice(kinds, size=(units, 1), p=shares)
    guessed = rng.choice(kinds, size=(units, annotators), p=shares)
    return np.where(rng.random((units, annotators)) < np.sqrt(truth), right, guessed).astype(np.float64)


def cohen(ratings: Ratings, weights: Weights | None = None) -> Agreement:
    return cohen_kappa(ratings[:, 0], ratings[:, 1], weights=weights, replicates=REPLICATES)


def fleiss(ratings: Ratings) -> Agreement:
    counts = np.stack([(ratings == kind).sum(axis=1) for kind in np.unique(ratings)], axis=1)
    return fleiss_kappa(counts, replicates=REPLICATES)


def with_gaps(ratings: Ratings) -> Agreement:
    """Of four annotators each unit lacks one or two."""
    missing = np.arange(ratings.size).reshape(ratings.shape) * 7 % 11 < 4
    return krippendorff_alpha(np.where(missing, np.nan, ratings), replicates=REPLICATES)


COEFFICIENTS: dict[str, tuple[int, Callable[[Ratings], Agreement]]] = {
    "Cohen's kappa": (2, cohen),
    "Cohen's kappa, linear weights": (2, partial(cohen, weights="linear")),
    "Cohen's kappa, quadratic weights": (2, partial(cohen, weights="quadratic")),
    "Fleiss' kappa, three annotators": (3, fleiss),
    "Fleiss' kappa, five annotators": (5, fleiss),
    "alpha, nominal, with gaps": (4, with_gaps),
    "alpha, interval": (2, partial(krippendorff_alpha, level="interval", replicates=REPLICATES)),
}


def cell(
    of: Callable[[Ratings], Agreement], draw: Callable[[], Ratings], truth: float, trials: int
) -> tuple[float, float] | None:
    """Share of intervals that hold the truth, and their mean width; None where most samples have no coefficient."""
    found = []
    for _ in range(trials):
        try:
            found.append(of(draw()).interval)
        except NotEnoughData:
            continue
    if len(found) < trials / 2:
        return None
    return float(np.mean([truth in one for one in found])), float(np.mean([one.upper - one.lower for one in found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--units", type=int, nargs="*", default=list(UNITS))
    options = parser.parse_args()
    cells: list[dict[str, Any]] = []
    for units in options.units:
        rng = np.random.default_rng([options.seed, units])
        for name, (annotators, of) in COEFFICIENTS.items():
            for kind, shares in SHARES.items():
                if "weights" in name and len(shares) == 2:
                    continue
                for truth in TRUTHS:
                    draw = partial(judged, rng, units, annotators, shares, truth)
                    if (measured := cell(of, draw, truth, options.trials)) is not None:
                        cells.append({
                            "coefficient": name, "units": units, "categories": kind, "truth": truth,
                            "covered": round(measured[0], 3), "width": round(measured[1], 3),
                        })  # fmt: skip
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    skewed: dict[int, list[float]] = defaultdict(list)
    for one in cells:
        groups[one["coefficient"], one["units"]].append(one["covered"])
        if one["categories"] in ("two, 90%", "two, 95%", "two, 98%"):
            skewed[one["units"]].append(one["covered"])
    summary = [
        {"coefficient": name, "units": units, "covered": round(float(np.mean(all_)), 3), "worst": min(all_)}
        for (name, units), all_ in groups.items()
    ]
    rare = [
        {"units": units, "covered": round(float(np.mean(all_)), 3), "worst": min(all_)}
        for units, all_ in skewed.items()
    ]
    result = {
        "seed": options.seed,
        "trials": options.trials,
        "summary": summary,
        "one_category_90%": rare,
        "cells": cells,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
