"""Causes as people read them."""

from __future__ import annotations

from monitor.domain.slices import ALL_TRAFFIC
from monitor.explain.carrier import Carrier
from monitor.explain.causes import Cause
from monitor.stats.intervals import Interval


def in_words(cause: Cause) -> str:
    """One line: what, from how much to how much, how sure, and where if not everywhere.

    A share reads "a dark, blurry photo: 4% → 31% (25 to 37%)", a measurement "brightness fell by 1.5 SD (1.3 to 1.7)",
    and one that hardly varied before "aspect rose from 0 to 0.32 (by 0.27 to 0.37), effect +0.80 (+0.72 to +0.86)".
    Where a few far values take the mean the other way, what was tested is told first: "words mostly rose, effect +0.47
    (+0.42 to +0.52); the mean fell by 0.1 SD (−0.1 to +0.0)".
    """
    where = "" if cause.within == ALL_TRAFFIC else f", in {cause.within} ({cause.part:.0%} of the traffic)"
    if cause.is_share:
        return f"{name(cause)}: {_share(cause.before)} → {_share(cause.now)} ({_shares(cause.interval)}){where}"
    delta, mean = cause.dominance.delta, f"{_verb(cause.change)} {_change(cause)}"
    if cause.change * delta < 0.0:
        return f"{name(cause)} mostly {_verb(delta)}, {_effect(cause)}; the mean {mean}{where}"
    return f"{name(cause)} {mean}{'' if cause.in_deviations else f', {_effect(cause)}'}{where}"


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


def _verb(change: float) -> str:
    return "rose" if change > 0.0 else "fell"


def _change(cause: Cause) -> str:
    """Of the mean, in standard deviations if there are any."""
    if cause.in_deviations:
        return f"by {abs(cause.change):.1f} SD ({_ends(cause.interval, '.1f')})"
    by = f" (by {_ends(cause.interval, '.3g')})" if cause.interval.lower < cause.interval.upper else ""
    return f"from {cause.before:.3g} to {cause.now:.3g}{by}".replace("-", "−")


def _effect(cause: Cause) -> str:
    effect, around = cause.dominance.delta, cause.dominance.interval
    return f"effect {effect:+.2f} ({around.lower:+.2f} to {around.upper:+.2f})".replace("-", "−")


def _ends(interval: Interval, form: str) -> str:
    """Of a change whose direction the verb says; with signs where it may go either way."""
    if 0.0 in interval:
        return f"{interval.lower:+{form}} to {interval.upper:+{form}}".replace("-", "−")
    ends = sorted((abs(interval.lower), abs(interval.upper)))
    return f"{ends[0]:{form}} to {ends[1]:{form}}"


def _share(share: float) -> str:
    """With a decimal where whole percents would make nothing, or all, of what is something less."""
    return f"{share:.0%}" if share in {0.0, 1.0} or 0.01 <= share <= 0.99 else f"{share:.1%}"


def _shares(interval: Interval) -> str:
    return f"{_share(interval.lower).removesuffix('%')} to {_share(interval.upper)}"
