"""OpenSLO documents -> objectives.

Specification: https://github.com/OpenSLO/OpenSLO (v1), with the rules of the validators in OpenSLO/go-sdk. Stricter
than those in one way: what would be read and then ignored is a fault. docs/slo.md lists what is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction

from monitor.errors import SettingsError
from monitor.slo import duration
from monitor.slo.alert_policy import ALERTING_KINDS, Library
from monitor.slo.documents import read_documents
from monitor.slo.fields import Fields, Metadata, read_metadata
from monitor.slo.indicator import Indicator, read_indicator
from monitor.slo.objective import Measure, Objective, TimeSlice
from monitor.slo.policy import Terms
from monitor.slo.tiers import alerting_of

API_VERSION = "openslo/v1"
ANNOTATIONS = ("label-delay", "keep-firing", "close-without-data")
KINDS = (*ALERTING_KINDS, "SLO")
KEEP_FIRING_MINUTES = 15
KEEP_FIRING_MINUTES_SAMPLED = 2 * duration.HOUR
"""With a dozen labels an hour, an hour without a finding is often luck: measured, docs/slo.md."""
CLOSE_WITHOUT_DATA_MINUTES = duration.DAY


def parse_objectives(
    files: Mapping[str, bytes], slis: Mapping[str, Indicator], channels: Collection[str]
) -> tuple[Objective, ...]:
    """All SLOs of the given files, ordered by name.

    Args:
        files: content by name; objects may refer to each other across files.
        slis: SLI by name (`monitor.sli.SLIS`).
        channels: names of notification channels (`monitor.notify.CHANNELS`).

    Raises:
        SettingsError: with every fault of every file: where it stands, what is wrong, what to write.
    """
    faults: list[str] = []
    documents = _read_all(files, faults)
    library = Library(channels)
    for kind in ALERTING_KINDS:
        for document in documents[kind]:
            library.add(kind, document)
    objectives = [_read_slo(document, library, slis) for document in documents["SLO"]]
    names = [document.child("metadata").name("name") for document in documents["SLO"]]
    for document, name in zip(documents["SLO"], names, strict=True):
        if name and names.count(name) > 1:
            document.fault("metadata.name", f"there is another SLO named {name}; names must differ")
    if faults:
        raise SettingsError(list(dict.fromkeys(faults)))
    return tuple(sorted((one for one in objectives if one is not None), key=lambda one: one.name))


def _read_all(files: Mapping[str, bytes], faults: list[str]) -> dict[str, list[Fields]]:
    """The documents by kind."""
    found: dict[str, list[Fields]] = {kind: [] for kind in KINDS}
    for file, content in sorted(files.items()):
        for document in read_documents(file, content, faults):
            if not isinstance(document.content, dict):
                faults.append(f"{document.where}: must be a mapping with apiVersion, kind, metadata and spec")
                continue
            fields = Fields(document.content, document.where, "", faults)
            fields.choice("apiVersion", (API_VERSION,))
            kind = fields.choice("kind", KINDS)
            if kind:
                found[kind].append(fields)
    return found


def _read_slo(document: Fields, library: Library, slis: Mapping[str, Indicator]) -> Objective | None:
    metadata = read_metadata(document, ANNOTATIONS)
    spec = document.child("spec")
    document.done()
    description, service = spec.text("description", required=False), spec.text("service")
    method = spec.choice("budgetingMethod", ("Occurrences", "Timeslices"))
    window = _read_window(spec)
    objective = _read_only_child(spec, "objectives")
    objective.text("displayName", required=False)
    target, time_slice = _read_target(objective), _read_time_slice(objective, method)
    measure = read_indicator(spec, objective, slis)
    policies = library.policies_of(spec)
    for key in ("indicator", "indicatorRef", "compositeWeight"):
        if key in objective:
            objective.fault(key, "composite SLOs are not read; write one SLO for each objective")
    objective.done()
    spec.done()
    if measure is None or target is None or window is None:
        return None
    if time_slice and measure.sampled:
        spec.fault("budgetingMethod", "a time slice would hold one or two sampled labels; write Occurrences")
    delay, keep, close = _timing(metadata, measure, document)
    return Objective(
        name=metadata.name,
        display_name=metadata.display_name,
        service=service,
        description=description.strip(),
        measure=measure,
        target=target,
        window_minutes=window,
        time_slice=time_slice,
        alerting=alerting_of(spec, policies, Terms(target, window, measure.sampled, delay)),
        label_delay_minutes=delay,
        keep_firing_minutes=keep,
        close_without_data_minutes=close,
    )


def _timing(metadata: Metadata, measure: Measure, document: Fields) -> tuple[int, int, int]:
    """Minutes: label delay, keep-firing, close-without-data."""
    annotations = metadata.annotations
    default = KEEP_FIRING_MINUTES_SAMPLED if measure.sampled else KEEP_FIRING_MINUTES
    delay = annotations.minutes("label-delay")
    if delay is not None and not measure.sampled:
        document.fault("metadata.annotations.snellen.dev/label-delay", "only labels are late; remove it")
    keep = annotations.minutes("keep-firing")
    close = annotations.minutes("close-without-data")
    return delay or 0, keep or default, close or CLOSE_WITHOUT_DATA_MINUTES


def _read_only_child(spec: Fields, key: str) -> Fields:
    """The one mapping of a list of one; where there are others, an empty one that notes no further faults."""
    children = spec.children(key)
    if len(children) == 1:
        return children[0]
    if key in spec:
        spec.fault(key, f"exactly one is needed, not {len(children)}")
    return Fields({}, spec.where, f"{key}[0].", [])


def _read_window(spec: Fields) -> int | None:
    window = _read_only_child(spec, "timeWindow")
    minutes = window.minutes("duration")
    rolling = window.flag("isRolling", default=False)
    if "calendar" in window:
        window.child("calendar")
    if rolling and "calendar" in window:
        window.fault("calendar", "a rolling window has none; remove it")
    if not rolling and minutes is not None:
        window.fault("isRolling", "calendar windows are not evaluated yet; write isRolling: true, without calendar")
    window.done()
    return minutes


def _read_target(objective: Fields) -> Fraction | None:
    """The share of good events promised, exactly as its text says."""
    if ("target" in objective) == ("targetPercent" in objective):
        objective.fault("target", "exactly one of target and targetPercent is needed")
        return None
    whole = 1 if "target" in objective else 100
    key = "target" if whole == 1 else "targetPercent"
    value = objective.number(key)
    if value is None:
        return None
    if not 0 <= value < whole:
        hint = "at 1 there is no error budget to burn" if whole == 1 else "100 leaves no error budget to burn"
        objective.fault(key, f"must be at least 0 and below {whole}: {hint}")
        return None
    return value / whole


def _read_time_slice(objective: Fields, method: str) -> TimeSlice | None:
    if method != "Timeslices":
        for key in ("timeSliceTarget", "timeSliceWindow"):
            if key in objective:
                objective.fault(key, "belongs to budgetingMethod Timeslices; remove it, or change the method")
                objective.skip(key)
        return None
    target = objective.number("timeSliceTarget")
    minutes = objective.minutes("timeSliceWindow")
    if target is None or minutes is None:
        return None
    if not 0 < target <= 1:
        objective.fault("timeSliceTarget", "must be above 0 and at most 1")
        return None
    return TimeSlice(minutes, target)
