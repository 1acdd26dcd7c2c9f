"""What is found, and what is claimed falsely, by us and by each peer on the same arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.testers import Case, Judged, ours, ours_arrays, peers, run_ours, run_peer
from benchmarks.drift.traffic import Clip, Draw, Pairs, changes, traffics

WINDOWS, PER_WINDOW, CURRENT = 12, 100, 100
"""A reference of 1,200 rows: about what permutation tests allow in a run of minutes."""

KINDS = ("independent", "bursty", "seasonal")
REPEATS = 2
"""Unchanged looks per reference and kind of traffic."""


OURS = {"snellen": ours, "snellen_arrays": ours_arrays}


def shard(
    tester: str, seed: int, *, references: int, dimension: int, folder: Path | None, limit: float
) -> dict[str, Any]:
    """Answers of one tester by cell: p-values where it gives any, and alarms. Equal seeds give equal arrays."""
    cases = [*_cases(seed, references, dimension), *_pairs(seed, references)]
    plan = {"dimension": dimension, "reference": WINDOWS * PER_WINDOW, "window": CURRENT, "references": references}
    return {"seed": seed, **plan, **answers(tester, cases, folder, limit)}


def answers(tester: str, cases: list[Case], folder: Path | None, limit: float) -> dict[str, Any]:
    """Who answered, its answers by cell and its seconds, or why there are none."""
    known = peers(folder)
    if tester in OURS:
        found: tuple[list[Judged], float] | str = run_ours(OURS[tester], cases)
    elif tester in known:
        answered = run_peer(tester, known[tester], cases, limit)
        found = answered if isinstance(answered, str) else (answered.judged, answered.seconds)
    else:
        found = "not installed"
    return {"tester": tester, **({"skipped": found} if isinstance(found, str) else _by_cell(*found))}


def _cases(seed: int, references: int, dimension: int) -> Iterable[Case]:
    world = Clip(dimension, seed=seed)
    draws, altered = traffics(world), changes(world)
    for _ in range(references):
        for kind in KINDS:
            looks = [(f"unchanged, {kind}", _window(draws[kind], world.rng)) for _ in range(REPEATS)]
            if kind == "independent":
                looks += [(name, draw(CURRENT)) for name, draw in altered.items()]
            rows = np.concatenate([draws[kind](window, PER_WINDOW) for window in range(WINDOWS)])
            yield Case(rows, PER_WINDOW, tuple(looks))


def _window(draw: Draw, rng: np.random.Generator) -> Any:
    return draw(int(rng.integers(WINDOWS)), CURRENT)


def _pairs(seed: int, references: int) -> Iterable[Case]:
    world = Pairs(seed=seed)
    for _ in range(references):
        rows = world.draw(WINDOWS * PER_WINDOW)
        yield Case(rows, PER_WINDOW, (("10% mis-paired (agreement)", world.draw(CURRENT, 0.1)),))


def _by_cell(judged: list[Judged], seconds: float) -> dict[str, Any]:
    cells: dict[str, Any] = defaultdict(lambda: {"p": [], "alarm": []})
    for one in judged:
        cells[one.cell]["p"].append(one.p)
        cells[one.cell]["alarm"].append(one.alarm)
    return {"seconds": round(seconds, 2), "cells": dict(cells)}
