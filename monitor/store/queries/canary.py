"""A canary beside the stable version: its rollouts, their labelled answers, and their requests by minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.histograms import LATENCY_BINS
from monitor.domain.window import Window
from monitor.stats.inputs import Floats
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.latency import SUM_OF_BINS
from monitor.store.queries.selection import bounds

Ints = NDArray[np.int64]

MOST_ROLLOUTS = 20


@dataclass(frozen=True, slots=True)
class Rollout:
    """A canary version from its announcement until it is rolled back or another one takes its place."""

    model: str
    version: str
    start: datetime
    end: datetime | None
    """None: it still serves."""

    def window(self, as_of: datetime) -> Window:
        """When it has served by then; empty where it had not begun."""
        return Window(min(self.start, as_of), min(self.end or as_of, as_of))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Answers of both that were drawn alike and labelled, in the order in which their labels came; each [n]."""

    known_at: Floats
    """Seconds since the epoch."""
    canary: NDArray[np.bool_]
    correct: NDArray[np.bool_]
    confidence: Floats
    """NaN where none was logged."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestMinutes:
    """Requests of one of the two, by minute since the epoch [m], in order."""

    minute: Ints
    ok: Ints
    failed: Ints
    """Errors and timeouts; rejected requests are no fault of the service."""
    latency: Ints
    """[m, LATENCY_BINS]: ok answers by `LATENCY_BOUNDS_MS`."""


_ANNOUNCED = """
    SELECT ts, model, version, action FROM deployments
    WHERE variant = 'canary' AND action IN ('rollout', 'rollback') AND ts < :before{model} ORDER BY model, ts, version
"""
_CAME = "labelled_at, md5(request_id), request_id"
"""Labels of one time, as those of a file without dates, come in the order of a hash: ids may begin with the version."""

_LABELLED = text(f"""
    WITH found AS (
        SELECT extract(epoch FROM labelled_at)::float8 AS known_at, variant = 'canary' AS canary, correct, confidence,
               labelled_at, request_id
        FROM verdicts
        WHERE model = :model AND ts >= :start AND ts < :end AND labelled_at <= :as_of AND {COUNTS} AND in_base
          AND replay IS NULL AND (variant = 'stable' OR (variant = 'canary' AND version = :version))
    )
    SELECT string_agg(float8send(known_at), '' ORDER BY {_CAME}) AS known_at,
           string_agg(boolsend(canary), '' ORDER BY {_CAME}) AS canary,
           string_agg(boolsend(correct), '' ORDER BY {_CAME}) AS correct,
           string_agg(float4send(coalesce(confidence, 'NaN')), '' ORDER BY {_CAME}) AS confidence
    FROM found
""")
_MINUTES = text(f"""
    SELECT (extract(epoch FROM minute) / 60)::bigint AS minute, sum(ok)::bigint AS ok,
           sum(error + timeout)::bigint AS failed, {SUM_OF_BINS} AS latency
    FROM rollups_minute
    WHERE model = :model AND minute >= :start AND minute < :end AND dimension = ''
      AND variant = :variant AND (CAST(:version AS text) IS NULL OR version = :version)
    GROUP BY 1 ORDER BY 1
""")


def canary_rollouts(connection: Connection, before: datetime, model: str | None = None) -> list[Rollout]:
    """Those announced before a moment, the newest first, at most `MOST_ROLLOUTS`.

    Another traffic share for the same version is the same rollout.
    """
    chosen = " AND model = :model" if model is not None else ""
    given = {"before": before} | ({"model": model} if model is not None else {})
    found: list[Rollout] = []
    for row in connection.execute(text(_ANNOUNCED.format(model=chosen)), given):
        serving = found[-1] if found and found[-1].model == row.model and found[-1].end is None else None
        same = serving is not None and serving.version == row.version
        if serving is not None and (row.action == "rollout") != same:  # taken back, or followed by another
            found[-1] = Rollout(serving.model, serving.version, serving.start, row.ts)
        if row.action == "rollout" and not same:
            found.append(Rollout(row.model, row.version, row.ts, None))
    return sorted(found, key=lambda one: one.start, reverse=True)[:MOST_ROLLOUTS]


def labelled_rows(connection: Connection, rollout: Rollout, as_of: datetime) -> LabelledRows:
    """Of predictions made while the canary served, as far as their labels had come by `as_of`.

    Only rows of the label sampler's base sample, which are drawn with one probability whatever the answer.
    """
    given = {**bounds(rollout.window(as_of)), "as_of": as_of, "model": rollout.model, "version": rollout.version}
    row = connection.execute(_LABELLED, given).one()
    return LabelledRows(
        known_at=np.frombuffer(row.known_at or b"", dtype=">f8").astype(np.float64),
        canary=np.frombuffer(row.canary or b"", dtype=np.bool_),
        correct=np.frombuffer(row.correct or b"", dtype=np.bool_),
        confidence=np.frombuffer(row.confidence or b"", dtype=">f4").astype(np.float64).round(7),
    )


def request_minutes(connection: Connection, rollout: Rollout, window: Window, *, canary: bool) -> RequestMinutes:
    """Requests of the canary version, or of whatever was stable, in whole minutes of the window."""
    given = {
        **bounds(window), "model": rollout.model, "variant": "canary" if canary else "stable",
        "version": rollout.version if canary else None,
    }  # fmt: skip
    rows = connection.execute(_MINUTES, given).all()
    counts = np.array([row[:3] for row in rows], dtype=np.int64).reshape(len(rows), 3).T
    latency = np.array([row.latency for row in rows], dtype=np.int64).reshape(len(rows), LATENCY_BINS)
    return RequestMinutes(counts[0], counts[1], counts[2], latency)


def moments(seconds: Floats) -> tuple[datetime, ...]:
    """Seconds since the epoch as times."""
    return tuple(datetime.fromtimestamp(float(one), UTC) for one in seconds)
