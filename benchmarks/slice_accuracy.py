"""Do the intervals of slice accuracy cover? Answers drawn by the shipped label sampler, weighed by what it says.

    python -m benchmarks.slice_accuracy [--quick] [--seed N] [--sizes 20 100] [--extreme] [--marks] [--tied]

A cell is a kind of model, an accuracy and a number of labels. In each, requests with ids of their own go through
`LabelPlan.draw`; those that it draws are graded and estimated by `share_of_sums`. Covered is the accuracy of the
process that made the answers. Judged is the average over accuracies from 0.5 to 0.98 per number of labels and kind:
single cells jump, because a count of mistakes is a whole number.

`--tied`: half of the traffic is drawn 1 to 333 times less often, and holds nearly all mistakes, its share of them, or
nearly none. Judged by how many labels of that half are to be expected.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.sampling import LabelPlan
from monitor.stats.proportions import Change
from monitor.stats.slice_review import SliceLabels, review
from monitor.stats.weighted import WeightedShare, WeightSums, share_of_sums, weight_sums

Floats = NDArray[np.float64]

PLAN = LabelPlan(0.05, boost=4.0, factors={("device", "rare"): 4.0, ("device", "some"): 2.0})
EXTREME = LabelPlan(0.005, boost=8.0, factors={("device", "rare"): 20.0, ("device", "some"): 5.0})
"""Weights up to 160 to 1."""
DEVICES = ("usual", "some", "rare")
SHARES = (0.75, 0.2, 0.05)
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
SIZES = {20: 600, 50: 500, 100: 400, 300: 200, 1000: 80, 5000: 60}
"""Labels, about -> samples per cell."""
KINDS = ("calibrated", "uninformative", "overconfident")
RATIOS = (1, 2, 4, 10, 20, 50, 160, 333)
TIES = {"seldom drawn": 1.9, "anywhere": 1.0, "often drawn": 0.1}
"""Where mistakes are -> how often the half that is seldom drawn is wrong, over the average."""
SELDOM = (3, 5, 10, 20, max(SIZES))
"""Between which expected numbers of its labels cells are judged together; with fewer, samples hold none of them."""


@dataclass(frozen=True)
class World:
    """A model: how sure it is of its answers, and how often they are right."""

    kind: str
    accuracy: float
    plan: LabelPlan = PLAN
    """By which its answers are drawn for labelling."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Confidences and chances to be right of n answers."""
        mean = self.accuracy
        if self.kind == "calibrated":
            confidence = rng.beta(4 * mean, 4 * (1 - mean), n)
            return confidence, confidence
        confidence = rng.beta(5, 1.5, n)
        if self.kind == "uninformative":
            return confidence, np.full(n, mean)
        # The surer, the more often wrong: mistakes have the largest weights.
        tilt = 0.8 * min(mean, 1 - mean)
        return confidence, np.clip(mean - 2 * tilt * (confidence - 5 / 6.5), 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the samples: a smoke test, no figures to quote"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--sizes", type=int, nargs="*", choices=SIZES, default=list(SIZES), help="numbers of labels to try"
    )
    parser.add_argument("--extreme", action="store_true", help="with weights up to 160 to 1")
    parser.add_argument("--marks", action="store_true", help="also how often unchanged slices are marked")
    parser.add_argument("--tied", action="store_true", help="also where mistakes are tied to weights")
    options = parser.parse_args()
    began, plan = time.perf_counter(), EXTREME if options.extreme else PLAN
    found = [cell for n in options.sizes for cell in cells(n, options.seed, plan, quick=options.quick)]
    marks = false_marks(options.seed, 20 if options.quick else 250) if options.marks else None
    bound = tied(options.seed, 200 if options.quick else 4000) if options.tied else None
    result = {
        "seed": options.seed, "seconds": round(time.perf_counter() - began, 1), "summary": summary(found),
        "false_marks": marks, "tied": bound, "cells": found,
    }  # fmt: skip
    print(json.dumps(result, indent=2))


def cells(n: int, seed: int, plan: LabelPlan, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Coverage of one number of labels, per kind of model and accuracy."""
    repeats = max(SIZES[n] // (10 if quick else 1), 2)
    for kind in KINDS:
        for accuracy in ACCURACIES:
            rng = np.random.default_rng([seed, n, KINDS.index(kind), round(1000 * accuracy)])
            world = World(kind, accuracy, plan)
            truth = float(np.mean(world.draw(400_000, rng)[1]))
            rows = requests_for(n, world, rng)
            names = (f"{seed}-{n}-{kind}-{accuracy}-{index}" for index in range(repeats))
            shares = [sample(world, rows, name, rng) for name in names]
            changes = [Change(now, before) for now, before in zip(shares[::2], shares[1::2], strict=False)]
            yield {
                "labels": n, "kind": kind, "accuracy": accuracy, "samples": repeats,
                "labels_drawn": round(float(np.mean([one.n for one in shares])), 1),
                "effective": round(float(np.mean([one.effective_n for one in shares])), 1),
                "covered": float(np.mean([truth in one.interval for one in shares])),
                "width": round(float(np.mean([one.interval.upper - one.interval.lower for one in shares])), 4),
                "changes_covered": float(np.mean([one.interval is None or 0.0 in one.interval for one in changes])),
            }  # fmt: skip


def requests_for(n: int, world: World, rng: np.random.Generator) -> int:
    """How many requests give about n labels."""
    confidence, _ = world.draw(4000, rng)
    devices = rng.choice(DEVICES, 4000, p=SHARES)
    pi = [world.plan.probability({"device": d}, c) for d, c in zip(devices, confidence.tolist(), strict=True)]
    return round(n / float(np.mean(pi)))


def sample(world: World, requests: int, name: str, rng: np.random.Generator) -> WeightedShare:
    """The estimate from what the sampler draws of so many requests."""
    return share_of_sums(drawn(world, requests, name, rng))


def drawn(world: World, requests: int, name: str, rng: np.random.Generator) -> WeightSums:
    """What the sampler draws of so many requests."""
    confidence, chance = world.draw(requests, rng)
    devices = rng.choice(DEVICES, requests, p=SHARES).tolist()
    draws = [
        world.plan.draw(f"{name}-{index}", {"device": device}, sure)
        for index, (device, sure) in enumerate(zip(devices, confidence.tolist(), strict=True))
    ]
    taken = np.array([one.drawn for one in draws])
    right = rng.random(requests) < chance
    return weight_sums(right[taken], np.array([one.probability for one in draws])[taken])


def false_marks(seed: int, tables: int) -> dict[str, Any]:
    """Tables of 20 slices of about 60 labels, all alike and unchanged: how many have any mark."""
    rng, changed, standing = np.random.default_rng([seed, 7]), 0, 0
    world = World("calibrated", 0.85)
    rows = requests_for(60, world, rng)
    for table in range(tables):
        slices = [
            SliceLabels(one, *(drawn(world, rows, f"{seed}-m-{table}-{one}-{week}", rng) for week in range(2)))
            for one in range(20)
        ]
        found = review(slices, sum((one.now for one in slices), WeightSums()))
        changed += any(one.changed for one in found)
        standing += any(one.stands_out for one in found)
    return {"tables": tables, "with_a_change": changed / tables, "with_one_that_stands_out": standing / tables}


def tied(seed: int, samples: int) -> list[dict[str, Any]]:
    """Coverage per place of the mistakes and expected number of labels of the half that is seldom drawn."""
    result = []
    for place, least, most in ((place, *pair) for place in TIES for pair in pairwise(SELDOM)):
        covered = [
            tied_cell(place, ratio, n, accuracy, seed, samples)
            for n in SIZES for ratio in RATIOS for accuracy in ACCURACIES if least <= n / (1 + ratio) < most
        ]  # fmt: skip
        result.append({
            "mistakes": place, "labels_seldom_drawn": [least, most], "cells": len(covered),
            "covered": round(float(np.mean(covered)), 4), "worst_cell": min(covered),
        })  # fmt: skip
    return result


def tied_cell(place: str, ratio: int, n: int, accuracy: float, seed: int, samples: int) -> float:
    """Share of samples of about n labels whose interval covers."""
    rng = np.random.default_rng([seed, list(TIES).index(place), ratio, n, round(1000 * accuracy)])
    chances = 1.0 - (1.0 - accuracy) * np.array([TIES[place], 2.0 - TIES[place]])
    drawn = rng.poisson(n / (1 + ratio) * np.array([1, ratio]), (samples, 2))
    right, heavy = rng.binomial(drawn, chances), float(ratio)
    hits = 0
    for (rows, others), (good, also) in zip(drawn.tolist(), right.tolist(), strict=True):
        hits += accuracy in share_of_sums(WeightSums(
            rows + others, good + also, heavy * rows + others, heavy**2 * rows + others, heavy * good + also,
            heavy**2 * good + also, heavy**3 * rows + others,
        )).interval  # fmt: skip
    return hits / samples


def summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per number of labels: the average over kinds and accuracies, the worst kind, and the worst cell."""
    result = []
    for n in dict.fromkeys(one["labels"] for one in found):
        mine = [one for one in found if one["labels"] == n]
        by_kind = {kind: np.mean([one["covered"] for one in mine if one["kind"] == kind]) for kind in KINDS}
        samples = sum(one["samples"] for one in mine)
        covered = float(np.mean([one["covered"] for one in mine]))
        result.append({
            "labels": n, "samples": samples, "covered": round(covered, 4),
            "standard_error": round(float(np.sqrt(covered * (1 - covered) / samples)), 4),
            "by_kind": {kind: round(float(value), 4) for kind, value in by_kind.items()},
            "worst_cell": min(one["covered"] for one in mine),
            "changes_covered": round(float(np.mean([one["changes_covered"] for one in mine])), 4),
        })  # fmt: skip
    return result


if __name__ == "__main__":
    main()
