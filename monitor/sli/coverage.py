"""Coverage: of the calls that are logged as a request and a response, the share of which both were logged."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.sli.series import TRAFFIC, MinuteEvents, PairCounts


@dataclass(frozen=True, slots=True)
class Coverage:
    """good = both sides came; bad = one side never came (logging loss); calls logged in one record are no events.

    Serving agents log best effort: KServe's drops what its queue cannot hold and never tries again, and logs a response
    only after HTTP 200 (kserve/kserve, pkg/logger). So a loss says that the log is incomplete, or that requests went
    without an answer; either way the other figures rest on less than all traffic. A side counts as lost once it has
    waited for `ingest.pair_patience`, and as good again should its other side still come.
    """

    series: str = "paired_calls"
    good: tuple[str, str] | None = ("outcome", "joined")
    bad: tuple[str, str] | None = ("outcome", "lost")
    thresholds: tuple[float, ...] = ()
    sampled: bool = False
    sliced: bool = False
    selectable: tuple[str, ...] = TRAFFIC

    def count(self, rows: PairCounts, threshold: float | None = None) -> MinuteEvents:
        """Lost and all calls of each row."""
        return MinuteEvents(rows.minute, rows.lost, rows.joined + rows.lost)
