"""Sampling plans: rates of the label sampler, each from a whole hour of event time on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.sampling import LabelPlan
from monitor.store.json_parameters import Json
from monitor.store.queries.confidences import SUM_OF_BINS

_READ = text("SELECT version, effective_from, base_rate, boost, factors FROM sampling_plans ORDER BY effective_from")
_INSERT = text("""
    INSERT INTO sampling_plans (effective_from, base_rate, boost, factors, detail)
    VALUES (:effective_from, :base_rate, :boost, :factors, :detail) ON CONFLICT DO NOTHING
""")
_VOLUMES = text(f"""
    SELECT dimension, value, sum(ok)::bigint AS ok, {SUM_OF_BINS} AS confidence FROM rollups_minute
    WHERE minute >= :start AND minute < :end GROUP BY dimension, value ORDER BY dimension, value
""")


@dataclass(frozen=True, slots=True)
class Counted:
    """Ok answers of a window, by slice value, and predictions by bin of confidence."""

    slice: Slice
    ok: int
    confidence: Sequence[int]


def stored_plans(connection: Connection) -> list[LabelPlan]:
    """All of them, by time."""
    return [
        LabelPlan(
            base_rate=row.base_rate,
            boost=row.boost,
            factors={(dimension, value): factor for dimension, value, factor in row.factors},
            version=row.version,
            effective_from=row.effective_from,
        )
        for row in connection.execute(_READ)
    ]


def insert_plan(connection: Connection, plan: LabelPlan, detail: dict[str, Any]) -> bool:
    """Store a plan; False when there is one from that hour on already. The database gives its version."""
    factors = [[*key, factor] for key, factor in sorted(plan.factors.items())]
    given = {
        "effective_from": plan.effective_from, "base_rate": plan.base_rate, "boost": plan.boost,
        "factors": Json(factors), "detail": Json(detail),
    }  # fmt: skip
    return connection.execute(_INSERT, given).rowcount == 1


def counted(connection: Connection, window: Window) -> list[Counted]:
    """What the minute rollups of a window say; all traffic comes first."""
    rows = connection.execute(_VOLUMES, {"start": window.start, "end": window.end})
    return [Counted(Slice(row.dimension, row.value), row.ok, row.confidence) for row in rows]


def first_counted_minute(connection: Connection, window: Window) -> datetime | None:
    """When the traffic of the window begins."""
    query = text("SELECT min(minute) FROM rollups_minute WHERE minute >= :start AND minute < :end")
    found: datetime | None = connection.execute(query, {"start": window.start, "end": window.end}).scalar()
    return found
