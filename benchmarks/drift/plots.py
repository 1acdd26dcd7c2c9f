"""The tables of power, of false alarms and of delays as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.alarms import Cell
from benchmarks.drift.beside import UNCHANGED, Rates, is_ours
from benchmarks.drift.delay import AFTER, CHANGES, KINDS, TESTERS
from benchmarks.drift.run_lengths import Watch, watches

_COLOURS = {"snellen": "#1668dc", "snellen_arrays": "#69b1ff", "snellen_3h": "#10239e"}
_GREY = "#8c8c8c"


def plot(found: Rates, path: Path) -> None:
    """A line for each cell; a dot for each tester, hollow where it does not hold its level in such traffic."""
    left, width, step = 290, 480, 26
    parts = []
    for row, (cell, by_tester) in enumerate(found.items()):
        y = 40 + row * step
        null = found[f"{cell.partition(': ')[0]}: {UNCHANGED}"]
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{cell}</text>')
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#e5e5e5"/>')
        for name, rate in sorted(by_tester.items(), key=lambda item: is_ours(item[0])):
            x, colour = left + width * rate.share, _COLOURS.get(name, _GREY)
            fill = "none" if name in null and not null[name].holds else colour
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{fill}" stroke="{colour}" fill-opacity="0.8">'
                f"<title>{name}: {rate.share:.0%} of {rate.looks}</title></circle>"
            )
    parts += [
        f'<text x="{left + width * tick:.0f}" y="22" text-anchor="middle">{100 * tick:.0f}%</text>'
        for tick in (0, 0.05, 0.25, 0.5, 0.75, 1)
    ]
    height = 60 + len(found) * step
    legend = "blue: Snellen (light: raw arrays); grey: peers; hollow: alarms on unchanged looks more often than 5%"
    parts.append(f'<text x="20" y="{height - 8}" fill="#595959">{legend}</text>')
    _save(parts, (left + width + 30, height), path)


def heat(judged: Sequence[Cell], path: Path) -> None:
    """A line for each tester, a square for each kind of traffic and size: the more false alarms, the redder."""
    left, top, width, height, gap = 160, 62, 48, 26, 18
    testers = list(dict.fromkeys(one.tester for one in judged))
    kinds = list(dict.fromkeys(one.traffic for one in judged))
    sizes = sorted({one.window for one in judged})
    parts = []
    for row, tester in enumerate(testers):
        weight = "bold" if is_ours(tester) else "normal"
        y = top + row * height + height / 2 + 4
        parts.append(f'<text x="{left - 10}" y="{y}" text-anchor="end" font-weight="{weight}">{tester}</text>')
    for index, kind in enumerate(kinds):
        x = left + index * (len(sizes) * width + gap)
        parts.append(f'<text x="{x + len(sizes) * width / 2}" y="24" text-anchor="middle">{kind}</text>')
        parts += [
            f'<text x="{x + (place + 0.5) * width}" y="46" text-anchor="middle" fill="#595959">{size:,}</text>'
            for place, size in enumerate(sizes)
        ]
        empty = len(sizes) * width, len(testers) * height
        parts.append(f'<rect x="{x}" y="{top}" width="{empty[0]}" height="{empty[1]}" fill="#f0f0f0"/>')
        parts += [
            _square(one, x + sizes.index(one.window) * width, top + testers.index(one.tester) * height, width, height)
            for one in judged
            if one.traffic == kind
        ]
    whole = left + len(kinds) * (len(sizes) * width + gap), top + len(testers) * height + 40
    legend = "unchanged windows that alarm at 5% or at the own threshold, in percent; grey: over a limit, or not run"
    parts.append(f'<text x="20" y="{whole[1] - 12}" fill="#595959">{legend}</text>')
    _save(parts, whole, path)


def _square(one: Cell, x: float, y: float, width: float, height: float) -> str:
    level, alarms = max(one.alarms.items())
    ink = "white" if alarms.share > 0.6 else "#262626"
    about = (
        f"{one.tester}, {one.traffic}, {one.window:,}: {alarms.share:.1%} ± {alarms.error:.1%} of {alarms.looks} looks"
    )
    held = "" if one.holds[level] else "; does not hold its level"
    return (
        f'<g><rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" fill="white"/>'
        f'<rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" fill="#c41d00" '
        f'fill-opacity="{0.9 * alarms.share:.2f}"/><text x="{x + width / 2}" y="{y + height / 2 + 4}" '
        f'text-anchor="middle" fill="{ink}">{100 * alarms.share:.0f}</text><title>{about}{held}</title></g>'
    )


def _save(parts: Sequence[str], size: tuple[float, float], path: Path) -> None:
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif"'
    path.write_text(f'{head} font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')


_PEERS = (
    *("#d4380d", "#fa8c16", "#ffc069", "#874d00", "#820014", "#eb2f96"),
    *("#bfbfbf", "#237804", "#7cb305", "#13c2c2", "#722ed1"),
)


def run_lengths(shards: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel for each change in independent traffic: mean hours until it is found over mean hours between false
    alarms, a mark for each tester and rule, and the line on which a tester lies that sees nothing."""
    watched = [one for one in watches(shards) if one.traffic == KINDS[0]]
    testers = list(dict.fromkeys(one.tester for one in watched))
    peers = sorted(one for one in TESTERS if not is_ours(one))
    colours = {**_COLOURS, **dict(zip(peers, _PEERS, strict=True))}
    panel, gap, top = (270, 190), (56, 64), 34
    parts = []
    for index, change in enumerate(CHANGES):
        x, y = gap[0] + index % 3 * (panel[0] + gap[0]), top + index // 3 * (panel[1] + gap[1])
        parts.append(f'<text x="{x + panel[0] / 2}" y="{y - 10}" text-anchor="middle">{change}</text>')
        parts += _axes(x, y, panel)
        for tester in sorted(testers, key=is_ours):
            parts += _trail([one for one in watched if one.tester == tester], change, colours[tester], (x, y), panel)
    whole = gap[0] + 3 * (panel[0] + gap[0]), top + 2 * (panel[1] + gap[1]) + 70
    for index, tester in enumerate(testers):
        x, y = 30 + index % 7 * (whole[0] - 40) // 7, whole[1] - 74 + index // 7 * 18
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4.5" fill="{colours[tester]}"/>')
        parts.append(f'<text x="{x + 9}" y="{y}">{tester}</text>')
    legend = (
        "across: mean hours between false alarms; up: mean hours until the change is found, at most 24",
        "each look at 5% (left end) and two of three at 1% (right end; at 5% where it gives no p-value); triangle: no "
        "false alarm seen, at least so long; grey line: sees nothing",
    )
    for row, text in enumerate(legend):
        parts.append(f'<text x="20" y="{whole[1] - 28 + 18 * row}" fill="#595959">{text}</text>')
    _save(parts, whole, path)


_LONGEST = 1_000.0
"""Hours at the right edge."""


def _place(between: float, mean: float, corner: tuple[float, float], panel: tuple[int, int]) -> tuple[float, float]:
    across = np.log(min(max(between, 1.0), _LONGEST)) / np.log(_LONGEST)
    return corner[0] + panel[0] * float(across), corner[1] + panel[1] * (1 - mean / AFTER)


def _axes(x: float, y: float, panel: tuple[int, int]) -> list[str]:
    parts = [f'<rect x="{x}" y="{y}" width="{panel[0]}" height="{panel[1]}" fill="#fafafa" stroke="#e5e5e5"/>']
    for hours in (1, 3, 10, 30, 100, 300, 1_000):
        tick = _place(hours, 0, (x, y), panel)[0]
        parts.append(
            f'<text x="{tick:.0f}" y="{y + panel[1] + 15}" text-anchor="middle" fill="#595959">{hours:,}</text>'
        )
    for hours in (0, 6, 12, 18, 24):
        tick = _place(1, hours, (x, y), panel)[1]
        parts.append(f'<text x="{x - 6}" y="{tick + 4:.0f}" text-anchor="end" fill="#595959">{hours}</text>')
        parts.append(f'<line x1="{x}" y1="{tick:.1f}" x2="{x + panel[0]}" y2="{tick:.1f}" stroke="#eeeeee"/>')
    blind = [_place(one, _blind(one), (x, y), panel) for one in np.geomspace(1, _LONGEST, 40)]
    line = " ".join(f"{across:.1f},{up:.1f}" for across, up in blind)
    return [*parts, f'<polyline points="{line}" fill="none" stroke="#bfbfbf" stroke-width="3"/>']


def _blind(between: float) -> float:
    """Mean hours, at most AFTER, until a look alarms by chance: an hour's look each, the first after half an hour."""
    chance = 1 / between
    looks = np.arange(1, AFTER + 1)
    law = chance * (1 - chance) ** (looks - 1)
    return float(law @ (looks - 0.5) + (1 - law.sum()) * AFTER)


def _trail(
    watched: Sequence[Watch], change: str, colour: str, corner: tuple[float, float], panel: tuple[int, int]
) -> list[str]:
    """One tester's marks, joined from one rule to the next."""
    parts, points = [], []
    for one in watched:
        usual, runs = one.unchanged, one.changes[change]
        silent = not usual.found
        between = usual.surely_between if silent else usual.between
        about = (
            f"{one.tester}, {one.judged}: {runs.mean:.1f} ± {runs.error:.1f} hours of {len(runs.hours)} streams, "
            f"{'over ' if silent else ''}{between:.0f} hours between false alarms"
        )
        x, y = _place(between, runs.mean, corner, panel)
        points.append(f"{x:.1f},{y:.1f}")
        shape = f'path d="M{x - 4:.1f} {y - 4:.1f} L{x + 5:.1f} {y:.1f} L{x - 4:.1f} {y + 4:.1f} Z"'
        shape = shape if silent else f'circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"'
        parts.append(f'<{shape} fill="{colour}"><title>{about}</title></{shape.split()[0]}>')
    width = 2 if colour in _COLOURS.values() else 1
    line = f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="{width}"'
    return [f'{line} stroke-opacity="0.6"/>', *parts]
