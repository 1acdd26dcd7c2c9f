"""Latency: of the answers given, the share that came within the threshold."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.histograms import LATENCY_BOUNDS_MS
from monitor.sli.series import TRAFFIC, MinuteCounts, MinuteEvents


@dataclass(frozen=True, slots=True)
class Latency:
    """good = ok answers of at most `threshold` ms; bad = slower ones; requests without an ok answer are no events.

    A fast error is no fast answer, and a failure already burns the availability budget: counted here too, one outage
    would page twice. Beyer et al., "The Site Reliability Workbook" (2018), chapter 2. Ok answers that were logged
    without a latency are no events either. Exact, because the threshold must be a bound of the stored histogram.
    """

    series: str = "request_latency_ms"
    good: tuple[str, str] | None = None
    bad: tuple[str, str] | None = None
    thresholds: tuple[float, ...] = LATENCY_BOUNDS_MS
    sampled: bool = False
    sliced: bool = True
    selectable: tuple[str, ...] = TRAFFIC

    def count(self, rows: MinuteCounts, threshold: float | None) -> MinuteEvents:
        """Slow and all answers of each row.

        Raises:
            ValueError: `threshold` (ms) is no bound of the histogram.
        """
        if threshold not in self.thresholds:
            raise ValueError(f"{threshold} ms is no bound of the latency histogram: {self.thresholds}")
        within = self.thresholds.index(threshold) + 1
        total = rows.latency_histogram.sum(axis=1)
        return MinuteEvents(rows.minute, rows.latency_histogram[:, within:].sum(axis=1), total)
