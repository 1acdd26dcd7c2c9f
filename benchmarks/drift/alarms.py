"""False alarms of every tester on the same unchanged arrays, in windows of 50 to 50,000 rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.beside import DOUBT, UNCHANGED, is_ours
from benchmarks.drift.levels import LEVELS, excess
from benchmarks.drift.testers import Case, Limits, pythons, run_apart
from benchmarks.drift.traffic import Clip, Draw, traffics
from monitor.stats.multiple_testing import holm

KINDS = ("independent", "bursty", "seasonal")
SIZES = (50, 200, 1_000, 5_000, 50_000)
DIMENSION, WINDOWS = 64, 12

REFERENCES, LOOKS = 5, 4
"""Of a shard: fresh references, and unchanged windows that are compared with each."""

LIMITS = Limits(seconds=900.0, cpu_seconds=40.0, gigabytes=8.0)
"""The processor's are of one reference and its looks. A tester that needs more is asked for no larger window."""

FAST = 15.0
"""Seconds of the processor: a tester that needs more for a shard has one seed for each cell of this size."""


# ---- looks ---------------------------------------------------------------------------------------------------------


def shards(
    testers: Sequence[str], sizes: Sequence[int], seeds: Sequence[int], folder: Path, peers: Path | None
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Name and work of each; who is asked depends on the shards that lie in `folder` by then.

    All testers of a cell look at the same arrays, which are drawn once.
    """
    drawn = lru_cache(maxsize=1)(cases)
    for seed, (cell, (size, kind)) in product(seeds, enumerate(product(sizes, KINDS))):
        for tester in testers:
            if _asked(folder, tester, size, again=seed != seeds[0]):
                work = partial(_shard, tester, kind, size, seed, partial(drawn, kind, size, 100 * seed + cell), peers)
                yield f"alarms-{tester}-{kind}-{size}-{seed}", work


def cases(kind: str, size: int, seed: int) -> list[Case]:
    """References in windows of `size` rows, and as long windows from the same hours."""
    world = Clip(DIMENSION, seed)
    draw = traffics(world)[kind]
    return [_case(draw, size, world.rng) for _ in range(REFERENCES)]


def _case(draw: Draw, size: int, rng: np.random.Generator) -> Case:
    rows = np.concatenate([draw(window, size) for window in range(WINDOWS)])
    return Case(rows, size, tuple((UNCHANGED, draw(int(rng.integers(WINDOWS)), size)) for _ in range(LOOKS)))


def _asked(folder: Path, tester: str, size: int, *, again: bool) -> bool:
    """No more where it exceeded a limit in no larger a window, nor again where it is slow."""
    before = [json.loads(path.read_text()) for path in folder.glob(f"alarms-{tester}-*.json")]
    exceeded = any("exceeded" in one and one["window"] <= size for one in before)
    slow = any(one["window"] == size and one.get("cpu_seconds", 0.0) > FAST for one in before)
    return not exceeded and not (again and slow)


def _shard(
    tester: str, kind: str, size: int, seed: int, drawn: Callable[[], list[Case]], peers: Path | None
) -> dict[str, Any]:
    """p-values (null where it gives none) and alarms [references, looks], or which limit was exceeded."""
    plan = {"tester": tester, "traffic": kind, "window": size, "seed": seed}
    python = pythons(peers).get(tester)
    found = "not installed" if python is None else run_apart(tester, python, drawn(), LIMITS)
    if isinstance(found, str):
        return {**plan, "exceeded": found}
    p, alarms = (
        np.array([getattr(one, name) for one in found.judged], dtype=object).reshape(REFERENCES, LOOKS).tolist()
        for name in ("p", "alarm")
    )
    return {**plan, "p": p, "alarm": alarms, "cpu_seconds": found.cpu_seconds, "peak_mb": found.peak_mb}


# ---- judgement -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarms:
    """`shares` [references] of the looks under each that alarmed at `level`."""

    level: float
    shares: NDArray[np.float64]

    @property
    def looks(self) -> int:
        return LOOKS * len(self.shares)

    @property
    def share(self) -> float:
        return float(self.shares.mean())

    @property
    def error(self) -> float:
        """Standard error over references: looks under one reference share its luck."""
        return float(self.shares.std(ddof=1) / np.sqrt(len(self.shares)))

    @property
    def excess(self) -> float:
        return excess(self.shares, self.level)


@dataclass(frozen=True)
class Cell:
    """One tester in windows of one kind and size: alarms by the levels it answers to, and whether it holds them."""

    tester: str
    traffic: str
    window: int
    alarms: dict[float, Alarms]
    holds: dict[float, bool]

    def __str__(self) -> str:
        """Percents at 1% / 5%, in brackets where it does not hold the level; one alone is at its own threshold."""
        shown = [f"{100 * one.share:.1f}".removesuffix(".0") for one in self.alarms.values()]
        return " / ".join(one if held else f"({one})" for one, held in zip(shown, self.holds.values(), strict=True))


def cells(found: Sequence[dict[str, Any]]) -> list[Cell]:
    """Shards with other seeds taken together. A tester holds a level in a cell unless its alarms there are more, judged
    over all cells of the tester jointly (Holm): one honest tester in 20 has a cell in which it seems not to."""
    by_cell: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for one in found:
        if "alarm" in one:
            by_cell[one["tester"], one["traffic"], one["window"]].append(one)
    alarms = {cell: _alarms(together) for cell, together in by_cell.items()}
    made = []
    for cell, by_level in sorted(alarms.items(), key=_order):
        holds = {level: _adjusted(alarms, cell, level) >= DOUBT for level in by_level}
        made.append(Cell(*cell, by_level, holds))
    return made


def _alarms(together: list[dict[str, Any]]) -> dict[float, Alarms]:
    p = np.array([row for one in together for row in one["p"]], dtype=float)
    if np.isnan(p).any():  # says yes or no, which is judged as if it were meant to be wrong in 5%
        alarms = np.array([row for one in together for row in one["alarm"]], dtype=float)
        return {LEVELS[-1]: Alarms(LEVELS[-1], alarms.mean(axis=1))}
    return {level: Alarms(level, (p < level).mean(axis=1)) for level in LEVELS}


def _adjusted(
    alarms: dict[tuple[str, str, int], dict[float, Alarms]], cell: tuple[str, str, int], level: float
) -> float:
    same = [one for one in alarms if one[0] == cell[0]]
    return float(holm([alarms[one][level].excess for one in same])[same.index(cell)])


def _order(item: tuple[tuple[str, str, int], Any]) -> tuple[Any, ...]:
    (tester, traffic, window), _ = item
    return not is_ours(tester), tester, KINDS.index(traffic), window


# ---- tables --------------------------------------------------------------------------------------------------------


def held_table(found: Sequence[dict[str, Any]]) -> str:
    """A line for each tester: cells that it answered in, and in how many of them it holds each level."""
    lines = ["| | windows up to | cells | holds 1% in | holds 5% in | " + " | ".join(KINDS) + " |"]
    lines.append("|---" * (5 + len(KINDS)) + "|")
    for tester, own in _by_tester(cells(found)).items():
        held = [[one.holds[level] for one in own if level in one.holds] for level in LEVELS]
        counts = [f"{sum(one)} of {len(one)}" if one else "no such level" for one in held]
        shares = [_together([one for one in own if one.traffic == kind]) for kind in KINDS]
        largest = f"{max(one.window for one in own):,}"
        lines.append(f"| {' | '.join([tester, largest, str(len(own)), *counts, *shares])} |")
    return "\n".join(lines)


def alarms_table(found: Sequence[dict[str, Any]]) -> str:
    """A line for each kind of traffic and tester, a column for each size; what exceeded a limit says so."""
    judged, stopped = cells(found), exceeded(found)
    sizes = sorted({one["window"] for one in found})
    lines = ["| traffic | | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---" * (len(sizes) + 2) + "|"]
    for kind in KINDS:
        for tester in dict.fromkeys([*_by_tester(judged), *stopped]):
            shown = {one.window: str(one) for one in judged if (one.tester, one.traffic) == (tester, kind)}
            if tester in stopped:
                size, why = stopped[tester]
                shown.setdefault(size, why)
            lines.append(f"| {kind} | {tester} | {' | '.join(shown.get(size, '') for size in sizes)} |")
    return "\n".join(lines)


def exceeded(found: Sequence[dict[str, Any]]) -> dict[str, tuple[int, str]]:
    """Tester -> the smallest window that it did not answer to, and why."""
    stopped = sorted((one["tester"], one["window"], one["exceeded"]) for one in found if "exceeded" in one)
    return {tester: (size, why) for tester, size, why in reversed(stopped)}


def _by_tester(judged: Sequence[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = defaultdict(list)
    for one in judged:
        found[one.tester].append(one)
    return found


def _together(same: Sequence[Cell]) -> str:
    """Percent of all looks at the larger level, or at the detector's own threshold."""
    if not same:
        return ""
    together = Alarms(LEVELS[-1], np.concatenate([one.alarms[LEVELS[-1]].shares for one in same]))
    return f"{100 * together.share:.1f} of {together.looks}"
