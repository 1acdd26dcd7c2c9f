"""Is the first cause that an explanation names the right one?

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.explanation [--seed N] [--incidents N] [--unchanged N]

Incidents of 17 kinds are planted into the inputs of drawn requests (`benchmarks/planted_incidents.py`), which the
demo's small CLIP encodes; `monitor.explain.explain` and its text bank then say what moved. `random_cause_right` is the
share that a cause drawn at random from all candidates would get right, beside it. Unchanged windows show how often
anything is confirmed where nothing moved. Every seed draws other requests, strengths, values and devices.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.planted_incidents import INCIDENTS, Name, Planted
from benchmarks.planted_scenes import Requests, World, request
from demo.clip.encoder import Encoder
from monitor.domain.slices import ALL_TRAFFIC
from monitor.explain import Explanation, Family, Rows, explain
from monitor.explain.bank import parse_bank
from monitor.explain.candidates import KINDS
from monitor.stats.intervals import wilson
from monitor.streams.image_quality import QUALITY_UNITS, Origin, quality
from monitor.streams.text import text_features

BANK = Path(__file__).parents[1] / "demo" / "clip" / "concepts.yaml"
POOL, REFERENCE, CURRENT = 4000, 1500, 500
"""Unchanged requests that references are drawn from, and rows of the two windows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--incidents", type=int, default=4 * len(INCIDENTS))
    parser.add_argument("--unchanged", type=int, default=40)
    options = parser.parse_args()
    print(json.dumps(measure(options.seed, options.incidents, options.unchanged), indent=2))


def measure(seed: int, incidents: int, unchanged: int) -> dict[str, Any]:
    encoder = Encoder()
    pool = request(World(), POOL, encoder, np.random.default_rng([seed, 0]))
    families, pool_rows = bank(encoder), rows(pool)
    right: dict[str, list[bool]] = defaultdict(list)
    chance, places, seconds, wrong = [], Counter[str](), [], []
    for number in range(incidents):
        rng = np.random.default_rng([seed, 1, number])
        planted = INCIDENTS[number % len(INCIDENTS)](rng)
        reference = pool_rows.take(matching(pool, planted, rng))
        current = rows(request(planted.after, CURRENT, encoder, rng))
        started = time.perf_counter()
        found = explain(reference, current, families, seed=number)
        seconds.append(time.perf_counter() - started)
        right[planted.kind].append(is_right(found, planted))
        chance.append(by_chance(reference, current, families, planted.right))
        places[place(found, planted)] += 1
        if not right[planted.kind][-1]:
            wrong.append({"planted": f"{planted.kind}: {planted.what}", "named": told(found)})
    hits = [one for kind in right.values() for one in kind]
    return {
        "seed": seed,
        "incidents": incidents,
        "first_cause_right": rate(hits),
        "random_cause_right": float(np.mean(chance)),
        "by_kind": {kind: f"{sum(one)}/{len(one)}" for kind, one in right.items()},
        "wrong": wrong,
        "carrier": dict(places),
        "unchanged_windows_with_a_confirmed_cause": rate(false_alarms(pool_rows, families, unchanged, seed)),
        "seconds": {"median": float(np.median(seconds)), "most": max(seconds), "rows": [REFERENCE, CURRENT]},
    }


def bank(encoder: Encoder) -> list[Family]:
    """The demo's text bank through its text tower."""
    phrases = parse_bank(BANK.read_text(), BANK.name)
    return [
        Family(kind, family, words, encoder.texts(words).astype(np.float64))
        for (kind, family), words in phrases.items()
    ]


def rows(requests: Requests) -> Rows:
    """What is stored of the requests: vectors, slices, image quality and text features."""
    pictures = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in requests.files]
    qualities = [
        quality(pixels, pixels, Origin(pixels.shape[1], pixels.shape[0], len(file)))
        for pixels, file in zip(pictures, requests.files, strict=True)
    ]
    texts = [text_features(one) for one in requests.texts]
    features = {name: np.array([one[name] for one in qualities]) for name in QUALITY_UNITS}
    features |= {f"prompt {name}": np.array([one[name] for one in texts]) for name in texts[0]}
    vectors = {"image": requests.images.astype(np.float64), "prompt": requests.prompts.astype(np.float64)}
    return Rows(requests.slices, vectors, features)


def matching(pool: Requests, planted: Planted, rng: np.random.Generator) -> np.ndarray:
    """Rows of a reference: unchanged requests without what the incident brings for the first time."""
    fits = [
        all(getattr(scene, attribute) != value for attribute, value in planted.before.without.items())
        for scene in pool.scenes
    ]
    return rng.permutation(np.flatnonzero(fits))[:REFERENCE]


def is_right(found: Explanation, planted: Planted) -> bool:
    return found.first is not None and (found.first.kind, found.first.name) in planted.right


def by_chance(reference: Rows, current: Rows, families: list[Family], right: frozenset[Name]) -> float:
    """The chance that a candidate drawn at random is right."""
    rng = np.random.default_rng(0)
    names = [(one.kind, one.name) for kind in KINDS.values() for one in kind(reference, current, families, rng)]
    return sum(name in right for name in names) / len(names)


def place(found: Explanation, planted: Planted) -> str:
    """Whether the device whose pictures alone changed was found to carry the change."""
    named = {one.slice.value for one in found.carriers}
    if planted.within is None:
        return "none planted, one named" if named else "none planted, none named"
    if planted.within not in named:
        return "planted, not named" if not named else "planted, another named"
    return "planted and named"


def told(found: Explanation) -> str:
    first = found.first
    if first is None:
        return "nothing"
    where = "" if first.within == ALL_TRAFFIC else f" in {first.within}"
    return f"{first.kind} {first.name}{where}, effect {first.effect:.2f}"


def false_alarms(pool: Rows, families: list[Family], windows: int, seed: int) -> list[bool]:
    """Of unchanged windows, which of them have a confirmed cause."""
    confirmed = []
    for number in range(windows):
        order = np.random.default_rng([seed, 2, number]).permutation(len(pool))
        reference, current = pool.take(order[:REFERENCE]), pool.take(order[REFERENCE : REFERENCE + CURRENT])
        confirmed.append(explain(reference, current, families, seed=number).first is not None)
    return confirmed


def rate(hits: list[bool]) -> dict[str, Any]:
    interval = wilson(sum(hits), len(hits))
    return {"share": sum(hits) / len(hits), "of": len(hits), "interval_95": [interval.lower, interval.upper]}


if __name__ == "__main__":
    main()
