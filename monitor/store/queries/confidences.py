"""Confidences of all answers, and of the labelled ones beside their outcomes, by slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.domain.histograms import CONFIDENCE_BINS, confidence_bins
from monitor.domain.window import Window
from monitor.store.queries.accuracy import COUNTS, KNOWN
from monitor.store.queries.selection import LIVE, Selection, bounds
from monitor.store.queries.slices import Dimension

MISSING: Final = CONFIDENCE_BINS
"""The bin after the last one: answers without a confidence."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledConfidences:
    """Labelled answers: the `bin` [n] of each confidence (0 to `MISSING`), `correct` [n], `probability` [n] of being
    drawn for labelling."""

    bin: Counts
    correct: NDArray[np.bool_]
    probability: NDArray[np.float64]


_SUMS = ", ".join(f"coalesce(sum(confidence[{i}]), 0)" for i in range(1, CONFIDENCE_BINS + 1))
SUM_OF_BINS = f"ARRAY[{_SUMS}]::bigint[]"
"""SQL: the counts of a group by bin of confidence added up, as `latency.SUM_OF_BINS` those of latency."""
_ALL = f"""
    SELECT {{value}} AS value, {SUM_OF_BINS} AS bins, sum(ok)::bigint AS answers
    FROM rollups_minute WHERE minute >= :start AND minute < :end AND dimension = :of{{conditions}} GROUP BY 1
"""
_REPLAYED = "SELECT EXISTS (SELECT FROM predictions WHERE ts >= :start AND ts < :end AND replay IS NOT NULL"
_LABELLED = f"""
    SELECT {{value}} AS value,
           string_agg(float4send(coalesce(confidence, 'NaN')), '' ORDER BY ts, request_id) AS confidence,
           string_agg(boolsend(correct), '' ORDER BY ts, request_id) AS correct,
           string_agg(float8send(inclusion_probability), '' ORDER BY ts, request_id) AS probability
    FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS} AND {KNOWN}{{conditions}} GROUP BY 1
"""


def all_confidences(
    connection: Connection, window: Window, selection: Selection, dimension: Dimension | None = None
) -> dict[str, Counts]:
    """How many answers have a confidence in each bin [`MISSING` + 1], by value of the dimension; '' without one.

    Minute counts hold every answer, stored or not, so they also know what the labels are a sample of. They know the
    slices of the setting `ingest.slice_dimensions` and the columns. Replays count among them: empty, where the
    selection asks for a replay or the window holds one of it.
    """
    conditions, parameters = selection.of_rollups()
    given = {**bounds(window), **parameters}
    if (
        selection.source not in (None, LIVE)
        or connection.execute(text(_REPLAYED + conditions + ")"), given).scalar_one()
    ):
        return {}
    value = "''" if dimension is None else "value" if dimension.kind == "slice" else dimension.sql
    of = dimension.name if dimension is not None and dimension.kind == "slice" else ""
    query = text(_ALL.format(value=value, conditions=conditions))
    rows = connection.execute(query, {**given, "of": of})
    return {row.value: np.array([*row.bins, max(row.answers - sum(row.bins), 0)]) for row in rows}


def labelled_confidences(
    connection: Connection, window: Window, selection: Selection, dimension: Dimension | None = None,
    as_of: datetime | None = None,
) -> dict[str, LabelledConfidences]:  # fmt: skip
    """The labelled answers to the predictions of the window, by value of the dimension; '' without one."""
    conditions, parameters = selection.of_rows()
    value, of_value = ("''", {}) if dimension is None else (dimension.sql, dimension.parameters)
    query = text(_LABELLED.format(value=value, conditions=conditions))
    given = {**bounds(window), **parameters, **of_value, "as_of": as_of}
    rows = connection.execute(query, given)
    return {row.value: _unpacked(row) for row in rows if row.value is not None}


def _unpacked(row: Any) -> LabelledConfidences:
    # 0.6 is stored as 0.60000002: back to the seven digits that were logged, so that bin edges hold.
    confidence = np.frombuffer(row.confidence, dtype=">f4").astype(np.float64).round(7)
    return LabelledConfidences(
        bin=np.where(np.isnan(confidence), MISSING, confidence_bins(confidence)).astype(np.int64),
        correct=np.frombuffer(row.correct, dtype=np.bool_),
        probability=np.frombuffer(row.probability, dtype=">f8").astype(np.float64),
    )
