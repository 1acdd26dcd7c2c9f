"""Are slices found that nobody had named, and is what is found really worse?

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.discovery [--seed N] [--simulations N] [--labels N]

A slice of 5% of the traffic has an accuracy of 60%, the rest of 90%; labels are drawn with equal chances, or wrong
answers three times as often. `found`: a confirmed slice holds half of the planted one and half of it is planted.
`false_findings`: confirmed slices whose true accuracy is not even a point below that of the rest. Slices are planted in
metadata (a pair of values), in what drawn scenes show (one value or two, seen by the demo's small CLIP and named by its
text bank), the same without any text bank, and in a cluster of made-up vectors; `nothing` plants none, also where every
answer comes five times in its minute. `again` searches the metadata of 28 days' labels, nothing planted, in four weeks.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.explanation import bank, rate
from benchmarks.planted_scenes import Requests, World, request
from demo.clip.encoder import Encoder
from demo.scenes import ATTRIBUTES
from monitor.discovery import discover, labelled
from monitor.discovery.discover import FoundSlice
from monitor.explain import Family

POOL: Final = 8_000
SHARE, GOOD, BAD = 0.05, 0.9, 0.6
BURST: Final = 5
WEEKS: Final = 4
HARMLESS: Final = 0.01
"""A true gap that is smaller makes a finding false."""
Members = NDArray[np.bool_]


@dataclass(frozen=True)
class Pool:
    """Traffic to draw labels from."""

    vectors: NDArray[np.float64]
    slices: list[dict[str, str]]
    planted: Members
    families: list[Family]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--simulations", type=int, default=40, help="of each kind")
    parser.add_argument("--labels", type=int, default=2000)
    options = parser.parse_args()
    print(json.dumps(measure(options.seed, options.simulations, options.labels), indent=2))


def measure(seed: int, simulations: int, labels: int) -> dict[str, Any]:
    encoder = Encoder()
    requests = request(World(), POOL, encoder, np.random.default_rng([seed, 0]))
    families = bank(encoder)
    hits: dict[str, list[bool]] = defaultdict(list)
    false, confirmed, seconds = 0, 0, []
    for kind, (plant, named, burst) in KINDS.items():
        for number in range(simulations):
            rng = np.random.default_rng([seed, 1, number])
            pool = plant(requests, families if named else [], rng)
            rows, accuracy, probabilities, correct = draw(pool, labels, burst, rng)
            given = labelled(
                correct, [pool.slices[row] for row in rows], {"image": pool.vectors[rows]}, probabilities,
                pool.families, (np.arange(rows.size) // burst).astype(str).tolist(),
            )  # fmt: skip
            started = time.perf_counter()
            found = discover(given, pool.families, seed=number).found
            seconds.append(time.perf_counter() - started)
            planted = pool.planted[rows]
            hits[kind].append(bool(found) if plant is nothing else any(holds(one, planted) for one in found))
            confirmed += len(found)
            false += sum(true_gap(one, accuracy) > -HARMLESS for one in found)
    anything = {kind: rate(hits.pop(kind)) for kind, (plant, *_) in KINDS.items() if plant is nothing}
    return {
        "seed": seed,
        "labels": labels,
        "planted": {"share": SHARE, "accuracy": BAD, "elsewhere": GOOD},
        "found": {kind: rate(one) for kind, one in hits.items()},
        "false_findings": {"of": confirmed, "false": false, "share": false / max(confirmed, 1)},
        "anything_found_where_nothing_was_planted": anything,
        "anything_found_in_four_weekly_searches": rate([again(seed, number, labels) for number in range(simulations)]),
        "seconds": {"median": float(np.median(seconds)), "most": max(seconds)},
    }


def draw(
    pool: Pool, labels: int, burst: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], Members]:
    """Rows of the traffic with the planted share, their true accuracy, how they were drawn, and the verdicts; each
    comes `burst` times."""
    traffic = 4 * labels
    bad = int(rng.binomial(traffic, SHARE)) if pool.planted.any() else 0
    parts = [
        rng.choice(np.flatnonzero(side), n, replace=n > side.sum())
        for side, n in ((pool.planted, bad), (~pool.planted, traffic - bad))
        if n
    ]
    rows = rng.permutation(np.concatenate(parts))
    accuracy = np.where(pool.planted[rows], BAD, GOOD)
    correct = rng.random(traffic) < accuracy
    if rng.random() < 0.5:
        probabilities, drawn = np.ones(traffic), np.arange(labels)
    else:
        likely = np.where(correct, 1.0, 3.0)
        probabilities = np.minimum(likely * labels / likely.sum(), 1.0)
        drawn = np.flatnonzero(rng.random(traffic) < probabilities)
    drawn = np.repeat(drawn[::burst], burst)
    return rows[drawn], accuracy[drawn], probabilities[drawn], correct[drawn]


def again(seed: int, number: int, labels: int) -> bool:
    """Does any of the searches of four weeks find something, though all answers are right with one probability?"""
    rng = np.random.default_rng([seed, 2, number])
    n, week = 2 * labels, labels // WEEKS
    values = rng.integers([8, 6, 10, 4], size=(n, 4)).astype(str).tolist()
    slices = [dict(zip("abcd", one, strict=True)) for one in values]
    correct, minutes = rng.random(n) < GOOD, np.arange(n).astype(str).tolist()
    windows = (slice(first, first + labels) for first in range(0, WEEKS * week, week))
    return any(
        discover(labelled(correct[one], slices[one], groups=minutes[one]), salt=str(number)).found for one in windows
    )


def holds(found: FoundSlice, planted: Members) -> bool:
    inside = planted[found.members]
    return bool(inside.mean() >= 0.5 and inside.sum() >= 0.5 * planted.sum())


def true_gap(found: FoundSlice, accuracy: NDArray[np.float64]) -> float:
    inside = np.zeros(accuracy.size, dtype=bool)
    inside[found.members] = True
    return float(accuracy[inside].mean() - accuracy[~inside].mean())


# What is planted.

Plant = Callable[[Requests, list[Family], np.random.Generator], Pool]


def _scenes(requests: Requests, planted: Members, families: list[Family]) -> Pool:
    return Pool(requests.images.astype(np.float64), requests.slices, planted, families)


def _value(requests: Requests, attribute: str, rng: np.random.Generator) -> Members:
    wanted = rng.choice(ATTRIBUTES[attribute])
    return np.array([getattr(scene, attribute) == wanted for scene in requests.scenes])


def metadata_pair(requests: Requests, families: list[Family], rng: np.random.Generator) -> Pool:
    planted = np.ones(len(requests.slices), dtype=bool)
    for dimension in ("device", "question"):
        values = np.array([one[dimension] for one in requests.slices])
        planted &= values == rng.choice(np.unique(values))
    return _scenes(requests, planted, families)


def visual_value(requests: Requests, families: list[Family], rng: np.random.Generator) -> Pool:
    return _scenes(requests, _value(requests, str(rng.choice(tuple(ATTRIBUTES))), rng), families)


def visual_pair(requests: Requests, families: list[Family], rng: np.random.Generator) -> Pool:
    first, second = rng.permutation(tuple(ATTRIBUTES))[:2].tolist()
    return _scenes(requests, _value(requests, first, rng) & _value(requests, second, rng), families)


def cluster(requests: Requests, families: list[Family], rng: np.random.Generator) -> Pool:
    """Twenty-one clusters in 64 dimensions, of which the last is bad."""
    shares = np.append(rng.dirichlet(np.full(20, 3.0)) * (1 - SHARE), SHARE)
    members = rng.choice(shares.size, POOL, p=shares)
    vectors = 0.8 * rng.normal(size=(shares.size, 64))[members] + rng.normal(size=(POOL, 64))
    return Pool(vectors, requests.slices, members == shares.size - 1, families)


def nothing(requests: Requests, families: list[Family], rng: np.random.Generator) -> Pool:
    return _scenes(requests, np.zeros(len(requests.slices), dtype=bool), families)


KINDS: Final[dict[str, tuple[Plant, bool, int]]] = {
    "pair of metadata values": (metadata_pair, True, 1),
    "one thing seen, text bank": (visual_value, True, 1),
    "two things seen, text bank": (visual_pair, True, 1),
    "one thing seen, no text bank": (visual_value, False, 1),
    "cluster, no text bank": (cluster, False, 1),
    "nothing": (nothing, True, 1),
    "nothing, in bursts": (nothing, True, BURST),
}
"""What is planted, whether there is a text bank, and how often every answer comes."""

if __name__ == "__main__":
    main()
