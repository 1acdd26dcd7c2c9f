"""The tables of power as a picture."""

from __future__ import annotations

from pathlib import Path

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
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {height}" font-family="sans-serif"'
    )
    path.write_text(f'{head} font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')
