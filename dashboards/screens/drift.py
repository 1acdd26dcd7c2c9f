"""Did the inputs move, which side of them, and since when?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from dashboards import data, frame, parts
from dashboards.charts import drift as charts
from dashboards.charts.axes import Events
from dashboards.charts.palette import VERDICTS
from dashboards.frame import View
from dashboards.panels.alarms import alarms
from dashboards.panels.explained import explained
from dashboards.panels.references import references as reference_panel
from dashboards.words import NOTHING, around, count, ends, moment, p_value, plain, span
from monitor.domain.results import DriftVerdict
from monitor.domain.window import HOUR, lasting
from monitor.drift.persistence import LOOKS, NEEDED, persists
from monitor.store.queries.drift import Course, Finding, Reference, Unfitted, step_of
from monitor.streams import STREAMS

EFFECT = (
    "How far the detector's features moved, from 0.5 (no further than chance) to 1. It is the chance to tell a row of "
    "now from one of the reference where all rows moved alike; of few rows that moved far it is more. How many moved, "
    "the explanation says. In brackets its 95% interval, which begins at 0.5 where chance may explain everything."
)
ADJUSTED = (
    "Chance of such evidence without drift, adjusted over all streams and slices of the tick (Benjamini-Hochberg)."
)
SMALLEST = (
    "Shift of the mean, in standard deviations of single rows, that this n would find in 8 cases of 10, also if "
    "nothing else moved. A smaller one could be there and stay unseen."
)


def page() -> None:
    view = frame.open_page(
        "Did the inputs move away from the reference, which side of them, and since when?", frame.one_model
    )
    if frame.nothing_yet():
        return
    references = data.drift.references(view.model)
    not_compared(data.drift.unfitted_streams(view.model))
    if not references:
        frame.empty(
            "There is no reference to compare with yet.",
            "A provisional one is made by `snellen schedule` once enough traffic has come "
            "(settings `drift.reference_rows` and `drift.reference_span`); vectors come with the events, or from "
            "`python -m collectors embed`. `snellen reference create` blesses traffic that is there already.",
        )
        return
    found = data.drift.courses(view.window, view.model)
    if not found:
        frame.empty(
            "No comparison was made in this range.",
            "Drift is evaluated at full hours by `snellen schedule`; choose a longer range, or evaluate past times "
            "with `snellen evaluate --as-of TIME`.",
        )
    else:
        overview(found, references)
    streams = list(dict.fromkeys((one.model, one.stream) for one in references))
    chosen = choose(streams, found)
    stream(next(one for one in references if _name(one) == chosen))
    for one in found:
        if _name(one.newest[-1]) == chosen:
            course(one, view, parts.events_of(view))
    explained(view.window, view.model)
    alarms(view)
    reference_panel(references, view.model)


def not_compared(found: Sequence[Unfitted]) -> None:
    """Streams that have no reference, and those that had none until they began to vary."""
    silent = [one for one in found if one.compared_since is None]
    if silent:
        lines = [
            f"- {plain(one.stream)} · {plain(one.model)}: {plain(one.reason)} "
            f"({count(one.rows)} rows, {span(one.window)}{_was_constant(one)})"
            for one in silent
        ]
        st.info(
            "Not watched, whatever happens to them, until a reference can be made (tried at midnight, UTC):\n"
            + "\n".join(lines),
            icon=":material/visibility_off:",
        )
    for one in found:
        if one.compared_since is not None:
            st.warning(
                f"{plain(one.stream)} · {plain(one.model)}: the same in every row until {moment(one.constant_until)} "
                f"UTC at least, and no longer. Its reference rests on traffic until {moment(one.compared_since)} UTC, "
                "so this change is in no verdict. Bless a reference to say that it is known.",
                icon=":material/sync_alt:",
            )


def _was_constant(one: Unfitted) -> str:
    ended = one.constant_until is not None and one.constant_until < one.window.end
    return f"; the same in every row until {moment(one.constant_until)} UTC at least, and no longer" if ended else ""


def _name(one: Finding | Reference) -> tuple[str, str]:
    return one.model, one.stream


def overview(found: Sequence[Course], references: Sequence[Reference]) -> None:
    """Every stream in one line: what moved stands first."""
    blessed = {one.id for one in references if one.blessed}
    ordered = sorted(found, key=lambda one: (-one.drifting, one.newest[-1].stream))
    several = len({one.newest[-1].model for one in found}) > 1
    columns = _COLUMNS if several else _COLUMNS[:-1]
    parts.table([_row(one, blessed) for one in ordered], columns, column_config=parts.helps(_HELP))
    st.caption(VERDICT_LEGEND)


_COLUMNS = (
    "stream", "newest", "ticks with drift", "persists", "effect", "adjusted p", "n", "smallest shift seen", "by",
    "reference", "model",
)  # fmt: skip


_HELP = {
    "ticks with drift": "Hourly comparisons of this range whose adjusted p was below the level.",
    "persists": f"Drift in at least {NEEDED} of the last {LOOKS} ticks: what the drift objective counts.",
    "effect": EFFECT, "adjusted p": ADJUSTED, "smallest shift seen": SMALLEST,
    "by": "The detector with the strongest evidence; docs/drift.md says what each is good at.",
    "reference": "Provisional: fitted on the first traffic, chosen by nobody. Bless traffic that you know to be good.",
}  # fmt: skip


def _row(found: Course, blessed: Collection[int]) -> dict[str, object]:
    newest = found.newest[-1]
    return {
        "stream": newest.stream, "newest": parts.in_words(VERDICTS[newest.verdict]),
        "ticks with drift": f"{found.drifting} of {found.ticks}",
        "persists": "yes" if persists([one.verdict for one in found.newest]) else "no",
        "effect": around(newest.effect, newest.effect_interval),
        "adjusted p": p_value(newest.adjusted_p), "n": newest.n,
        "smallest shift seen": _deviations(newest.smallest_distance), "by": newest.detector or NOTHING,
        "reference": "blessed" if newest.reference_id in blessed else "provisional", "model": newest.model,
    }  # fmt: skip


def choose(streams: Sequence[tuple[str, str]], found: Sequence[Course]) -> tuple[str, str]:
    """The stream that the address names, else the one that drifted most."""
    drifted = {_name(one.newest[-1]): one.drifting for one in found}
    loudest = max(range(len(streams)), key=lambda index: drifted.get(streams[index], 0))
    several = len({model for model, _ in streams}) > 1
    words = {f"{name} · {model}" if several else name: (model, name) for model, name in streams}
    shown = st.selectbox("Stream", list(words), index=loudest, key="stream", bind="query-params", width=320)
    return words[shown]


VERDICT_LEGEND = " · ".join(f"{look.symbol} {look.words}" for look in VERDICTS.values()) + (
    ". The dashed line is the level below which an adjusted p-value is called drift; p-values are adjusted over all "
    "streams and slices of a tick (Benjamini-Hochberg)."
)


def stream(reference: Reference) -> None:
    """What is compared."""
    st.subheader(f"{plain(reference.stream)} · {plain(reference.model)}", anchor=False)
    if reference.stream in STREAMS:
        st.caption(STREAMS[reference.stream].meaning)


def course(one: Course, view: View, events: Events) -> None:
    """One stream: its state, its course, its slices."""
    latest(one.newest[-1])
    st.caption(persistence(one))
    name, step = _name(one.newest[-1]), step_of(view.window)
    found = data.drift.findings(view.window, *name)
    left, right = st.columns(2, gap="large")
    with left:
        parts.chart(charts.evidence(found, view.window, events))
    with right:
        parts.chart(charts.effect(found, view.window, events))
    if step > HOUR:
        st.caption(f"One point each {lasting(step)}: the worst tick of them.")
    if of_slices := data.drift.findings(view.window, *name, slices=True):
        cell = "tick" if step == HOUR else f"{lasting(step)}, the worst tick of them"
        parts.chart(
            charts.slice_strip(of_slices, view.window),
            f"Slices, one cell per {cell}: red is drift, blue is none, the fuller the stronger the evidence; grey "
            "marks: not enough data or reference.",
        )


def latest(one: Finding) -> None:
    """The newest comparison: verdict, effect, evidence, and what it could have seen."""
    verdict, effect, evidence, size, blind = st.columns(5)
    with verdict, st.container(border=True, height="stretch"):
        st.caption(f"{moment(one.tick)} UTC")
        parts.badge(VERDICTS[one.verdict])
        if one.reason:
            st.caption(plain(one.reason))
    with effect:
        sure = "" if one.effect_interval is None else f"{ends(one.effect_interval)} · "
        parts.figure("Effect", around(one.effect, None), f"{sure}n = {count(one.n)}", EFFECT)
    with evidence:
        raw = f"raw {p_value(one.p_value)}, by {one.detector or NOTHING}"
        parts.figure("Adjusted p", p_value(one.adjusted_p), raw, ADJUSTED)
    with size:
        against = NOTHING if one.n_reference is None else count(one.n_reference)
        parts.figure("Rows compared", count(one.n), f"with {against}, {lasting(one.tick - one.window_start)}")
    with blind:
        parts.figure(
            "Smallest shift seen", _deviations(one.smallest_distance),
            f"measured {around(one.distance, one.distance_interval, ' SD')}", SMALLEST,
        )  # fmt: skip


def persistence(found: Course) -> str:
    """One window may drift by chance; several in a row do not."""
    last = [one.verdict for one in found.newest]
    drifting = sum(verdict is DriftVerdict.DRIFT for verdict in last)
    words = "it persists" if persists(last) else "it does not persist"
    return f"Drift in {drifting} of the last {len(last)} ticks of this range: {words} ({NEEDED} are needed)."


def _deviations(distance: float | None) -> str:
    return around(distance, None, " SD")


page()
