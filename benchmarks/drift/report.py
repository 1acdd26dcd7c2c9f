"""What the shards say: rates, a joint judgement, tables and plots."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks.drift.levels import LEVELS, holm

_CELL = ("dimension", "traffic", "windows", "per_window", "current")

Found = dict[str, list[dict[str, Any]]]

NULL = "unchanged, independent"
NULLS = (NULL, ": unchanged", ": pairs unchanged")
HOLDS = 0.15
"""A tester holds its nominal 5% in a kind of traffic if no more of the unchanged looks alarm than this: a level of 5%
with the luck of a few dozen looks. What alarms more often is not a test there, and its power does not count."""


def read(folder: Path) -> Found:
    """Shards by part."""
    found: Found = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        found[path.stem.split("-")[0]].append(json.loads(path.read_text()))
    return found


def summary(found: Found) -> dict[str, Any]:
    both = {part: powers(found[part]) for part in ("power", "pictures")}
    behind = {part: ahead_of_us(power) for part, power in both.items()}
    return {**judged(found["looks"]), **found, **both, "behind": behind}


def judged(looks: list[dict[str, Any]]) -> dict[str, Any]:
    """All cells jointly: the smallest p-value of "alarms more often than the level", adjusted by Holm."""
    cells = pooled(looks)
    return {
        "cells": len(cells),
        **{
            f"smallest_adjusted_p_at_{level}": min(holm([one[f"excess_{level}"] for one in cells]), default=1.0)
            for level in LEVELS
        },
    }


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
        excess = float(norm.sf((share - level) / error)) if error else 1.0
        found |= {f"below_{level}": share, f"error_{level}": error, f"excess_{level}": excess}
    return found


def powers(shards: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Cell -> tester -> looks, share of alarms (nominal 5% where the tester has a level), share below 1%."""
    answers: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(lambda: {"p": [], "alarm": []}))
    for one in shards:
        for cell, judged_there in one.get("cells", {}).items():
            answers[cell][one["tester"]]["p"] += judged_there["p"]
            answers[cell][one["tester"]]["alarm"] += judged_there["alarm"]
    return {cell: {tester: _rates(**both) for tester, both in sorted(found.items())} for cell, found in answers.items()}


def _rates(p: list[float | None], alarm: list[bool]) -> dict[str, Any]:
    known = [one for one in p if one is not None]
    below = round(float(np.mean(np.array(known) < 0.01)), 3) if known else None
    return {"looks": len(alarm), "alarms": round(float(np.mean(alarm)), 3), "below_0.01": below}


def beside(power: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each cell with a change and each tester of ours, beside the best peer that holds its level in such traffic."""
    quiet = {
        world: {name for name, one in power[cell].items() if one["alarms"] <= HOLDS}
        for world, cell in ((_world(cell), cell) for cell in power if cell.endswith(NULLS))
    }
    found = []
    for cell, by_tester in power.items():
        peers = [name for name in by_tester if not name.startswith("snellen") and name in quiet.get(_world(cell), ())]
        if not peers or "unchanged" in cell:
            continue
        best = max(peers, key=lambda name: by_tester[name]["alarms"])
        for ours in (name for name in by_tester if name.startswith("snellen")):
            gap = by_tester[ours]["alarms"] - by_tester[best]["alarms"]
            error = float(np.hypot(_error(by_tester[best]), _error(by_tester[ours])))
            found.append({"cell": cell, "ours": ours, "peer": best, "gap": round(gap, 3), "error": error})
    return found


def ahead_of_us(power: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Of those, where the peer is ahead by more than two standard errors."""
    return [one for one in beside(power) if one["gap"] < -2 * one["error"]]


def _world(cell: str) -> str:
    """What a cell's arrays were drawn from: a peer must hold its level there for its power to count."""
    world, colon, rest = cell.partition(":")
    if "pair" in rest:
        return f"{world} pairs"
    return world if colon else ""


def _error(one: dict[str, Any]) -> float:
    """Standard error of a share, with half an alarm and half a silence added so that 0 and 1 have one too."""
    looks = one["looks"]
    share = (one["alarms"] * looks + 0.5) / (looks + 1)
    return float(np.sqrt(share * (1 - share) / looks))


def tables(found: Found) -> str:
    """Markdown for docs/drift.md."""
    both = [powers(found[part]) for part in ("power", "pictures")]
    power = [table for one in both for table in (_power_table(one), _beside_table(one))]
    parts = _looks_table(found["looks"]), *power, _delay_table(found["delay"]), _scale_table(found["scale"])
    return "\n\n".join(parts)


def _beside_table(power: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Ours less the best peer that holds its level, in points, with the standard error of the difference."""
    cells: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for one in beside(power):
        cells[one["cell"]][one["ours"]] = one
    names = sorted({name for found in cells.values() for name in found})
    lines = ["| | best peer | its alarms | " + " | ".join(f"{name}, less it" for name in names) + " |"]
    lines.append("|---" * (3 + len(names)) + "|")
    for cell, found in cells.items():
        best = next(iter(found.values()))["peer"]
        shown = [_gap(found[name]) if name in found else "" for name in names]
        alarms = power[cell][best]
        lines.append(
            f"| {cell} | {best} | {100 * alarms['alarms']:.0f} of {alarms['looks']} looks | {' | '.join(shown)} |"
        )
    return "\n".join(lines)


def _gap(one: dict[str, Any]) -> str:
    return f"{100 * one['gap']:+.0f} ± {100 * one['error']:.0f}"


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
        return str(size["exceeded"])
    return f"{size['seconds']:.2g} s, {size['peak_mb'] / 1000:.1f} GB"


def _delay_table(delay: list[dict[str, Any]]) -> str:
    """Median and 90% quantile of rows and hours; a stream in which nothing was found counts as longer than any."""
    rows: dict[str, list[float]] = defaultdict(list)
    for one in delay:
        for change, found in one["rows_to_verdict"].items():
            rows[change] += [np.inf if count is None else count / one["per_window"] for count in found]
    lines = ["| change | streams | found within 24 hours | hours, median | hours, 9 in 10 |", "|---|---|---|---|---|"]
    for change, hours in rows.items():
        middle, late = (float(np.quantile(hours, share, method="higher")) for share in (0.5, 0.9))
        shown = [f"{one:.1f}" if np.isfinite(one) else "over 24" for one in (middle, late)]
        lines.append(f"| {change} | {len(hours)} | {np.isfinite(hours).mean():.0%} | {shown[0]} | {shown[1]} |")
    return "\n".join(lines)


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


def _power_table(power: dict[str, dict[str, dict[str, Any]]]) -> str:
    testers = sorted({tester for found in power.values() for tester in found})
    testers.sort(key=lambda name: not name.startswith("snellen"))
    lines = ["| | " + " | ".join(testers) + " |", "|---" * (len(testers) + 1) + "|"]
    for cell, found in power.items():
        shown = [f"{100 * found[name]['alarms']:.0f}" if name in found else "" for name in testers]
        lines.append(f"| {cell} | " + " | ".join(shown) + " |")
    looks = [min(found[name]["looks"] for found in power.values() if name in found) for name in testers]
    lines.append("| looks at a change | " + " | ".join(map(str, looks)) + " |")
    return "\n".join(lines)


# ---- plots ---------------------------------------------------------------------------------------------------------

_COLOURS = {"snellen": "#1668dc", "snellen_arrays": "#69b1ff"}
_GREY = "#8c8c8c"


def plots(found: Found, folder: Path) -> None:
    """`drift-power.svg`: every tester's share of alarms in every cell."""
    power = powers(found["power"])
    if power:
        (folder / "drift-power.svg").write_text(_dots(power))


def _dots(power: dict[str, dict[str, dict[str, Any]]]) -> str:
    """A line for each cell; a dot for each tester, hollow where it does not hold its level on independent traffic."""
    left, width, step = 230, 480, 26
    loud = {name for name, one in power.get(NULL, {}).items() if one["alarms"] > HOLDS}
    parts = []
    for row, (cell, found) in enumerate(power.items()):
        y = 40 + row * step
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{cell}</text>')
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#e5e5e5"/>')
        for name, one in sorted(found.items(), key=lambda item: item[0].startswith("snellen")):
            x, colour = left + width * one["alarms"], _COLOURS.get(name, _GREY)
            fill = "none" if name in loud else colour
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{fill}" stroke="{colour}" fill-opacity="0.8">'
                f"<title>{name}: {one['alarms']:.0%} of {one['looks']}</title></circle>"
            )
    parts += [
        f'<text x="{left + width * tick:.0f}" y="22" text-anchor="middle">{100 * tick:.0f}%</text>'
        for tick in (0, 0.05, 0.25, 0.5, 0.75, 1)
    ]
    height = 60 + len(power) * step
    legend = "blue: Snellen (light: raw arrays); grey: peers; hollow: alarms on more than 15% of unchanged looks"
    parts.append(f'<text x="20" y="{height - 8}" fill="#595959">{legend}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {height}" font-family="sans-serif"'
    )
    return f'{head} font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
