"""Which rows a reference is made of where more came than it needs: fewer windows, each of them unbroken.

What a window holds must be what a compared window will hold. Every second row of it will not do: a burst of four
near-duplicates becomes one of two, the reference then says that windows hardly vary, and unchanged traffic alarms
several times as often as promised (`tests/integration/test_busy_references.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import numpy as np
from sqlalchemy import Connection

from monitor.domain.window import HOUR, Window
from monitor.store import observations, vectors
from monitor.store.embeddings import EmbeddedPrediction
from monitor.store.observations import ObservedPrediction
from monitor.store.vectors import Source

MAX_ROWS: Final = 20_000
"""A reference of vectors rests on about so many rows: more only cost more."""
MAX_OBSERVED: Final = 75_000
"""One of fields on so many: 24 windows of 3 hours, as many of each hour as is looked at of current hours."""
LEAST_WINDOWS: Final = 24
"""Rather a stretch of each of so many windows than fewer of them: a third of them fit, and the others must tell how
much windows vary."""
Taken = dict[int, int]
"""Number of a window -> how many of its rows, at most."""


def window_number(ts: datetime, hours: int) -> int:
    """Of the window of whole `hours` in which a row lies, counted from the epoch (UTC)."""
    return int(ts.timestamp()) // 3600 // hours


def spread(counts: Mapping[int, int], most: int, hours: int) -> Taken:
    """Which windows of so many `hours` to take, and how many rows of each, so that there are at most `most`.

    `counts` rows came in each. All of them where they fit; else as many whole ones as do, or `LEAST_WINDOWS` of which
    each gives an equal part. Windows are drawn by lot, the same ones every time, and as many from each time of the day.
    """
    if sum(counts.values()) <= most:
        return dict(counts)
    whole = most * len(counts) // sum(counts.values())
    wanted = min(len(counts), max(whole, LEAST_WINDOWS))
    drawn: dict[int, list[int]] = defaultdict(list)
    for number in np.random.default_rng(1).permutation(sorted(counts)).tolist():
        drawn[number % max(1, 24 // hours)].append(number)
    by_round = sorted((place, number) for of in drawn.values() for place, number in enumerate(of))
    return {number: min(counts[number], most // wanted) for number in sorted(one for _, one in by_round[:wanted])}


def rows_of_vectors(connection: Connection, source: Source, window: Window, hours: int) -> list[EmbeddedPrediction]:
    """Of a source's vectors, oldest first, at most `MAX_ROWS`: of each window a stretch of time without a gap."""
    counts = vectors.counts(connection, source, window, hours)
    lot = np.random.default_rng(2)
    rows: list[EmbeddedPrediction] = []
    for number, taken in spread(counts, MAX_ROWS, hours).items():
        skipped = int(lot.integers(counts[number] - taken + 1))
        with closing(vectors.embedded(connection, source, _part(window, number * hours, hours))) as found:
            rows += islice(found, skipped, skipped + taken)
    return rows


def rows_of_fields(connection: Connection, model: str, window: Window, hours: int) -> list[ObservedPrediction]:
    """Of a model's stored predictions about `MAX_OBSERVED`, of each hour as many as are looked at of a current one.

    Of a window that gives a part, whole hours; at least one.
    """
    counted = observations.counted(connection, window, model)
    came = {window_number(hour, 1): n for (_, hour), n in sorted(counted.items())}
    looked_at: dict[int, dict[int, int]] = defaultdict(dict)
    for hour, n in came.items():
        looked_at[hour // hours][hour] = min(n, observations.MOST_ROWS)
    lot = np.random.default_rng(2)
    rows: list[ObservedPrediction] = []
    by_window = {number: sum(of.values()) for number, of in looked_at.items()}
    for number, taken in spread(by_window, MAX_OBSERVED, hours).items():
        for hour in _whole_hours(looked_at[number], taken, lot):
            found = observations.sample(connection, model, _start(hour), came[hour], observations.MOST_ROWS)
            rows += [row for row in found if window.start <= row.ts < window.end]
    return rows


def _whole_hours(rows: Mapping[int, int], most: int, lot: np.random.Generator) -> list[int]:
    """Hours drawn by lot until `most` rows are reached, in order; at least one."""
    hours = list(rows)
    if sum(rows.values()) <= most:
        return hours
    drawn: list[int] = []
    for place in lot.permutation(len(hours)).tolist():
        if drawn and sum(rows[one] for one in drawn) + rows[hours[place]] > most:
            break
        drawn.append(hours[place])
    return sorted(drawn)


def _part(window: Window, first_hour: int, hours: int) -> Window:
    """What of a window lies in so many hours from this one on."""
    start = _start(first_hour)
    return Window(max(start, window.start), min(start + hours * HOUR, window.end))


def _start(hour: int) -> datetime:
    return datetime.fromtimestamp(3600 * hour, UTC)
