"""Drift references and what was found against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from monitor.domain.results import DriftVerdict
from monitor.domain.slices import Slice
from monitor.domain.window import EPOCH, HOUR, Window
from monitor.drift.persistence import LOOKS
from monitor.stats.intervals import Interval
from monitor.store.queries.buckets import step_for
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
    gathering: bool
    """What is retained is being sketched under it."""
    window: Window
    rows: int
    created_at: datetime
    replaces: str | None
    """The embedder before, where this reference is the first of its own: a new baseline, no drift."""

    @property
    def kind(self) -> str:
        """Who chose it, and whether it is in use."""
        state = "" if self.active else ", being sketched" if self.gathering else ", former"
        return ("blessed" if self.blessed else "provisional") + state


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
class Course:
    """All traffic of one stream in a window: it drifted at `drifting` of its `ticks`."""

    ticks: int
    drifting: int
    newest: tuple[Finding, ...]
    """The last `LOOKS`, in time order."""


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
    SELECT id, model, stream, embedder, blessed, active, gathering, window_start, window_end, rows, created_at,
           CASE WHEN nth = 1 THEN earlier END AS replaces
    FROM (
        SELECT r.*, e.fingerprint AS embedder,
               lag(e.fingerprint) OVER (PARTITION BY model, stream ORDER BY r.id) AS earlier,
               row_number() OVER (PARTITION BY model, stream, embedder_id ORDER BY r.id) AS nth
        FROM drift_references AS r JOIN embedders AS e ON e.id = r.embedder_id
    ) AS known
"""
_AS_STORED = ("reference_id", "model", "stream", "tick", "window_start", "n", "p_value", "adjusted_p", "effect")
_COLUMNS = """
    reference_id, model, stream, dimension, value, tick, d.window_start, n, verdict, p_value, adjusted_p, effect, detail
"""
_RESULTS = "drift_results AS d JOIN drift_references AS r ON r.id = d.reference_id"
_KEY = "reference_id, dimension, value"


def references(connection: Connection, model: str | None = None) -> list[Reference]:
    """All references, active ones first, then the newest."""
    chosen, given = _chosen(model)
    query = text(f"{_REFERENCES} WHERE true{chosen} ORDER BY active DESC, model, stream, id DESC")
    rows = connection.execute(query, given).mappings()
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


def step_of(window: Window) -> timedelta:
    """Bucket of a chart of drift: the hour between two ticks, as long as that is not too many points."""
    return max(HOUR, step_for(window))


# A result's detail is a document: both choose by the narrow columns first, then read only what is chosen.
def findings(
    connection: Connection,
    window: Window,
    model: str | None = None,
    stream: str | None = None,
    *,
    slices: bool = False,
) -> list[Finding]:
    """The worst tick of every bucket (`step_of`) in time order: of all traffic, or of each slice.

    Drift stands before what is none, then the smaller p-value.
    """
    chosen, given = _chosen(model, stream)
    query = text(f"""
        SELECT {_COLUMNS} FROM {_RESULTS} JOIN (
            SELECT DISTINCT ON ({_KEY}, date_bin(:step, tick, :origin)) {_KEY}, tick FROM {_RESULTS}
            WHERE dimension {"<>" if slices else "="} '' AND tick >= :start AND tick < :end {chosen}
            ORDER BY {_KEY}, date_bin(:step, tick, :origin), verdict = 'drift' DESC, adjusted_p NULLS LAST, tick
        ) AS worst USING ({_KEY}, tick) ORDER BY tick, r.model, r.stream, {_KEY}
    """)
    given |= bounds(window) | {"step": step_of(window), "origin": EPOCH}
    return [_finding(row) for row in connection.execute(query, given).mappings()]


def courses(connection: Connection, window: Window, model: str | None = None) -> list[Course]:
    """How every stream with a tick in the window fared, by model and name."""
    chosen, given = _chosen(model)
    query = text(f"""
        SELECT {_COLUMNS}, ticks, drifting FROM {_RESULTS} JOIN (
            SELECT {_KEY}, tick, count(*) OVER each AS ticks,
                   count(*) FILTER (WHERE verdict = 'drift') OVER each AS drifting,
                   row_number() OVER (each ORDER BY tick DESC, reference_id DESC) AS nth
            FROM {_RESULTS} WHERE dimension = '' AND tick >= :start AND tick < :end {chosen}
            WINDOW each AS (PARTITION BY r.model, r.stream)
        ) AS counted USING ({_KEY}, tick) WHERE nth <= :looks ORDER BY r.model, r.stream, nth DESC
    """)
    rows = connection.execute(query, given | bounds(window) | {"looks": LOOKS}).mappings()
    by_stream = groupby(rows, itemgetter("model", "stream", "ticks", "drifting"))
    return [Course(ticks, drifting, tuple(map(_finding, newest))) for (*_, ticks, drifting), newest in by_stream]


def findings_overlapping(connection: Connection, window: Window, model: str | None = None) -> list[Finding]:
    """Results of all traffic and of slices whose compared window shares time with this one, in time order.

    They end with the first tick that compares nothing before the window's end: results are kept for a year and more.
    """
    chosen, given = _chosen(model)
    query = text(f"""
        SELECT {_COLUMNS} FROM {_RESULTS}
        WHERE tick > :start AND d.window_start < :end AND tick < coalesce(
            (SELECT min(tick) FROM drift_results WHERE tick >= :end AND window_start >= :end), 'infinity'
        ) {chosen} ORDER BY tick, r.model, r.stream, {_KEY}
    """)
    return [_finding(row) for row in connection.execute(query, given | bounds(window)).mappings()]


def latest_findings(connection: Connection, at: datetime, model: str | None = None) -> list[Finding]:
    """The last result of every stream not after `at`, of all traffic."""
    chosen, given = _chosen(model)
    query = text(f"""
        SELECT DISTINCT ON (r.model, r.stream) {_COLUMNS}
        FROM drift_references AS r CROSS JOIN LATERAL (
            SELECT * FROM drift_results
            WHERE reference_id = r.id AND dimension = '' AND value = '' AND tick <= :at ORDER BY tick DESC LIMIT 1
        ) AS d WHERE true {chosen} ORDER BY r.model, r.stream, tick DESC, r.id DESC
    """)
    return [_finding(row) for row in connection.execute(query, given | {"at": at}).mappings()]


def _chosen(model: str | None, stream: str | None = None) -> tuple[str, dict[str, Any]]:
    """Conditions, each beginning with AND, and their parameters."""
    given = {name: value for name, value in (("model", model), ("stream", stream)) if value is not None}
    return "".join(f" AND {name} = :{name}" for name in given), given


def _reference(row: dict[str, Any]) -> Reference:
    window = Window(row.pop("window_start"), row.pop("window_end"))
    return Reference(**row, window=window)


def _finding(row: RowMapping) -> Finding:
    detail: dict[str, Any] = row["detail"]
    return Finding(
        **{name: row[name] for name in _AS_STORED},
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
