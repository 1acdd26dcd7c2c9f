"""Do the intervals of task metrics cover? Answers drawn with the shipped label sampler's probabilities.

    python -m benchmarks.task_metrics [--quick] [--seed N] [--sizes 20 100]

In each cell, requests get a confidence and a score that depends on it, are drawn as `LabelPlan.probability` says, and
are estimated by the functions that `snellen metrics` uses. Covered is the mean of the process that made the scores; for
captions, the value of the whole pool of captions that the draws are from, under its document frequencies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.sampling import LabelPlan
from monitor.tasks.captions import Caption, DocumentFrequencies, bleu, captions, cider_d, rouge_l
from monitor.tasks.estimates import Estimate, mean_share, mean_sign
from monitor.tasks.metric import Metric
from monitor.tasks.yes_no import Polar, f1

Floats = NDArray[np.float64]
Scores = Callable[[Floats, np.random.Generator], Floats]

PLAN = LabelPlan(0.05, boost=4.0, factors={("device", "rare"): 4.0, ("device", "some"): 2.0})
DEVICES, SHARES = ("usual", "some", "rare"), (0.75, 0.2, 0.05)
SIZES = {20: 2000, 50: 1600, 100: 1200, 300: 400, 1000: 200}
"""Labels, about -> samples per cell."""
POOL = 20_000
"""Captions in the pool."""
VOCABULARY = """
    a the man woman dog cat bus train street table plate child two three red blue small large sits stands rides holds
    near on with in park kitchen field beach ball umbrella horse bike food snow
"""
WORDS = VOCABULARY.split()


def recall(chance: Floats, rng: np.random.Generator) -> Floats:
    """Of three relevant items."""
    return rng.binomial(3, chance) / 3.0


def reciprocal_rank(chance: Floats, rng: np.random.Generator) -> Floats:
    """0 beyond the tenth place."""
    ranks = rng.geometric(np.clip(chance, 0.05, 1.0))
    return np.where(ranks <= 10, 1.0 / ranks, 0.0)


def soft_accuracy(chance: Floats, rng: np.random.Generator) -> Floats:
    """Of ten annotators."""
    return np.array([0.0, 0.3, 0.6, 0.9, 1.0])[np.minimum(rng.binomial(10, chance), 4)]


def coarse_accuracy(chance: Floats, rng: np.random.Generator) -> Floats:
    """Of ten annotators who agree less."""
    return soft_accuracy(0.45 * chance**2, rng)


def rating(chance: Floats, rng: np.random.Generator) -> Floats:
    """From 0 to 100, as a share."""
    return rng.beta(1 + 8 * chance, 1 + 8 * (1 - chance))


SCORES: dict[str, Scores] = {
    "recall": recall, "reciprocal_rank": reciprocal_rank, "soft_accuracy": soft_accuracy,
    "coarse_accuracy": coarse_accuracy, "rating": rating,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples: no figures to quote")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--sizes", type=int, nargs="*", choices=SIZES, default=list(SIZES), help="numbers of labels to try"
    )
    options = parser.parse_args()
    began = time.perf_counter()
    found = [cell for n in options.sizes for cell in cells(n, options.seed, quick=options.quick)]
    print(
        json.dumps({"seed": options.seed, "seconds": round(time.perf_counter() - began, 1), "cells": found}, indent=2)
    )


def cells(n: int, seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    repeats = max(SIZES[n] // (10 if quick else 1), 10)
    for place, (name, scores) in enumerate(SCORES.items()):
        rng = np.random.default_rng([seed, n, place])
        truth = float(scores(_requests(400_000, rng)[0], rng).mean())
        yield cell(name, n, [truth in _scored(scores, n, rng).interval for _ in range(repeats)])
    yield cell("yes_bias", n, _biases(n, repeats, np.random.default_rng([seed, n, 10])))
    yield cell("f1", n, _f1s(n, repeats, np.random.default_rng([seed, n, 11])))
    yield from _captions(n, repeats, np.random.default_rng([seed, n, 12]))


def cell(name: str, n: int, covered: list[bool]) -> dict[str, Any]:
    share = float(np.mean(covered))
    error = float(np.sqrt(share * (1 - share) / len(covered)))
    return {"metric": name, "labels": n, "samples": len(covered), "covered": round(share, 4), "error": round(error, 4)}


def _requests(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Chances to be right, which the confidence tells, and probabilities of being drawn."""
    confidence = rng.beta(3.0, 1.2, n)
    table = {
        device: np.array([PLAN.probability({"device": device}, c / 200) for c in range(201)]) for device in DEVICES
    }
    device = rng.choice(len(DEVICES), n, p=SHARES)
    bins = np.round(200 * confidence).astype(int)
    return confidence, np.stack([table[one] for one in DEVICES])[device, bins]


def _drawn(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The same of about n requests that were drawn."""
    chance, probability = _requests(round(n / _mean_probability()), rng)
    kept = rng.random(chance.size) < probability
    return chance[kept], probability[kept]


@cache
def _mean_probability() -> float:
    return float(_requests(4000, np.random.default_rng(0))[1].mean())


def _scored(scores: Scores, n: int, rng: np.random.Generator) -> Estimate:
    chance, probability = _drawn(n, rng)
    return mean_share(scores(chance, rng), probability)


def _answers(chance: Floats, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Truths, four in ten of them yes, and answers that say yes more often the less they know."""
    truth = rng.random(chance.size) < 0.4
    return truth, np.where(rng.random(chance.size) < chance, truth, rng.random(chance.size) < 0.8)


def _biases(n: int, repeats: int, rng: np.random.Generator) -> list[bool]:
    truth, said = _answers(_requests(400_000, rng)[0], rng)
    bias = float(said.mean() - truth.mean())
    covered = []
    for _ in range(repeats):
        chance, probability = _drawn(n, rng)
        truth, said = _answers(chance, rng)
        covered.append(bias in mean_sign(said.astype(float) - truth, probability).interval)
    return covered


def _f1s(n: int, repeats: int, rng: np.random.Generator) -> list[bool]:
    truth, said = _answers(_requests(400_000, rng)[0], rng)
    expected = 2.0 * float((truth & said).sum()) / float(truth.sum() + said.sum())
    covered = []
    for _ in range(repeats):
        chance, probability = _drawn(n, rng)
        sides = (one.tolist() for one in (*_answers(chance, rng), probability))
        found: Metric = f1([Polar(*one) for one in zip(*sides, strict=True)])
        covered.append(found.interval is not None and expected in found.interval)
    return covered


def _captions(n: int, repeats: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    chance, probability = _requests(POOL, rng)
    pool = captions(_pair(one, rng) for one in chance)
    frequencies = DocumentFrequencies.of(pool)
    truth = _caption_metrics(pool, frequencies, None)
    share = n / (POOL * float(probability.mean()))
    covered: dict[str, list[bool]] = {name: [] for name in truth}
    for _ in range(repeats):
        kept = np.flatnonzero(rng.random(POOL) < share * probability)
        found = _caption_metrics([pool[i] for i in kept], frequencies, probability[kept])
        for name, one in found.items():
            covered[name].append(truth[name].value in one.interval)
    yield from (cell(name, n, all_) for name, all_ in covered.items())


def _caption_metrics(
    some: list[Caption], frequencies: DocumentFrequencies, drawn: Floats | None
) -> dict[str, Estimate]:
    scores = {"cider_d": cider_d(some, frequencies, drawn), "rouge_l": rouge_l(some, drawn)}
    scores |= {f"bleu_{place}": one for place, one in enumerate(bleu(some, drawn), start=1)}
    return {name: one.corpus for name, one in scores.items()}


def _pair(chance: float, rng: np.random.Generator) -> tuple[str, list[str]]:
    """A caption, and references that share as many of its words as it is good."""
    said = rng.choice(WORDS, rng.integers(5, 13)).tolist()
    return " ".join(said), [_altered(said, chance, rng) for _ in range(int(rng.integers(2, 6)))]


def _altered(said: list[str], chance: float, rng: np.random.Generator) -> str:
    return " ".join(word if rng.random() < chance else str(rng.choice(WORDS)) for word in said)


if __name__ == "__main__":
    main()
