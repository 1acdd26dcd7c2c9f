"""Confidences beside outcomes, as arrays for `monitor.stats.calibration`."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.stats.intervals import Interval
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.selection import Selection, bounds
from monitor.store.queries.slices import Dimension


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """`confidence` [n] in [0, 1] and `correct` [n] of the labelled answers that have a confidence."""

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    without_confidence: int
    """Labelled answers that cannot be used."""

    def brier_interval(self, level: float = 0.95) -> Interval | None:
        """Of the Brier score: Student's t interval of the mean squared distance, within [0, 1]; None below two rows."""
        n = self.confidence.size
        if n < 2:
            return None
        squares = (self.confidence - self.correct) ** 2
        margin = float(stdtrit(n - 1, (1 + level) / 2)) * float(squares.std(ddof=1)) / sqrt(n)
        mean = float(squares.mean())
        return Interval(max(0.0, mean - margin), min(1.0, mean + margin))


_OUTCOMES = f"""
    SELECT string_agg(float4send(confidence), '' ORDER BY ts, request_id) AS confidence,
           string_agg(boolsend(correct), '' ORDER BY ts, request_id)
               FILTER (WHERE confidence IS NOT NULL) AS correct,
           count(*) FILTER (WHERE confidence IS NULL) AS without_confidence
    FROM verdicts WHERE ts >= :start AND ts < :end AND {COUNTS}
"""


def outcomes(
    connection: Connection, window: Window, selection: Selection,
    dimension: Dimension | None = None, value: str | None = None,
) -> Outcomes:  # fmt: skip
    """Of the predictions made within the window; of one slice where a dimension and value are given.

    The columns come as two packed strings: 40 times faster than a row each.
    """
    conditions, parameters = selection.of_rows()
    if dimension is not None and value is not None:
        conditions += f" AND {dimension.sql} = :value"
        parameters = {**parameters, **dimension.parameters, "value": value}
    row = connection.execute(text(_OUTCOMES + conditions), {**bounds(window), **parameters}).one()
    confidence = np.frombuffer(row.confidence or b"", dtype=">f4").astype(np.float64)
    return Outcomes(
        # 0.6 is stored as 0.60000002: back to the seven digits that were logged, so that bin edges hold.
        confidence=confidence.round(7),
        correct=np.frombuffer(row.correct or b"", dtype=np.bool_),
        without_confidence=row.without_confidence,
    )
