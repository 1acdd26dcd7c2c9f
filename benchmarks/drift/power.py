"""What is found, and what is claimed falsely, by us and by each peer on the same arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.beside import UNCHANGED
from benchmarks.drift.testers import OURS, Case, Judged, Limits, pythons, run_apart, run_here
from benchmarks.drift.traffic import Clip, Draw, Pairs, changes, traffics

WINDOWS, PER_WINDOW, CURRENT = 12, 100, 100
"""A reference of 1,200 rows: about what permutation tests allow in a run of minutes."""

ALSO = ("10% of a new cluster", "mean shift 0.2 sd of ten factors")
"""Changes of traffic that is bursty or seasonal; of independent traffic there are all."""

KINDS = ("independent", "bursty", "seasonal")
REPEATS = 2
"""Unchanged looks per reference and kind of traffic."""


def shard(
    tester: str, seed: int, *, references: int, dimension: int, folder: Path | None, limit: float
) -> dict[str, Any]:
    """Answers of one tester by cell: p-values where it gives any, and alarms. Equal seeds give equal arrays."""
    cases = [*_cases(seed, references, dimension), *_pairs(seed, references)]
    plan = {"dimension": dimension, "reference": WINDOWS * PER_WINDOW, "window": CURRENT, "references": references}
    return {"seed": seed, **plan, **answers(tester, cases, folder, limit)}


def answers(tester: str, cases: list[Case], folder: Path | None, limit: float) -> dict[str, Any]:
    """Who answered, its answers by cell and its seconds, or why there are none."""
    known = pythons(folder)
    if tester in OURS:
        found: tuple[list[Judged], float] | str = run_here(tester, cases)
    elif tester in known:
        answered = run_apart(tester, known[tester], cases, Limits(limit))
        found = answered if isinstance(answered, str) else (answered.judged, answered.seconds)
    else:
        found = "not installed"
    return {"tester": tester, **({"skipped": found} if isinstance(found, str) else _by_cell(*found))}


def _cases(seed: int, references: int, dimension: int) -> Iterable[Case]:
    world = Clip(dimension, seed=seed)
    unchanged, altered = traffics(world), {name: traffics(world, source) for name, source in changes(world).items()}
    for _ in range(references):
        for kind in KINDS:
            looks = [(f"{kind}: {UNCHANGED}", _window(unchanged[kind], world.rng)) for _ in range(REPEATS)]
            names = altered if kind == "independent" else ALSO
            looks += [(f"{kind}: {name}", _window(altered[name][kind], world.rng)) for name in names]
            rows = np.concatenate([unchanged[kind](window, PER_WINDOW) for window in range(WINDOWS)])
            yield Case(rows, PER_WINDOW, tuple(looks))


def _window(draw: Draw, rng: np.random.Generator) -> Any:
    return draw(int(rng.integers(WINDOWS)), CURRENT)


def _pairs(seed: int, references: int) -> Iterable[Case]:
    world = Pairs(seed=seed)
    for _ in range(references):
        rows = world.draw(WINDOWS * PER_WINDOW)
        looks = [(f"agreement: {UNCHANGED}", world.draw(CURRENT)) for _ in range(REPEATS)]
        looks += [(f"agreement: {share}% mis-paired", world.draw(CURRENT, share / 100)) for share in (5, 10)]
        yield Case(rows, PER_WINDOW, tuple(looks))


def _by_cell(judged: list[Judged], seconds: float) -> dict[str, Any]:
    cells: dict[str, Any] = defaultdict(lambda: {"p": [], "alarm": []})
    for one in judged:
        cells[one.cell]["p"].append(one.p)
        cells[one.cell]["alarm"].append(one.alarm)
    return {"seconds": round(seconds, 2), "cells": dict(cells)}


def larger(dimension: int, seed: int, references: int) -> dict[str, Any]:
    """Looks of the stored reference where it has more rows than peers can judge in time: 16 x 250, windows of 500."""
    world = Clip(dimension, seed=seed)
    altered = {UNCHANGED: world.draw, **changes(world)}
    cases = []
    for _ in range(references):
        looks = tuple((f"independent: {name}", source(500, 0.0)) for name, source in altered.items() for _ in range(2))
        cases.append(Case(world.draw(16 * 250), 250, looks))
    return {"seed": seed, "tester": f"snellen, {dimension}-d", **_by_cell(*run_here("snellen", cases))}
