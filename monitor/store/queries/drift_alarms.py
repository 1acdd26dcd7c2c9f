"""Alarms of drift: one stream and slice that drifted at ticks in a row, and what people said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.stats.proportions import Proportion
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody said of an alarm; the newest counts."""

    useful: bool
    actor: str
    comment: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """Drift at `ticks` full hours in a row, the first at `since`, the last at `until`."""

    reference_id: int
    model: str
    stream: str
    slice: Slice
    since: datetime
    until: datetime
    ticks: int
    adjusted_p: float
    """The smallest of them."""
    judgement: Judgement | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How alarms were judged, beside what was promised."""

    alarms: int
    not_useful: Proportion
    """Of those that were judged."""
    promised: float | None
    """At most this share of a model's ticks has a false finding where nothing drifts."""


# Where the window's first hour drifted, the ticks before belong to it as well, back to the last that did not drift.
_ALARMS = text("""
    WITH within AS (
        SELECT reference_id, dimension, value, tick, adjusted_p
        FROM drift_results WHERE verdict = 'drift' AND tick >= :start AND tick < :end
    ), drifted AS (
        SELECT * FROM within UNION ALL
        SELECT first.reference_id, first.dimension, first.value, earlier.tick, earlier.adjusted_p
        FROM within AS first CROSS JOIN LATERAL (
            SELECT tick, adjusted_p FROM drift_results AS d
            WHERE d.reference_id = first.reference_id AND d.dimension = first.dimension AND d.value = first.value
              AND d.tick < :start AND d.tick > coalesce((
                  SELECT max(tick) FROM drift_results AS quiet
                  WHERE quiet.reference_id = first.reference_id AND quiet.dimension = first.dimension
                    AND quiet.value = first.value AND quiet.tick < :start AND quiet.verdict <> 'drift'
              ), '-infinity')
        ) AS earlier WHERE first.tick < CAST(:start AS timestamptz) + interval '1 hour'
    ), gaps AS (
        SELECT *, tick - lag(tick) OVER each > interval '1 hour' AS begins
        FROM drifted WINDOW each AS (PARTITION BY reference_id, dimension, value ORDER BY tick)
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY reference_id, dimension, value ORDER BY tick) AS run
        FROM gaps
    ), alarms AS (
        SELECT reference_id, dimension, value, min(tick) AS since, max(tick) AS until, count(*) AS ticks,
               min(adjusted_p) AS adjusted_p
        FROM numbered GROUP BY reference_id, dimension, value, run HAVING max(tick) >= :start
    )
    SELECT a.*, r.model, r.stream, j.useful, j.actor, j.comment, j.at
    FROM alarms a JOIN drift_references r ON r.id = a.reference_id LEFT JOIN LATERAL (
        SELECT useful, actor, comment, at FROM drift_judgements AS said
        WHERE said.reference_id = a.reference_id AND said.dimension = a.dimension AND said.value = a.value
          AND said.since BETWEEN a.since AND a.until
        ORDER BY id DESC LIMIT 1
    ) AS j ON true
    WHERE CAST(:model AS text) IS NULL OR r.model = :model
    ORDER BY a.since DESC, r.model, r.stream, a.dimension, a.value
""")
_LEVEL = text("""
    SELECT CAST(detail ->> 'alpha' AS float8) FROM drift_results JOIN drift_references r ON r.id = reference_id
    WHERE tick >= :start AND tick < :end AND (CAST(:model AS text) IS NULL OR r.model = :model)
    ORDER BY tick DESC LIMIT 1
""")


def drift_alarms(connection: Connection, window: Window, model: str | None = None) -> list[Alarm]:
    """Alarms with a tick in the window, the newest first; one that began before it is whole."""
    rows = connection.execute(_ALARMS, bounds(window) | {"model": model})
    return [
        Alarm(
            row.reference_id, row.model, row.stream, Slice(row.dimension, row.value), row.since, row.until, row.ticks,
            row.adjusted_p, None if row.useful is None else Judgement(row.useful, row.actor, row.comment, row.at),
        )
        for row in rows
    ]  # fmt: skip


def promised_level(connection: Connection, window: Window, model: str | None = None) -> float | None:
    """The level of the window's last tick, see `Tally.promised`; None where nothing was compared."""
    found: float | None = connection.execute(_LEVEL, bounds(window) | {"model": model}).scalar()
    return found


def tally(alarms: Sequence[Alarm], promised: float | None) -> Tally:
    """How many were judged not useful, of those that were judged at all."""
    judged = [one.judgement for one in alarms if one.judgement is not None]
    return Tally(len(alarms), Proportion(sum(not one.useful for one in judged), len(judged)), promised)
