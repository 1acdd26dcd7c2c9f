"""What the shards say: a joint judgement of the levels, tables, and docs/drift.md written with them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks.drift import intervals
from benchmarks.drift.alarms import alarms_table, held_table
from benchmarks.drift.beside import counts, gaps, gaps_table, rates, rates_table
from benchmarks.drift.levels import LEVELS
from benchmarks.drift.run_lengths import delay_table, exceeded, gains_table, watches
from monitor.stats.multiple_testing import holm

_CELL = ("dimension", "traffic", "windows", "per_window", "current")

Found = dict[str, list[dict[str, Any]]]


def read(folder: Path) -> Found:
    """Shards by part."""
    found: Found = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        found[path.stem.split("-")[0]].append(json.loads(path.read_text()))
    return found


def summary(found: Found) -> dict[str, Any]:
    beside = {part: counts(gaps(rates(found[part]))) for part in ("power", "pictures")}
    return {**judged(found["looks"]), **found, "beside": beside}


def judged(looks: list[dict[str, Any]]) -> dict[str, Any]:
    """All cells jointly: the smallest p-value of "alarms more often than the level", adjusted by Holm."""
    cells = pooled(looks)
    adjusted = {level: holm([one[f"excess_{level}"] for one in cells]) if cells else np.ones(1) for level in LEVELS}
    smallest = {f"smallest_adjusted_p_at_{level}": float(found.min()) for level, found in adjusted.items()}
    return {"cells": len(cells), **smallest}


def pooled(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per cell: shards with other seeds count by their looks."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in looks:
        cells[tuple(one[name] for name in _CELL)].append(one)
    return [_pool(cell, shards) for cell, shards in cells.items()]


def _pool(cell: tuple[Any, ...], shards: list[dict[str, Any]]) -> dict[str, Any]:
    if len(shards) == 1:
        return shards[0]
    weights = np.array([one["looks"] for one in shards]) / sum(one["looks"] for one in shards)
    found = dict(zip(_CELL, cell, strict=True)) | {"looks": sum(one["looks"] for one in shards)}
    for level in LEVELS:
        share = float(weights @ [one[f"below_{level}"] for one in shards])
        error = float(np.linalg.norm(weights * [one[f"error_{level}"] for one in shards]))
        excess = float(norm.sf((share - level) / error)) if error else float(share <= level)
        found |= {f"below_{level}": share, f"error_{level}": error, f"excess_{level}": excess}
    return found


def tables(found: Found) -> dict[str, str]:
    """Markdown by the name of its place in docs/drift.md; only of the parts that were run."""
    return {name: make() for name, make in makers(found).items() if found[name.split("-")[-1]]}


def makers(found: Found) -> dict[str, Callable[[], str]]:
    """What makes each table, by the name of its place."""
    power, pictures = rates(found["power"]), rates(found["pictures"])
    watched = watches(found["delay"])
    return {
        "looks": lambda: f"{_joint(found['looks'])}\n\n{_looks_table(found['looks'])}",
        "lasting": lambda: _looks_table(found["lasting"]),
        "ticks": lambda: f"{_ticks_table(found['ticks'])}\n\n{_single_looks_table(found['ticks'])}",
        "alarms": lambda: alarms_table(found["alarms"]),
        "held-alarms": lambda: held_table(found["alarms"]),
        "power": lambda: f"{rates_table(power)}\n\n{_seconds(found['power'])}",
        "beside-power": lambda: gaps_table(power),
        "pictures": lambda: rates_table(pictures),
        "beside-pictures": lambda: gaps_table(pictures),
        "larger": lambda: rates_table(rates(found["larger"])),
        "independent-delay": lambda: delay_table(watched, "independent", exceeded(found["delay"])),
        "bursty-delay": lambda: delay_table(watched, "bursty", exceeded(found["delay"])),
        "beside-delay": lambda: gains_table(watched),
        "intervals": lambda: intervals.table(found["intervals"]),
        "cost": lambda: _cost_table(found["cost"]),
        "scale": lambda: _scale_table(found["scale"]),
    }


def write(found: Found, page: Path) -> None:
    """Put each table between the marks that name its place.

    Raises:
        ValueError: the page has no such place.
    """
    text = page.read_text()
    for name, table in tables(found).items():
        place = re.compile(rf"(<!-- measured: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise ValueError(f"{page} has no place for {name!r}: <!-- measured: {name} --> ... <!-- end -->")
        text = place.sub(lambda marks, table=table: f"{marks[1]}{table}{marks[2]}", text)  # type: ignore[misc]
    page.write_text(text)


def _joint(looks: list[dict[str, Any]]) -> str:
    """What is said of all cells of the table together."""
    cells, found = pooled(looks), judged(looks)
    references = sorted({one["references"] for one in looks})
    adjusted = " and ".join(f"{found[f'smallest_adjusted_p_at_{level}']:.2f} at {level:.0%}" for level in LEVELS)
    total = sum(one["looks"] for one in cells)
    alarms = {level: sum(one["looks"] * one[f"below_{level}"] for one in cells) / total for level in LEVELS}
    return (
        f"{total:,} looks in {len(cells)} cells, under {references[0]} to {references[-1]} references each; in all "
        f"{' and '.join(f'{share:.2%} alarmed at {level:.0%}' for level, share in alarms.items())}. Judged over all "
        'cells jointly (t-test over references, Holm), the smallest adjusted p-value of "more often than nominal" is '
        f"{adjusted}."
    )


def _ticks_table(ticks: list[dict[str, Any]]) -> str:
    """Shares over all shards of a kind of traffic, weighted by their ticks."""
    lines = [
        "| traffic | ticks | with a finding at 1% / 5% | with a persistent one at 1% / 5% | days with a ticket |",
        "|---|---|---|---|---|",
    ]
    for traffic in sorted({one["traffic"] for one in ticks}):
        shards = [one for one in ticks if one["traffic"] == traffic]
        sizes = [one["ticks"] for one in shards]
        shown = [
            " / ".join(
                f"{100 * np.average([one[f'{kind}_{level}'] for one in shards], weights=sizes):.1f}" for level in LEVELS
            )
            for kind in ("ticks_with_a_finding", "ticks_with_a_persistent_finding", "days_with_a_ticket")
        ]
        lines.append(f"| {traffic} | {sum(sizes):,} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _single_looks_table(ticks: list[dict[str, Any]]) -> str:
    """Of the same ticks, each comparison by itself."""
    kinds = sorted({one["traffic"] for one in ticks})
    lines = ["| single looks | number | " + " | ".join(f"{kind}, 1% / 5%" for kind in kinds) + " |", "|---" * 5 + "|"]
    for name in ticks[0]["single_looks"]:
        by_kind = [[one["single_looks"][name] for one in ticks if one["traffic"] == kind] for kind in kinds]
        fewest = min(sum(one["looks"] for one in same) for same in by_kind)
        lines.append(f"| {name} | {fewest:,} | {' | '.join(_pooled_shares(same) for same in by_kind)} |")
    return "\n".join(lines)


def _pooled_shares(same: list[dict[str, Any]]) -> str:
    looks = [one["looks"] for one in same]
    return " / ".join(
        f"{100 * np.average([one[f'below_{level}'] for one in same], weights=looks):.1f}" for level in LEVELS
    )


def _seconds(shards: list[dict[str, Any]]) -> str:
    """Seconds a look of each tester, loading its libraries included; and who took too long."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in shards:
        if "seconds" in one:
            spent[one["tester"]][0] += one["seconds"]
            spent[one["tester"]][1] += sum(len(judged["alarm"]) for judged in one["cells"].values())
    each = sorted((total / looks, name) for name, (total, looks) in spent.items())
    skipped = [f"{one['tester']} {one['skipped']}" for one in shards if "skipped" in one]
    seeds = sorted({one["seed"] for one in shards})
    return (
        f"Seconds a look, in the same run: {', '.join(f'{name} {seconds:.2f}' for seconds, name in each)}"
        f"{''.join(f'; {one}' for one in skipped)}. Seeds {', '.join(map(str, seeds))}."
    )


def _scale_table(scale: list[dict[str, Any]]) -> str:
    """Seconds and peak memory by rows of each window; what exceeded a limit says so."""
    rows = sorted({size["rows"] for one in scale for size in one["sizes"]})
    lines = ["| | " + " | ".join(f"2 x {n:,}" for n in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for one in sorted(scale, key=lambda one: (not one["tester"].startswith("snellen"), one["tester"])):
        by_rows = {size["rows"]: size for size in one["sizes"]}
        shown = [_spent(by_rows[n]) if n in by_rows else "" for n in rows]
        lines.append(f"| {one['tester']} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _spent(size: dict[str, Any]) -> str:
    if "exceeded" in size:
        # What it says when it may not have as much memory as it asks for; the rest is words already.
        return "more memory than the limit" if "MemoryError" in size["exceeded"] else str(size["exceeded"])
    return f"{size['seconds']:.2g} s, {size['peak_mb'] / 1000:.1f} GB"


def _cost_table(cost: list[dict[str, Any]]) -> str:
    """The newest measurement, as it names its figures."""
    lines = ["| 512-d, one thread, time of the processor | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name.replace('_', ' ')} | {value:,} |" for name, value in cost[-1].items())])


def _looks_table(looks: list[dict[str, Any]]) -> str:
    cells: dict[tuple[str, str, int], dict[int, str]] = defaultdict(dict)
    for one in sorted(pooled(looks), key=lambda one: (one["traffic"], one["current"], one["per_window"])):
        key = one["traffic"], f"{one['windows']} x {one['per_window']:,}", one["current"]
        cells[key][one["dimension"]] = f"{100 * one['below_0.01']:.1f} / {100 * one['below_0.05']:.1f}"
    lines = ["| traffic | reference | window | 1-d | 64-d | 512-d |", "|---|---|---|---|---|---|"]
    for (kind, size, current), by_dimension in cells.items():
        row = " | ".join(by_dimension.get(dimension, "") for dimension in (1, 64, 512))
        lines.append(f"| {kind} | {size} | {current:,} | {row} |")
    return "\n".join(lines)
