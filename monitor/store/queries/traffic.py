"""Rate, status mix and latency of the traffic, from the minute rollups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.histograms import LATENCY_BINS
from monitor.domain.window import EPOCH, Window
from monitor.store.queries.latency import SUM_OF_BINS
from monitor.store.queries.selection import Selection, bounds

_NO_LATENCY = (0,) * LATENCY_BINS


@dataclass(frozen=True, slots=True)
class Traffic:
    """Predictions of some minutes by status."""

    ok: int = 0
    error: int = 0
    timeout: int = 0
    rejected: int = 0
    with_confidence: int = 0
    cost_usd: float = 0.0
    latency: tuple[int, ...] = _NO_LATENCY
    """Histogram of ok answers over `monitor.domain.histograms.LATENCY_BOUNDS_MS`."""

    @property
    def total(self) -> int:
        return self.ok + self.error + self.timeout + self.rejected

    @property
    def with_latency(self) -> int:
        return sum(self.latency)


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """The traffic of one bucket of a chart, which begins at `at`."""

    at: datetime
    traffic: Traffic


_SUMS = f"""
    coalesce(sum(ok), 0)::bigint AS ok, coalesce(sum(error), 0)::bigint AS error,
    coalesce(sum(timeout), 0)::bigint AS timeout, coalesce(sum(rejected), 0)::bigint AS rejected,
    coalesce(sum((SELECT sum(one) FROM unnest(confidence) AS one)), 0)::bigint AS with_confidence,
    coalesce(sum(cost_usd), 0) AS cost_usd, {SUM_OF_BINS} AS latency
"""
_FROM = "FROM rollups_minute WHERE dimension = '' AND minute >= :start AND minute < :end"


def total_traffic(connection: Connection, window: Window, selection: Selection) -> Traffic:
    """Everything whose minute begins within the window."""
    conditions, parameters = selection.of_rollups()
    query = text(f"SELECT {_SUMS} {_FROM}{conditions}")
    return _traffic(connection.execute(query, {**bounds(window), **parameters}).mappings().one())


def requests_by_model(connection: Connection, window: Window) -> dict[str, int]:
    """Of the models that have any."""
    query = text(f"SELECT model, sum(ok + error + timeout + rejected)::bigint AS requests {_FROM} GROUP BY model")
    return {row.model: row.requests for row in connection.execute(query, bounds(window))}


def traffic_over_time(
    connection: Connection, window: Window, selection: Selection, step: timedelta
) -> list[TrafficPoint]:
    """By bucket, in time order; buckets without traffic are left out."""
    conditions, parameters = selection.of_rollups()
    query = text(f"SELECT date_bin(:step, minute, :origin) AS at, {_SUMS} {_FROM}{conditions} GROUP BY 1 ORDER BY 1")
    rows = connection.execute(query, {**bounds(window), **parameters, "step": step, "origin": EPOCH}).mappings()
    return [TrafficPoint(row["at"], _traffic({name: row[name] for name in row if name != "at"})) for row in rows]


def _traffic(row: Any) -> Traffic:
    latency: Sequence[int] = row["latency"]
    return Traffic(**{**row, "latency": tuple(latency)})
