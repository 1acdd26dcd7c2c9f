"""Availability: of the requests that deserved an answer, the share that got one."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.sli.series import TRAFFIC, MinuteCounts, MinuteEvents


@dataclass(frozen=True, slots=True)
class Availability:
    """good = ok; bad = error + timeout; rejected requests are no events.

    A request is rejected when the client is at fault (malformed, over its quota, refused by policy). Counting it as bad
    would let one broken client page on-call; counting it as good would let the same client hide an outage. "Valid
    events" are the denominator in Beyer et al., "The Site Reliability Workbook" (2018), chapter 2. A service that sheds
    its own load must log `error`, not `rejected`.
    """

    series: str = "valid_requests"
    good: tuple[str, str] | None = ("status", "ok")
    bad: tuple[str, str] | None = None
    thresholds: tuple[float, ...] = ()
    sampled: bool = False
    sliced: bool = True
    selectable: tuple[str, ...] = TRAFFIC

    def count(self, rows: MinuteCounts, threshold: float | None = None) -> MinuteEvents:
        """Bad and total requests of each row."""
        bad = rows.error + rows.timeout
        return MinuteEvents(rows.minute, bad, rows.ok + bad)
