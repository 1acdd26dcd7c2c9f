"""What confidences of unlabelled answers are worth, and whether their intervals cover.

    python -m benchmarks.prediction_powered [--quick] [--seed N]

Answers are drawn by the shipped label sampler as in `benchmarks.slice_accuracy`, with its kinds of models.
`powered`: prediction-powered accuracy beside the classical one, its coverage and what it saves. `estimated`: accuracy
without labels by what confidences meant in the past, where confidences stay as they were (shift 0), and where the
service became harder (shift below 0: answers are unsure more often); `broken` is where a confidence comes to mean
something else, which no such estimate can see. `few`: the same where few answers are unlabelled, or few mistakes are to
be expected, after 2,000 labels of a calibrated model.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.slice_accuracy import KINDS, PLAN, Floats, World
from monitor.sampling import LabelPlan
from monitor.stats.estimated_accuracy import MIN_PAST, estimate_accuracy, meaning
from monitor.stats.ppi import MIN_LABELS, Guesses, prediction_powered_among

ACCURACIES = (0.6, 0.8, 0.9, 0.95)
SIZES = {60: 300, 100: 300, 200: 200, 500: 200, 2000: 100}
"""Labels, about -> samples per cell."""
PAST = {150: 200, 500: 100, 2000: 60}
FEW_ACCURACIES = (0.5, 0.8, 0.95, 0.99, 0.999)
FEW = {1: 1000, 20: 1000, 50: 1000, 100: 1000, 1000: 1000, 10_000: 500}
"""Unlabelled answers -> samples per cell."""
DEVICE = {"device": "usual"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the samples: a smoke test, no figures to quote"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, share = time.perf_counter(), 0.1 if options.quick else 1.0
    result = {
        "seed": options.seed,
        "powered": [powered(n, kind, max(round(share * times), 3), options.seed)
                    for n, times in SIZES.items() for kind in KINDS],
        "estimated": [estimated(n, shift, max(round(share * times), 3), options.seed)
                      for n, times in PAST.items() for shift in (0.0, -0.1, -0.2)],
        "broken": broken(max(round(share * 100), 3), options.seed),
        "few": [few(answers, accuracy, max(round(share * times), 3), options.seed)
                for accuracy in FEW_ACCURACIES for answers, times in FEW.items()],
    }  # fmt: skip
    print(json.dumps({"seconds": round(time.perf_counter() - began, 1), **result}, indent=2))


def powered(n: int, kind: str, samples: int, seed: int) -> dict[str, Any]:
    """Coverage of both intervals over accuracies, and how many more labels the confidences are worth."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    classical, helped, saved = [], [], []
    for accuracy in ACCURACIES:
        world = World(kind, accuracy)
        truth = float(np.mean(world.draw(400_000, rng)[1]))
        for index in range(samples):
            confidence, right, drawn, pi = labelled(world, n, f"{seed}-{n}-{kind}-{accuracy}-{index}", rng)
            if drawn.sum() < MIN_LABELS:
                continue
            found = prediction_powered_among(right[drawn], confidence[drawn], Guesses.of(confidence), pi[drawn])
            classical.append(truth in found.classical.interval)
            helped.append(truth in found.interval)
            saved.append(found.saving)
    return {
        "labels": n, "kind": kind, "samples": len(helped), "classical_covered": round(float(np.mean(classical)), 4),
        "powered_covered": round(float(np.mean(helped)), 4), "saving_median": round(float(np.median(saved)), 3),
    }  # fmt: skip


def estimated(n: int, shift: float, samples: int, seed: int) -> dict[str, Any]:
    """Whether labels of all answers of a later window would fall into the interval."""
    rng = np.random.default_rng([seed, n, round(-100 * shift)])
    covered, errors = [], []
    for kind in KINDS:
        for accuracy in (0.8, 0.9, 0.98):
            for index in range(samples):
                name = f"{seed}-e-{n}-{kind}-{accuracy}-{shift}-{index}"
                confidence, right, drawn, pi = labelled(World(kind, accuracy), n, name, rng)
                if drawn.sum() < MIN_PAST:
                    continue
                known = meaning(confidence[drawn], right[drawn], pi[drawn])
                later, chance = World(kind, accuracy).draw(4000, rng)
                kept = rng.random(4000) < np.exp(8 * shift * later)  # harder: sure answers become fewer
                labels = rng.random(int(kept.sum())) < chance[kept]
                found = estimate_accuracy(later[kept], known)
                covered.append(labels.mean() in found.interval)
                errors.append(found.share - labels.mean())
    return {
        "past_labels": n, "shift": shift, "samples": len(covered), "covered": round(float(np.mean(covered)), 4),
        "mean_error": round(float(np.mean(errors)), 4),
    }  # fmt: skip


def broken(samples: int, seed: int) -> dict[str, Any]:
    """The model loses ten points at every confidence: how often the estimate without labels still claims to cover."""
    rng, covered = np.random.default_rng([seed, 9]), []
    for index in range(samples):
        confidence, right, drawn, pi = labelled(World("calibrated", 0.85), 1000, f"{seed}-b-{index}", rng)
        known = meaning(confidence[drawn], right[drawn], pi[drawn])
        later, chance = World("calibrated", 0.85).draw(4000, rng)
        labels = rng.random(4000) < np.clip(chance - 0.1, 0, 1)
        covered.append(labels.mean() in estimate_accuracy(later, known).interval)
    return {"past_labels": 1000, "samples": samples, "covered": round(float(np.mean(covered)), 4)}


def few(answers: int, accuracy: float, samples: int, seed: int) -> dict[str, Any]:
    """Whether the share of so many answers that are right falls into the interval; logits of confidences are normal."""
    normal = np.random.default_rng(0).standard_normal(20_000)
    centre = brentq(lambda at: float(expit(at + normal).mean()) - accuracy, -3, 12)
    rng, covered = np.random.default_rng([seed, answers, round(1000 * accuracy)]), 0
    for _ in range(samples):
        past, later = (expit(centre + rng.standard_normal(n)) for n in (2000, answers))
        known = meaning(past, rng.random(2000) < past)
        covered += float((rng.random(answers) < later).mean()) in estimate_accuracy(later, known).interval
    return {"answers": answers, "accuracy": accuracy, "samples": samples, "covered": round(covered / samples, 4)}


def labelled(world: World, n: int, name: str, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Confidences, outcomes, whether drawn, and with which probability, of so many requests that about n are drawn."""
    requests = 8 * n
    confidence, chance = world.draw(requests, rng)
    plan = LabelPlan(PLAN.base_rate / 2, boost=PLAN.boost)
    expected = np.mean([plan.probability(DEVICE, sure) for sure in confidence[:500].tolist()])
    plan = LabelPlan(min(plan.base_rate * n / (expected * requests), 1.0), boost=PLAN.boost)
    draws = [plan.draw(f"{name}-{index}", DEVICE, sure) for index, sure in enumerate(confidence.tolist())]
    right = rng.random(requests) < chance
    drawn, pi = np.array([one.drawn for one in draws]), np.array([one.probability for one in draws])
    return confidence, right, drawn, pi


if __name__ == "__main__":
    main()
