"""What the intervals of distance and effect cover, against a truth that is measured apart from them.

The true shift is that of the features' means between many rows of changed and of unchanged traffic, drawn for this
alone; of two arrays of normal rows it is the shift that was put in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from benchmarks.drift.levels import Size, reference
from benchmarks.drift.traffic import Agreement, Clip, Mean, Rows, Source, World, traffics
from monitor.domain.results import DriftResult
from monitor.drift.compare import LOCATING, compare
from monitor.drift.distance import Range
from monitor.drift.reference import Reference
from monitor.drift.sketch import sketch
from monitor.drift.two_sample import compare_arrays
from monitor.stats.exact_sums import to_values
from monitor.stats.inputs import Floats
from monitor.stats.two_sample import separation

KINDS = ("independent", "bursty", "seasonal, hours known")
ARRAYS = "compare_arrays, normal"
SIZES = (100, 200, 1000)
CHANGES = {"none": 0.0, "small": 0.25, "middle": 0.5, "large": 1.0, "a tenth in a new cluster": 0.0}
"""How far the mean moves: so many times `FULL`, or, of arrays, deviations of the first coordinate."""
FULL = {1: 1.2, 64: 0.4, 512: 0.4}
"""By dimension: deviations of the number, or of each of ten factors."""
SHARE = 0.1
TRUTH_ROWS = 20_000
SHOWN = ("distance", "effect")


def cells(*, large: bool) -> Iterator[tuple[int, str, int]]:
    """Dimension, traffic and rows of a window."""
    yield from product((1, 64), KINDS, SIZES[:2] if large else SIZES[:1])
    yield from product((1, 64), (ARRAYS,), SIZES[:1])
    if large:
        yield from product((1, 64), KINDS, SIZES[2:])
        yield 512, "independent", 200


def covered(dimension: int, kind: str, n: int, *, seed: int, references: int, times: int) -> dict[str, Any]:
    """By change: how often the intervals hold the truth, in `times` looks under each of so many fresh references."""
    looks: dict[str, list[dict[str, float]]] = defaultdict(list)
    for index in range(references):
        draw = _arrays if kind == ARRAYS else _windows
        for change, look in draw(dimension, kind, n, 1000 * seed + index, times):
            looks[change].append(look)
    cells = {change: {key: float(np.mean([one[key] for one in of])) for key in of[0]} for change, of in looks.items()}
    return {
        "dimension": dimension, "traffic": kind, "current": n, "seed": seed, "looks": references * times, "cells": cells
    }  # fmt: skip


def _windows(dimension: int, kind: str, n: int, seed: int, times: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Windows under one reference of traffic of this kind; each change with its own."""
    world: World = Agreement(seed) if dimension == 1 else Clip(dimension, seed)
    plain = kind.split(",", maxsplit=1)[0]
    made = reference(
        traffics(world)[plain], Size(72 if plain == "seasonal" else 24, n, n), seasonal=plain == "seasonal"
    )
    hour = int(world.rng.integers(24))
    alike = "seasonal" if plain == "seasonal" else "independent"
    truth = _Truth(world, made, alike, hour)
    for change, part in CHANGES.items():
        changed = _Changed(world, part * FULL[dimension], SHARE if "cluster" in change else 0.0)
        away = truth.of(changed)
        draw = traffics(world, changed.draw)[plain]
        for _ in range(times):
            current = sketch(draw(hour, n), made.fit)
            hours = {hour: n} if made.fit.season is not None else None
            found = compare(made.fit, made.baseline, current, made.dispersion, hours=hours)
            yield change, _look(found, {name: _true(made, name, away, n) for name in (LOCATING, found.detector)})


class _Changed:
    """Traffic of a world that moved, and of which a share of the rows, at random, belongs to a new cluster."""

    def __init__(self, world: World, shift: float, share: float) -> None:
        self.world, self.share = world, share
        self.shift = np.resize([shift] * 10 + [0.0] * 30, len(world.loadings) if isinstance(world, Clip) else 1)
        self.place = world.direction() if isinstance(world, Clip) else None

    def draw(self, n: int, mean: Mean) -> Rows:
        rows, new = self.moved(n, mean), self.world.rng.random(n) < self.share
        rows[new] = self.newcomers(int(new.sum()))
        return rows

    def moved(self, n: int, mean: Mean) -> Rows:
        return self.world.draw(n, mean + self.shift)

    def newcomers(self, n: int) -> Rows:
        if isinstance(self.world, Agreement):
            return self.world.newcomers(n)
        return self.world.newcomers(n, self.place)


class _Truth:
    """How far the features' means of changed traffic truly lie from those of unchanged traffic of the same hour.

    Both are drawn with the same random numbers, so that these hardly blur the difference."""

    def __init__(self, world: World, made: Reference, kind: str, hour: int) -> None:
        self.world, self.made, self.kind, self.hour = world, made, kind, hour
        self.unchanged = self._means(world.draw)

    def of(self, changed: _Changed) -> Floats:
        if not changed.share and not changed.shift.any():
            return np.zeros_like(self.unchanged)
        joined = _means(self.made, changed.newcomers(TRUTH_ROWS)) if changed.share else 0.0
        away: Floats = (1.0 - changed.share) * self._means(changed.moved) + changed.share * joined - self.unchanged
        return away

    def _means(self, source: Source) -> Floats:
        kept, self.world.rng = self.world.rng, np.random.default_rng(1)
        rows = traffics(self.world, source)[self.kind](self.hour, TRUTH_ROWS)
        self.world.rng = kept
        return _means(self.made, rows)


def _means(made: Reference, rows: Rows) -> Floats:
    means: Floats = to_values(made.fit.features(rows)).mean(axis=0)
    return means


def _true(made: Reference, detector: str, away: Floats, n: int) -> float:
    """The distance that the definition gives where the means are known: along the direction that separates best."""
    spread = made.dispersion.spreads[detector]
    shift, ratios = away[made.fit.blocks[detector]] @ spread.directions, spread.ratios_at(n)
    size = float(np.linalg.norm(shift / ratios))
    return float((shift**2 / ratios).sum()) / size if size else 0.0


def _arrays(dimension: int, _: str, n: int, seed: int, times: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Two arrays of independent normal rows, as `compare_arrays` takes them; the reference has five times as many."""
    rng, scales = np.random.default_rng(seed), np.geomspace(1.0, 0.1, dimension)
    for change, part in CHANGES.items():
        if "cluster" in change:  # whose distance has no closed form
            continue
        for _ in range(times):
            before, now = (scales * rng.standard_normal((rows, dimension)) for rows in (5 * n, n))
            now[:, 0] += part
            found = compare_arrays(before, now, permutations=0)
            yield change, _held("distance", found.distance_interval, part)


def _look(found: DriftResult, truth: dict[str | None, float]) -> dict[str, float]:
    """Of the distance and of the effect; and of the loudest detector's own effect, as if it had not been chosen.
    `truth` holds the distances."""
    held = _held("distance", found.distance_interval, truth[LOCATING])
    own = next(one.effect_interval for one in found.detectors if one.name == found.detector)
    effect = separation(truth[found.detector])
    return held | _held("effect", found.effect_interval, effect) | _held("as if not chosen", own, effect)


def _held(name: str, interval: Range | None, truth: float) -> dict[str, float]:
    """Whether an interval holds the truth, whether it lies too high, and how wide it is."""
    if interval is None:
        raise RuntimeError(f"no interval of the {name}: there were too few rows or windows")
    lower, upper = interval
    return {name: lower <= truth <= upper, f"{name} too high": truth < lower, f"{name} width": upper - lower}


def table(shards: list[dict[str, Any]]) -> str:
    """Markdown: in percent of the looks, by change, that the distance and the effect are held."""
    cells = pooled(shards)
    changes = list(CHANGES)
    lines = [
        summary(cells), "", f"| traffic | dimensions | window | looks | {' | '.join(changes)} |",
        "|---" * (len(changes) + 4) + "|",
    ]  # fmt: skip
    for (kind, dimension, current), (looks, by_change) in sorted(cells.items(), key=lambda one: _place(*one[0])):
        shown = [_shown(by_change[change]) if change in by_change else "" for change in changes]
        lines.append(f"| {kind} | {dimension} | {current:,} | {looks:,} | {' | '.join(shown)} |")
    return "\n".join(lines)


Cells = dict[tuple[str, int, int], tuple[int, dict[str, dict[str, float]]]]
"""Looks at each change, and its shares, by traffic, dimension and rows of a window."""


def pooled(shards: list[dict[str, Any]]) -> Cells:
    """Shards of one cell with several seeds count by their looks."""
    same: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for one in shards:
        same[one["traffic"], one["dimension"], one["current"]].append(one)
    found: Cells = {}
    for cell, parts in same.items():
        looks = [one["looks"] for one in parts]
        found[cell] = (
            sum(looks),
            {
                change: {
                    key: float(np.average([one["cells"][change][key] for one in parts], weights=looks))
                    for key in shares
                }
                for change, shares in parts[0]["cells"].items()
            },
        )
    return found


def summary(cells: Cells) -> str:
    """What the choice of the loudest detector would cost, and what the allowance for it does."""
    told = []
    for name in ("as if not chosen", "effect"):
        shares = [one[name] for _, by_change in cells.values() for one in by_change.values() if name in one]
        told.append(f"{100 * min(shares):.0f} to {100 * max(shares):.0f}% (mean {100 * np.mean(shares):.1f}%)")
    return (
        f"Over the cells below, the loudest detector's own interval holds its effect in {told[0]} of the looks, and "
        f"with the allowance for its choice in {told[1]}."
    )


def _place(kind: str, dimension: int, current: int) -> tuple[int, int, int]:
    return (*KINDS, ARRAYS).index(kind), dimension, current


def _shown(shares: dict[str, float]) -> str:
    return " / ".join(f"{100 * shares[name]:.1f}" for name in SHOWN if name in shares)
