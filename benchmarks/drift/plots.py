"""The tables of power and of false alarms as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.drift.alarms import Cell
from benchmarks.drift.beside import UNCHANGED, Rates, is_ours

_COLOURS = {"snellen": "#1668dc", "snellen_arrays": "#69b1ff"}
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
