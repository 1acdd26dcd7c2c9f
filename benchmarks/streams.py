"""Streams of fields: false alarms on unchanged traffic, planted changes found, and what a row costs.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.streams --seed 0

Requests are the demo's, with answers and confidences drawn to a simple rule. A look compares one window of them with a
reference of 24 windows, through the shipped path: categories frozen on the half that fits, reference, sketch, compare.
Independent: rows drawn one by one. Bursty: each row comes 4 times on average. Seasonal: the share of
questions swings over the day, and the reference knows its hours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from demo.conditions import Conditions
from demo.traffic import Traffic
from monitor.drift.compare import compare
from monitor.drift.reference import Reference, build, fitting_windows
from monitor.drift.sketch import sketch
from monitor.streams import FIELD_STREAMS, FieldStream, Observed

WINDOWS, ROWS, WINDOW_HOURS = 24, 350, 3
POOL = 6000
LEVELS = (0.01, 0.05)
CHANGED = 0.15
"""Share of a window's rows that a planted change meets."""
Places = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--references", type=int, default=10)
    parser.add_argument("--looks", type=int, default=40)
    parser.add_argument("--streams", nargs="*", default=list(FIELD_STREAMS))
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    pool = observed(rng)
    found = {name: study(FIELD_STREAMS[name], pool, rng, options.references, options.looks) for name in options.streams}
    setting = {"seed": options.seed, "references": options.references, "looks": options.looks, "windows": WINDOWS}
    print(json.dumps({**setting, "rows": ROWS, "streams": found}, indent=2))


def observed(rng: np.random.Generator) -> list[Observed]:
    """Requests of the demo; the service is right in four cases of five, and a little surer then."""
    traffic = Traffic("bench", datetime(2026, 11, 1, tzinfo=UTC), seed=int(rng.integers(2**31)))
    rows = []
    for _ in range(POOL):
        case = traffic.take(Conditions())
        right = rng.random() < 0.8
        answer = case.truth if right else str(rng.choice(case.candidates))
        confidence = float(rng.beta(8, 1.5) if right else rng.beta(4, 3))
        slices = {"device": case.device, "question": case.attribute}
        scores = (confidence, float(rng.uniform(0, 1 - confidence)))
        rows.append(Observed(case.task, slices, confidence, case.prompt, answer, scores))
    return rows


def study(
    stream: FieldStream, pool: Sequence[Observed], rng: np.random.Generator, references: int, looks: int
) -> dict[str, object]:
    start = time.perf_counter()
    for row in pool:
        stream.vector(row, ())
    cost = (time.perf_counter() - start) / len(pool)
    alarms = {name: false_alarms(stream, pool, rng, draw, references, looks) for name, draw in TRAFFIC.items()}
    power = {
        words: found(stream, pool, rng, change, references, looks)
        for words, (name, change) in CHANGES.items()
        if name == stream.name
    }
    return {"microseconds_per_row": round(1e6 * cost, 1), "false_alarms_percent": alarms, "found_percent": power}


# ---- traffic: which rows of the pool come in a window that starts at an hour -----------------------------------------


def independent(pool: Sequence[Observed], rng: np.random.Generator, hour: int) -> Places:
    del hour
    return rng.integers(0, len(pool), ROWS)


def bursty(pool: Sequence[Observed], rng: np.random.Generator, hour: int) -> Places:
    del hour
    lengths = rng.geometric(0.25, ROWS)
    return np.repeat(rng.integers(0, len(pool), ROWS), lengths)[:ROWS]


def seasonal(pool: Sequence[Observed], rng: np.random.Generator, hour: int) -> Places:
    share = 0.7 + 0.2 * np.cos((hour % 24 + WINDOW_HOURS / 2 - 14) / 24 * 2 * np.pi)
    asks = np.array([row.prompt is not None for row in pool])
    sides = np.flatnonzero(asks), np.flatnonzero(~asks)
    in_words = rng.random(ROWS) < share
    return np.where(in_words, rng.choice(sides[0], ROWS), rng.choice(sides[1], ROWS))


TRAFFIC: dict[str, Callable[[Sequence[Observed], np.random.Generator, int], Places]] = {
    "independent": independent,
    "bursty": bursty,
    "seasonal": seasonal,
}


# ---- changes ---------------------------------------------------------------------------------------------------------


def _longer(row: Observed) -> Observed:
    return replace(row, prompt=None if row.prompt is None else f"{row.prompt} Please answer in one word.")


def _unsure(row: Observed) -> Observed:
    return replace(row, confidence=None if row.confidence is None else max(0.0, row.confidence - 0.15))


def _tied(row: Observed) -> Observed:
    return replace(row, scores=(row.scores[0], row.scores[0] - 0.02))


CHANGES: dict[str, tuple[str, Callable[[Observed], Observed]]] = {
    "confidence lower by 0.15": ("confidence", _unsure),
    "near a tie, confidence as it was": ("margin", _tied),
    "the answer is 'red'": ("answer_mix", lambda row: replace(row, answer="red")),
    "five more words in the prompt": ("prompt_text", _longer),
    "the answer in capitals": ("answer_text", lambda row: replace(row, answer=(row.answer or "").upper())),
    "requests from one device": (
        "metadata", lambda row: replace(row, slices={**row.slices, "device": "camera-1"}),
    ),
}  # fmt: skip
"""What is done to some rows of a window -> the stream that must see it, and the change."""


# ---- the shipped path ------------------------------------------------------------------------------------------------


def false_alarms(
    stream: FieldStream, pool: Sequence[Observed], rng: np.random.Generator,
    draw: Callable[[Sequence[Observed], np.random.Generator, int], Places], references: int, looks: int,
) -> dict[str, float]:  # fmt: skip
    """Share of looks at unchanged windows whose p-value is below each level."""
    p_values = []
    for _ in range(references):
        reference, categories = fit(stream, pool, rng, draw)
        for look in range(looks):
            hour = WINDOW_HOURS * (WINDOWS + look)
            rows = [pool[place] for place in draw(pool, rng, hour).tolist()]
            p_values.append(p_value(stream, reference, categories, rows, hour))
    return {f"{level:.0%}": round(100 * float(np.mean(np.array(p_values) < level)), 2) for level in LEVELS}


def found(
    stream: FieldStream, pool: Sequence[Observed], rng: np.random.Generator, change: Callable[[Observed], Observed],
    references: int, looks: int,
) -> float:  # fmt: skip
    """Share of changed windows that are found at the first level."""
    hits = []
    for _ in range(references):
        reference, categories = fit(stream, pool, rng, independent)
        for _ in range(looks // 4):
            rows = [pool[place] for place in independent(pool, rng, 0).tolist()]
            rows = [change(row) if rng.random() < CHANGED else row for row in rows]
            hits.append(p_value(stream, reference, categories, rows, 0) < LEVELS[0])
    return round(100 * float(np.mean(hits)), 1)


def fit(
    stream: FieldStream, pool: Sequence[Observed], rng: np.random.Generator,
    draw: Callable[[Sequence[Observed], np.random.Generator, int], Places],
) -> tuple[Reference, tuple[str, ...]]:  # fmt: skip
    rows, numbers = [], []
    for window in range(WINDOWS):
        rows += [pool[place] for place in draw(pool, rng, WINDOW_HOURS * window).tolist()]
        numbers += [window] * ROWS
    fits = np.isin(numbers, fitting_windows(np.array(numbers)))
    categories = stream.learn([row for row, is_fit in zip(rows, fits.tolist(), strict=True) if is_fit])
    having = [
        (vector, number)
        for row, number in zip(rows, numbers, strict=True)
        if (vector := stream.vector(row, categories)) is not None
    ]
    windows = np.array([number for _, number in having])
    return build(np.stack([one for one, _ in having]), windows, "bench", hours=WINDOW_HOURS * windows), categories


def p_value(
    stream: FieldStream, reference: Reference, categories: tuple[str, ...], rows: Sequence[Observed], hour: int
) -> float:
    vectors = [vector for row in rows if (vector := stream.vector(row, categories)) is not None]
    current = sketch(np.stack(vectors), reference.fit)
    result = compare(reference.fit, reference.baseline, current, reference.dispersion, hours={hour: current.n})
    assert result.p_value is not None
    return result.p_value


if __name__ == "__main__":
    main()
