"""Which events an SLO counts: OpenSLO `indicator` -> the SLI that answers to it, and the part of the traffic.

Our metric sources name a `series` and a `filter` in their `spec`; which series there are is told by the SLIs themselves
(`monitor.sli.SLIS`), passed in as `Indicator` so that neither package imports the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, get_args

from monitor.domain.events import Variant
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.slo.fields import Fields, read_metadata
from monitor.slo.objective import Measure, Selector

SOURCE_TYPE = "Snellen"
_VARIANTS = get_args(Variant)


class Indicator(Protocol):
    """What the parser must know of an SLI."""

    @property
    def series(self) -> str:
        """Name in `metricSource.spec.series`."""

    @property
    def good(self) -> tuple[str, str] | None:
        """Filter key and value that single out the good events of a ratio metric; None: it is a threshold metric."""

    @property
    def bad(self) -> tuple[str, str] | None:
        """The same for the bad events, where one value says it."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The values that a threshold metric can be asked for."""

    @property
    def sampled(self) -> bool:
        """Whether its events are sampled labels."""

    @property
    def sliced(self) -> bool:
        """Whether its events are known by slice."""

    @property
    def selectable(self) -> tuple[str, ...]:
        """Keys of `metricSource.spec.filter` besides `slice`, each a field of `Selector`."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What one metricSource asks for."""

    series: str
    filter: Mapping[str, str]
    slice: Slice


def read_indicator(spec: Fields, objective: Fields, slis: Mapping[str, Indicator]) -> Measure | None:
    """`spec.indicator` together with `op` and `value` of the objective; None after a fault.

    Args:
        spec: of the SLO.
        objective: its one objective.
        slis: SLI by name.
    """
    if "indicatorRef" in spec:
        spec.text("indicatorRef")
        spec.fault("indicatorRef", "kind SLI is not read; write the indicator inline")
        return None
    indicator = spec.child("indicator")
    read_metadata(indicator)
    inline = indicator.child("spec")
    indicator.done()
    inline.text("description", required=False)
    if ("ratioMetric" in inline) == ("thresholdMetric" in inline):
        inline.fault("ratioMetric", "exactly one of ratioMetric and thresholdMetric is needed")
        return None
    measure = (
        _read_ratio(inline, objective, slis) if "ratioMetric" in inline else _read_threshold(inline, objective, slis)
    )
    inline.done()
    return measure


def _read_ratio(spec: Fields, objective: Fields, slis: Mapping[str, Indicator]) -> Measure | None:
    ratio = spec.child("ratioMetric")
    ratio.flag("counter", default=True)
    for key in ("op", "value"):
        if key in objective:
            objective.fault(key, "a ratioMetric has no threshold; remove it")
    if "raw" in ratio or "rawType" in ratio:
        ratio.fault("raw", "raw ratios are not read; write total with good or bad")
        return None
    if ("good" in ratio) == ("bad" in ratio):
        ratio.fault("good", "exactly one of good and bad is needed beside total")
        return None
    side = "good" if "good" in ratio else "bad"
    total, part = _read_source(ratio, "total"), _read_source(ratio, side)
    ratio.done()
    found = None if total is None else _find(ratio, "total", total, slis, threshold=False)
    if total is None or part is None or found is None:
        return None
    name, sli = found
    told = sli.good if side == "good" else sli.bad
    if told is None or part != _Source(total.series, {**total.filter, told[0]: told[1]}, total.slice):
        forms = [f"{key} with {one[0]}: {one[1]}" for key, one in (("good", sli.good), ("bad", sli.bad)) if one]
        ratio.fault(
            side, f"must repeat the series and filter of total; for {sli.series} write {' or '.join(forms)} added"
        )
        return None
    return _measure(name, sli, total, None)


def _read_threshold(spec: Fields, objective: Fields, slis: Mapping[str, Indicator]) -> Measure | None:
    source = _read_source(spec, "thresholdMetric")
    operator = objective.choice("op", ("lte", "gte", "lt", "gt"))
    value = objective.number("value")
    found = None if source is None else _find(spec, "thresholdMetric", source, slis, threshold=True)
    if source is None or value is None or not operator or found is None:
        return None
    name, sli = found
    if operator != "lte":
        objective.fault("op", f"{sli.series} is counted in bins whose upper bound belongs to them; write lte")
        return None
    exact = {Fraction(str(one)): one for one in sli.thresholds}
    if value not in exact:
        below = max((one for one in exact if one < value), default=None)
        above = min((one for one in exact if one > value), default=None)
        nearest = " or ".join(f"{float(one):g}" for one in (below, above) if one is not None)
        objective.fault("value", f"{float(value):g} is no bound of the stored histogram; the nearest are {nearest}")
        return None
    return _measure(name, sli, source, exact[value])


def _read_source(parent: Fields, key: str) -> _Source | None:
    metric = parent.child(key)
    source = metric.child("metricSource")
    metric.done()
    source.choice("type", (SOURCE_TYPE,), required=False)
    if source.text("metricSourceRef", required=False):
        source.fault(
            "metricSourceRef", "data sources are not read: the figures come from Snellen's own store; remove it"
        )
    spec = source.child("spec")
    source.done()
    series = spec.text("series")
    chosen = spec.child("filter", required=False)
    part = _read_slice(chosen)
    texts = {one: chosen.text(one) for one in chosen.names() if one != "slice"}
    spec.done()
    return _Source(series, texts, part) if series else None


def _read_slice(chosen: Fields) -> Slice:
    """`slice: {dimension: value}`; traffic is counted by one dimension at a time."""
    pairs = chosen.texts("slice")
    if len(pairs) > 1:
        chosen.fault("slice", "only one dimension can be chosen at a time; write one SLO for each")
    return Slice(*next(iter(pairs.items()))) if pairs else ALL_TRAFFIC


def _find(
    fields: Fields, key: str, source: _Source, slis: Mapping[str, Indicator], *, threshold: bool
) -> tuple[str, Indicator] | None:
    """The SLI that answers to the series; a fault where there is none, or the filter asks for what is not kept."""
    found = [(name, sli) for name, sli in slis.items() if sli.series == source.series]
    if not found or bool(found[0][1].thresholds) != threshold:
        known = ", ".join(
            f"{one.series} ({'thresholdMetric' if one.thresholds else 'ratioMetric'})" for one in slis.values()
        )
        fields.fault(key, f"no such series for this metric: {source.series[:60]!r}; there are {known}")
        return None
    selectable = found[0][1].selectable
    unknown = source.filter.keys() - set(selectable)
    if unknown:
        options = ", ".join((*selectable, "slice"))
        fields.fault(key, f"filter: cannot choose by {', '.join(sorted(unknown))}; there are {options}")
        return None
    if source.filter.get("variant", _VARIANTS[0]) not in _VARIANTS:
        fields.fault(key, f"filter.variant: must be one of {', '.join(_VARIANTS)}")
        return None
    if source.slice != ALL_TRAFFIC and not found[0][1].sliced:
        fields.fault(key, f"filter.slice: {source.series} is not known by slice; remove it")
        return None
    return found[0]


def _measure(name: str, sli: Indicator, source: _Source, threshold: float | None) -> Measure:
    return Measure(name, sli.sampled, Selector(**source.filter, slice=source.slice), threshold)
