"""Drift: of the hours at whose end a stream was compared with its reference, the share free of persisting drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.sli.series import DriftLooks, MinuteEvents


@dataclass(frozen=True, slots=True)
class Drift:
    """good = no persisting drift; bad = drift that persists; hours without enough data or reference are no events.

    Drift persists when it was found by 2 of the last 3 hourly looks (`monitor.drift.persistence`): one window may drift
    by chance. A look that could not judge is never good, even if those before it found nothing, and never bad, for it
    found nothing either. An event is one look at one stream and slice; with `budgetingMethod: Timeslices`, slices of an
    hour and a `timeSliceTarget` of 1, it is an hour, bad when any of the selected streams drifts.
    """

    series: str = "drift_looks"
    good: tuple[str, str] | None = ("outcome", "quiet")
    bad: tuple[str, str] | None = ("outcome", "drifting")
    thresholds: tuple[float, ...] = ()
    sampled: bool = False
    sliced: bool = True
    selectable: tuple[str, ...] = ("model", "stream")

    def count(self, rows: DriftLooks, threshold: float | None = None) -> MinuteEvents:
        """Drifting and all looks of each row."""
        bad = rows.judged & rows.persisting
        return MinuteEvents(rows.minute, bad.astype(np.int64), rows.judged.astype(np.int64))
