"""Two weeks of labelled answers, written as they lie in the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, confidence_bins
from monitor.domain.window import DAY, HOUR
from monitor.services.review import week_of
from monitor.store.queries.slices import Dimension

WEEK = week_of("2026-W46")
AFTER = WEEK.end + DAY
DEVICE, REGION = Dimension("slice", "device"), Dimension("slice", "region")
Rows = list[dict[str, Any]]

VERDICT = text("""
    INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                          inclusion_probability, scorer, slices)
    VALUES (:request_id, :ts, :labelled_at, :model, '1', 'stable', 'vqa', :correct, :confidence, :pi, 'vqa', :slices)
""")
TASK = text("""
    INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability, model, answered_at, skipped_at)
    VALUES (:ts, :request_id, 'all', 0.1, 'm', :answered_at, :skipped_at)
""")
ROLLUP = text("""
    INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, timeout, rejected,
                                latency, confidence, cost_usd)
    VALUES (:minute, 'm', '1', 'stable', 'vqa', :dimension, :value, :ok, 0, 0, 0, :latency, :confidence, 0)
""")


def verdict(index: int, ts: datetime, *, correct: bool, pi: float = 0.1, **changes: Any) -> dict[str, Any]:
    slices = {"device": f"cam-{index % 3}", "region": f"r{index % 2}"}
    return {
        "request_id": f"r{index}", "ts": ts, "labelled_at": ts + HOUR, "model": "m", "correct": correct, "pi": pi,
        "confidence": 0.9, "slices": Jsonb(changes.pop("slices", slices)), **changes,
    }  # fmt: skip


def fill(connection: Connection, rng: np.random.Generator, n: int = 600) -> Rows:
    """n labelled answers over two weeks; cam-0 in r0 is bad in the second."""
    rows = []
    for index in range(n):
        ts = WEEK.start - 7 * DAY + index * 14 * DAY / n
        bad = index % 6 == 0 and ts >= WEEK.start
        pi = float(rng.choice([0.05, 0.1, 0.3]))
        rows.append(verdict(index, ts, correct=bool(rng.random() < (0.3 if bad else 0.9)), pi=pi))
    connection.execute(VERDICT, rows)
    return rows


def rollup(minute: datetime, counts: dict[float, int], dimension: str = "", value: str = "") -> dict[str, Any]:
    bins = [0] * CONFIDENCE_BINS
    for confidence, count in counts.items():
        bins[confidence_bins([confidence])[0]] += count
    return {
        "minute": minute, "dimension": dimension, "value": value, "ok": sum(counts.values()),
        "latency": [0] * LATENCY_BINS, "confidence": bins,
    }  # fmt: skip


def confident(connection: Connection, rng: np.random.Generator) -> None:
    """Five weeks in which an answer with confidence 0.6 is right half of the times, one with 0.95 always but for 5%.

    In the last week the share of unsure answers rises from a fifth to a half, of which labels say nothing yet.
    """
    rows, rollups = [], []
    for day in range(35):
        unsure = 0.5 if day >= 28 else 0.2
        ts = WEEK.start + (day - 28) * DAY
        counts = {0.6: round(2000 * unsure), 0.95: round(2000 * (1 - unsure))}
        rollups += [rollup(ts + HOUR, counts), rollup(ts + HOUR, counts, "device", "cam-0")]
        for index in range(60):
            confidence = 0.6 if rng.random() < unsure else 0.95
            right = bool(rng.random() < (0.5 if confidence == 0.6 else 0.95))
            rows.append(verdict(1000 * day + index, ts + HOUR, correct=right, confidence=confidence, pi=0.03))
    connection.execute(VERDICT, rows)
    connection.execute(ROLLUP, rollups)


def silent(connection: Connection) -> None:
    """A third as many answers as `confident` writes, without a confidence, all wrong where labelled."""
    for day in range(7):
        ts = WEEK.start + day * DAY + 2 * HOUR
        wrong = {"correct": False, "confidence": None, "pi": 0.03}
        connection.execute(VERDICT, [verdict(90_000 + 100 * day + index, ts, **wrong) for index in range(20)])
        connection.execute(ROLLUP, [{**rollup(ts, {}), "ok": 667}])
