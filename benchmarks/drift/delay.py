"""How long a change goes unseen on a stream: rows arrive, it begins at a random one, looks are taken at ticks."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.drift.traffic import Clip, Rows, changes
from monitor.domain.results import DriftVerdict
from monitor.drift.compare import LEVEL, compare
from monitor.drift.persistence import LOOKS, persists
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch

ROWS_PER_HOUR = 100
"""Sampled; a window is an hour, and so is a tick."""

BEFORE, AFTER = 24, 24
"""Hours of unchanged traffic, and hours after which a change counts as not found."""


def delays(dimension: int, seed: int, *, references: int, per_window: int = ROWS_PER_HOUR) -> dict[str, Any]:
    """Change -> rows from its first one to the verdict that persists, None where there was none in `AFTER` hours."""
    world = Clip(dimension, seed)
    altered = changes(world)
    found: dict[str, list[int | None]] = {name: [] for name in altered}
    false = streams = 0
    for _ in range(references):
        rows = world.draw(24 * per_window)
        reference = build(rows, np.arange(len(rows)) // per_window, "bench")
        for name, draw in altered.items():
            usual = [_alarms(reference, world.draw(per_window)) for _ in range(BEFORE)]
            false += any(_persists(usual[: hour + 1]) for hour in range(BEFORE))
            streams += 1
            begins = int(world.rng.integers(per_window))  # within the first hour of the change
            first = np.concatenate([world.draw(begins), draw(per_window - begins, 0.0)])
            found[name].append(_delay(reference, first, lambda d=draw: d(per_window, 0.0), usual, begins))
    return {
        "dimension": dimension,
        "seed": seed,
        "per_window": per_window,
        "streams_unchanged": streams,
        "false_alarms_in_24_hours": false,
        "rows_to_verdict": found,
    }


def _delay(reference: Reference, first: Rows, more: Any, usual: list[bool], begins: int) -> int | None:
    size = len(first)
    alarms = usual[-LOOKS + 1 :]
    for hour in range(AFTER):
        alarms.append(_alarms(reference, first if hour == 0 else more()))
        if _persists(alarms):
            return (hour + 1) * size - begins
    return None


def _alarms(reference: Reference, rows: Rows) -> bool:
    fit = reference.fit
    p_value = compare(fit, reference.baseline, sketch(rows, fit), reference.dispersion).p_value
    if p_value is None:
        raise RuntimeError("no p-value")
    return p_value < LEVEL


def _persists(alarms: list[bool]) -> bool:
    return persists([DriftVerdict.DRIFT if alarm else DriftVerdict.NO_DRIFT for alarm in alarms])
