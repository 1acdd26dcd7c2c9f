"""How long rows are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import model_validator

from monitor.settings.section import Days, Strict


class Retention(Strict, frozen=True):
    """How long rows are kept, by the time they speak of. What replays sent is exempt."""

    predictions: Days = timedelta(days=30)
    """Predictions in full, by event time; whole UTC days go."""
    embeddings: Days = timedelta(days=30)
    """Their vectors; no longer than the predictions."""
    arrivals: Days = timedelta(days=45)
    """Ids and content hashes by which duplicates are known and labels find their prediction; no shorter than the
    predictions."""
    rollups: Days = timedelta(days=400)
    """Minute counts, which availability, latency and cost come from; longer than the longest SLO window."""
    sketches: Days = timedelta(days=90)
    """Hourly sums of embeddings."""
    drift_results: Days = timedelta(days=400)
    """Comparisons with the reference, what moved, slices that were found, and what was said of alarms."""
    slo_evaluations: Days = timedelta(days=100)
    """One row per SLO and minute."""
    alerts: Days = timedelta(days=400)
    """Resolved incidents with their transitions and notifications."""
    labels: Days = timedelta(days=400)
    """What annotators said."""
    verdicts: Days = timedelta(days=400)
    """Scored outcomes, which accuracy and calibration come from; longer than the longest SLO window."""
    label_tasks: Days = timedelta(days=45)
    """What was drawn for labelling."""
    deployments: Days = timedelta(days=400)
    """Roll-outs and roll-backs."""
    dead_letters: Days = timedelta(days=30)
    """Records that were refused, as they came."""
    stream_gaps: Days = timedelta(days=400)
    """Records that could not be read any more."""
    ingest_counters: Days = timedelta(days=400)
    """Minute counts of what became of records."""
    audit_log: Days = timedelta(days=400)
    """Who erased, purged, blessed, activated or silenced what, and when; what was erased is remembered for ever, so
    that it does not come back."""

    @model_validator(mode="after")
    def _arrivals_outlive_predictions(self) -> Self:
        if not self.embeddings <= self.predictions <= self.arrivals:
            raise ValueError("retention must keep embeddings <= predictions <= arrivals: each needs the next")
        return self
