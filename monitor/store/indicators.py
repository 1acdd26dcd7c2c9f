"""What SLIs are computed from: minute rollups, verdicts of the random label sample, label tasks, results of drift."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from monitor.domain.histograms import LATENCY_BINS
from monitor.domain.results import DriftVerdict
from monitor.domain.window import HOUR, Window
from monitor.drift.persistence import LOOKS, persists
from monitor.sampling import LABEL_KEY, uniform
from monitor.sli.series import DriftLooks, LabelOutcomes, MinuteCounts, PairCounts, TaskWaits
from monitor.slo.objective import Selector

_JUDGED = (DriftVerdict.DRIFT, DriftVerdict.NO_DRIFT)
_BACK = range(LOOKS - 1, -1, -1)
"""Hours before a comparison whose verdicts it goes by, the oldest first."""
_CHOSEN = """
      AND (CAST(:model AS text) IS NULL OR model = :model) AND (CAST(:version AS text) IS NULL OR version = :version)
      AND (CAST(:variant AS text) IS NULL OR variant = :variant) AND (CAST(:task AS text) IS NULL OR task = :task)
"""
_MINUTE = "CAST(extract(epoch FROM minute) / 60 AS bigint)"
_ROLLUPS = f"""
    FROM rollups_minute
    WHERE minute >= :start AND minute < :end AND dimension = :dimension AND value = :value {_CHOSEN}
"""
_MINUTES = text(f"""
    SELECT {_MINUTE}, sum(ok), sum(error), sum(timeout), sum(rejected), CAST('{{}}' AS bigint[]) {_ROLLUPS}
    GROUP BY minute
""")
_LATENCIES = text(f"SELECT {_MINUTE}, ok, error, timeout, rejected, latency {_ROLLUPS}")
_PAIRS = text(f"""
    SELECT {_MINUTE}, joined, lost FROM pair_counts
    WHERE minute >= :start AND minute < :end {_CHOSEN}
""")
_LABELS = text(f"""
    SELECT CAST(extract(epoch FROM v.ts) AS float8) AS predicted_at,
           CAST(extract(epoch FROM v.labelled_at) AS float8) AS labelled_at, v.correct, v.request_id,
           v.replay IS NOT NULL AS whole, p.base_rate, v.inclusion_probability
    FROM (
        SELECT * FROM verdicts
        WHERE ts >= :start AND ts < :end AND correct IS NOT NULL AND inclusion_probability IS NOT NULL AND in_base
          AND (:dimension = '' OR slices ->> :dimension = :value) {_CHOSEN}
    ) AS v
    LEFT JOIN label_tasks AS t ON t.ts = v.ts AND t.request_id = v.request_id
    LEFT JOIN sampling_plans AS p ON p.version = t.plan
""")
_TASKS = text(f"""
    SELECT CAST(extract(epoch FROM ts) AS float8), CAST(extract(epoch FROM answered_at) AS float8)
    FROM label_tasks
    WHERE ts >= :start AND ts < :end AND (answered_at IS NOT NULL OR skipped_at IS NULL)
      AND (:dimension = '' OR slices ->> :dimension = :value) {_CHOSEN}
""")
_LOOKS = text("""
    SELECT reference_id, CAST(extract(epoch FROM tick) / 3600 AS bigint), verdict
    FROM drift_results AS d JOIN drift_references AS r ON r.id = d.reference_id
    WHERE tick > :start AND tick <= :end AND dimension = :dimension AND value = :value
      AND (CAST(:model AS text) IS NULL OR model = :model) AND (CAST(:stream AS text) IS NULL OR stream = :stream)
""")
_FIRST = text("""
    SELECT least((SELECT min(minute) FROM rollups_minute WHERE minute <= :now),
                 (SELECT min(minute) FROM pair_counts WHERE minute <= :now))
""")


def first_minute(connection: Connection, now: datetime) -> datetime | None:
    """When the recorded history begins; None while it is empty. A call that lost a side is known by that alone."""
    found: datetime | None = connection.execute(_FIRST, {"now": now}).scalar()
    return found


def minute_counts(connection: Connection, selector: Selector, window: Window, *, latency: bool) -> MinuteCounts:
    """The rollups of the selected traffic; bins of `latency` take ten times as long as the rest."""
    query, bins = (_LATENCIES, LATENCY_BINS) if latency else (_MINUTES, 0)
    found = connection.execute(query, _parameters(selector, window)).all()
    counts = np.array([row[:5] for row in found], dtype=np.int64).reshape(len(found), 5)
    histogram = np.array([row[5] for row in found], dtype=np.int64).reshape(len(found), bins)
    minute, ok, error, timeout, rejected = counts.T
    return MinuteCounts(minute, ok, error, timeout, rejected, histogram)


def pair_counts(connection: Connection, selector: Selector, window: Window) -> PairCounts:
    """Calls of the selected traffic that are logged in two records. They are kept for no slice."""
    found = connection.execute(_PAIRS, _parameters(selector, window)).all()
    minute, joined, lost = np.array([tuple(row) for row in found], dtype=np.int64).reshape(len(found), 3).T
    return PairCounts(minute, joined, lost)


def label_outcomes(connection: Connection, selector: Selector, window: Window) -> LabelOutcomes:
    """The verdicts on selected predictions of this window that the sampler drew at its base rate, or that a replay
    brought whole.

    The base rate of the settings, which hold while there is no plan, is not stored: the least probability with which
    any of them was drawn stands for it.
    """
    found = connection.execute(_LABELS, _parameters(selector, window)).all()
    unplanned = [row.inclusion_probability for row in found if row.base_rate is None and not row.whole]
    of_settings = min(unplanned, default=1.0)
    rate = [1.0 if row.whole else row.base_rate or of_settings for row in found]
    times = np.array([(row.predicted_at, row.labelled_at) for row in found], dtype=np.float64).reshape(len(found), 2)
    return LabelOutcomes(
        times[:, 0],
        times[:, 1],
        np.array([row.correct for row in found], dtype=np.bool_),
        np.array([uniform(row.request_id, LABEL_KEY) for row in found], dtype=np.float64),
        np.array(rate, dtype=np.float64),
    )


def task_waits(connection: Connection, selector: Selector, window: Window) -> TaskWaits:
    """The selected predictions of this window that were drawn for labelling, and when they were answered."""
    found = connection.execute(_TASKS, _parameters(selector, window)).all()
    values = np.array([tuple(row) for row in found], dtype=np.float64).reshape(len(found), 2)
    return TaskWaits(values[:, 0], np.where(np.isnan(values[:, 1]), np.inf, values[:, 1]))


def drift_looks(connection: Connection, selector: Selector, window: Window) -> DriftLooks:
    """The comparisons at the ends of this window's hours, of the selected streams.

    Drift persists against one reference: what was found against a former one says nothing of the new one. An hour
    without a comparison is a look that found nothing.
    """
    reaching_back = Window(window.start - (LOOKS - 1) * HOUR, window.end)
    verdicts: dict[int, dict[int, DriftVerdict]] = defaultdict(dict)
    for reference, hour, verdict in connection.execute(_LOOKS, _parameters(selector, reaching_back)):
        verdicts[reference][hour] = DriftVerdict(verdict)
    first = window.start.timestamp() / 3600
    found = [
        (
            hour * 60 - 1,
            verdict in _JUDGED,
            persists([known.get(hour - back, DriftVerdict.NOT_ENOUGH_DATA) for back in _BACK]),
        )
        for known in verdicts.values()
        for hour, verdict in known.items()
        if hour > first
    ]
    minute, judged, persisting = np.array(found, dtype=np.int64).reshape(len(found), 3).T
    return DriftLooks(minute, judged.astype(np.bool_), persisting.astype(np.bool_))


def _parameters(selector: Selector, window: Window) -> dict[str, object]:
    return {
        "start": window.start,
        "end": window.end,
        "model": selector.model,
        "version": selector.version,
        "variant": selector.variant,
        "task": selector.task,
        "stream": selector.stream,
        "dimension": selector.slice.dimension,
        "value": selector.slice.value,
    }
