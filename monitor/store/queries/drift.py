"""Drift references and what was found against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.results import DriftVerdict
from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.stats.intervals import Interval
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class Reference:
    """The traffic that a stream is compared with."""

    id: int
    model: str
    stream: str
    embedder: str
    """Fingerprint."""
    blessed: bool
    active: bool
    window: Window
    rows: int
    created_at: datetime
    replaces: str | None
    """The embedder before, where this reference is the first of its own: a new baseline, no drift."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison of a window [`window_start`, `tick`) with a reference; `n` rows were in the window."""

    reference_id: int
    model: str
    stream: str
    slice: Slice
    tick: datetime
    window_start: datetime
    n: int
    verdict: DriftVerdict
    p_value: float | None
    adjusted_p: float | None
    effect: float | None
    """How far the loudest detector's features moved, 0.5 to 1; see `monitor.domain.results.DriftResult`."""
    effect_interval: Interval | None
    """Of 95%; None in what was stored before there was one, as for the distance."""
    distance: float | None
    distance_interval: Interval | None
    smallest_distance: float | None
    """Shift of the mean that this n would have found in 8 cases of 10, in standard deviations of single rows."""
    detector: str | None
    """The one with the smallest p-value."""
    alpha: float | None
    """Level of the test, over all streams and slices of the tick."""
    n_reference: int | None
    reason: str
    """Why there is no verdict; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Unfitted:
    """A stream of which no reference could be made of the `rows` in `window`, or not until lately."""

    model: str
    stream: str
    embedder: str
    """Fingerprint."""
    window: Window
    rows: int
    reason: str
    constant_until: datetime | None
    """Before, all of its rows were the same."""
    compared_since: datetime | None
    """End of the traffic that its first reference was made of; None: there is none yet, and it is not compared."""


_UNFITTED = """
    SELECT u.model, u.stream, e.fingerprint AS embedder, u.window_start, u.window_end, u.rows, u.reason,
           u.constant_until, r.window_end AS compared_since
    FROM unfitted_streams AS u JOIN embedders AS e ON e.id = u.embedder_id
    LEFT JOIN drift_references AS r
           ON r.model = u.model AND r.stream = u.stream AND r.embedder_id = u.embedder_id AND r.active
"""
_REFERENCES = """
    SELECT id, model, stream, embedder, blessed, active, window_start, window_end, rows, created_at,
           CASE WHEN nth = 1 THEN earlier END AS replaces
    FROM (
        SELECT r.*, e.fingerprint AS embedder,
               lag(e.fingerprint) OVER (PARTITION BY model, stream ORDER BY r.id) AS earlier,
               row_number() OVER (PARTITION BY model, stream, embedder_id ORDER BY r.id) AS nth
        FROM drift_references AS r JOIN embedders AS e ON e.id = r.embedder_id
    ) AS known
"""
_FINDINGS = """
    SELECT reference_id, r.model, r.stream, dimension, value, tick, d.window_start, n, verdict,
           p_value, adjusted_p, effect, detail
    FROM drift_results AS d JOIN drift_references AS r ON r.id = d.reference_id
"""


def references(connection: Connection, model: str | None = None, stream: str | None = None) -> list[Reference]:
    """All references, active ones first, then the newest."""
    chosen = {name: value for name, value in (("model", model), ("stream", stream)) if value is not None}
    conditions = "".join(f" AND {name} = :{name}" for name in chosen)
    query = text(f"{_REFERENCES} WHERE true{conditions} ORDER BY active DESC, model, stream, id DESC")
    rows = connection.execute(query, chosen).mappings()
    return [_reference(dict(row)) for row in rows]


def unfitted(connection: Connection, model: str | None = None) -> list[Unfitted]:
    """Streams that could not be fitted, those that are not compared first."""
    condition = "WHERE u.model = :model" if model is not None else ""
    query = text(f"{_UNFITTED} {condition} ORDER BY r.window_end NULLS FIRST, u.model, u.stream, e.fingerprint")
    rows = connection.execute(query, {} if model is None else {"model": model}).mappings()
    return [
        Unfitted(
            row["model"], row["stream"], row["embedder"], Window(row["window_start"], row["window_end"]), row["rows"],
            row["reason"], row["constant_until"], row["compared_since"],
        )
        for row in rows
    ]  # fmt: skip


def findings(
    connection: Connection,
    window: Window,
    model: str | None = None,
    stream: str | None = None,
    *,
    slices: bool = False,
) -> list[Finding]:
    """Results whose tick lies in the window, in time order: of all traffic, or of the slices."""
    chosen = {name: value for name, value in (("model", model), ("stream", stream)) if value is not None}
    conditions = "dimension <> ''" if slices else "dimension = ''"
    conditions += "".join(f" AND r.{name} = :{name}" for name in chosen)
    query = text(f"""
        {_FINDINGS} WHERE {conditions} AND tick >= :start AND tick < :end
        ORDER BY tick, r.model, r.stream, dimension, value
    """)
    return [_finding(dict(row)) for row in connection.execute(query, bounds(window) | chosen).mappings()]


def findings_overlapping(connection: Connection, window: Window, model: str | None = None) -> list[Finding]:
    """Results of all traffic and of slices whose compared window shares time with this one, in time order."""
    chosen = "AND r.model = :model" if model is not None else ""
    query = text(f"""
        {_FINDINGS} WHERE tick > :start AND d.window_start < :end {chosen}
        ORDER BY tick, r.model, r.stream, dimension, value
    """)
    given: dict[str, Any] = bounds(window) | ({"model": model} if model is not None else {})
    return [_finding(dict(row)) for row in connection.execute(query, given).mappings()]


def latest_findings(connection: Connection, at: datetime, model: str | None = None) -> list[Finding]:
    """The last result of every stream not after `at`, of all traffic."""
    chosen = "WHERE r.model = :model" if model is not None else ""
    query = text(f"""
        SELECT DISTINCT ON (r.model, r.stream) d.reference_id, r.model, r.stream, dimension, value, tick,
               d.window_start, n, verdict, p_value, adjusted_p, effect, detail
        FROM drift_references AS r CROSS JOIN LATERAL (
            SELECT * FROM drift_results
            WHERE reference_id = r.id AND dimension = '' AND value = '' AND tick <= :at ORDER BY tick DESC LIMIT 1
        ) AS d {chosen} ORDER BY r.model, r.stream, tick DESC, r.id DESC
    """)
    given: dict[str, Any] = {"at": at} | ({"model": model} if model is not None else {})
    return [_finding(dict(row)) for row in connection.execute(query, given).mappings()]


def _reference(row: dict[str, Any]) -> Reference:
    window = Window(row.pop("window_start"), row.pop("window_end"))
    return Reference(**row, window=window)


def _finding(row: dict[str, Any]) -> Finding:
    detail: dict[str, Any] = row.pop("detail")
    return Finding(
        **{name: row[name] for name in row if name not in ("dimension", "value", "verdict")},
        slice=Slice(row["dimension"], row["value"]),
        verdict=DriftVerdict(row["verdict"]),
        effect_interval=_interval(detail.get("effect_interval")),
        distance=detail.get("distance"),
        distance_interval=_interval(detail.get("distance_interval")),
        smallest_distance=detail.get("smallest_distance"),
        detector=detail.get("detector"),
        alpha=detail.get("alpha"),
        n_reference=detail.get("n_reference"),
        reason=detail.get("reason") or "",
    )


def _interval(stored: Sequence[float] | None) -> Interval | None:
    return None if stored is None else Interval(*stored)
