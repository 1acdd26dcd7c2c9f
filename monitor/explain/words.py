"""Causes as people read them."""

from __future__ import annotations

from monitor.domain.slices import ALL_TRAFFIC
from monitor.explain.carrier import Carrier
from monitor.explain.causes import Cause
from monitor.stats.intervals import Interval


def in_words(cause: Cause) -> str:
    """One line: what, from how much to how much, how sure, and where if not everywhere.

    A share reads "a dark, blurry photo: 4% → 31% (25 to 37%)", a measurement "brightness fell by 1.5 SD (1.3 to 1.7)".
    """
    where = "" if cause.within == ALL_TRAFFIC else f", in {cause.within} ({cause.part:.0%} of the traffic)"
    if cause.is_share:
        return f"{name(cause)}: {cause.before:.0%} → {cause.now:.0%} ({_percents(cause.interval)}){where}"
    verb = "rose" if cause.change > 0 else "fell"
    ends = sorted((abs(cause.interval.lower), abs(cause.interval.upper)))
    around = f"{ends[0]:.1f} to {ends[1]:.1f}"
    if 0.0 in cause.interval:
        around = f"{cause.interval.lower:+.1f} to {cause.interval.upper:+.1f}".replace("-", "−")
    return f"{name(cause)} {verb} by {abs(cause.change):.1f} SD ({around}){where}"


def name(cause: Cause) -> str:
    """What moved, with the side that it belongs to where the phrase alone does not tell."""
    if cause.kind == "slice":
        return f"{cause.of} = {cause.name}"
    if cause.kind == "cluster":
        return f"{cause.of}s like: {cause.name}"
    if cause.kind == "concept" and cause.of != "image":
        return f"{cause.of}: {cause.name}"
    return cause.name.replace("_", " ")


def carried(carrier: Carrier) -> str:
    """Where it moved, in one line."""
    return (
        f"{carrier.slice} ({carrier.share:.0%} of the traffic) carries the change of its {carrier.kind}s: "
        f"{carrier.inside.delta:+.2f} ({carrier.inside.interval.lower:+.2f} to {carrier.inside.interval.upper:+.2f}) "
        f"inside, {carrier.outside.delta:+.2f} elsewhere"
    )


def _percents(interval: Interval) -> str:
    return f"{100 * interval.lower:.0f} to {100 * interval.upper:.0f}%"
