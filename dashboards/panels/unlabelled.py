"""What answers without a label add to the accuracy: for all traffic as figures, per slice as a table."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import data, parts
from dashboards.frame import View
from dashboards.words import NOTHING, between, count, percent, points
from monitor.domain.window import LEARNED_FROM, Window
from monitor.services.unlabelled import Aided
from monitor.stats import estimated_accuracy, ppi
from monitor.stats.slices import MIN_LABELS
from monitor.stats.track_record import track_record
from monitor.store.queries.estimates import JudgedEstimate
from monitor.store.queries.slices import Dimension

COLUMNS = ("value", "labels alone", "labels interval", "with confidences", "its interval", "as good as",
           "estimated without labels", "estimate's interval")  # fmt: skip
RECORD_COLUMNS = ("day", "model", "estimate", "estimate's interval", "answers", "by labels", "labels interval",
                  "labels", "agrees")  # fmt: skip


def aided_figures(view: View, with_confidences: DeltaGenerator, without_labels: DeltaGenerator) -> None:
    """Both estimates of all traffic, in the two places."""
    found = data.quality.aided_accuracy(view.window, data.now(), view.selection).get("", Aided())
    with with_confidences:
        powered = found.powered
        parts.figure(
            "With confidences", percent(powered.share, 2) if powered else NOTHING,
            f"{between(powered.interval)} · {saving(powered.saving)}" if powered else f"needs {ppi.MIN_LABELS} labels",
            "Labels, and the confidences of all answers (prediction-powered, PPI++). No alert rests on it.",
        )  # fmt: skip
    with without_labels:
        estimated_figure(found)


def estimated_alone(view: View) -> None:
    """What confidences say where there is no label at all, and how far such estimates can be trusted."""
    found = data.quality.aided_accuracy(view.window, data.now(), view.selection).get("", Aided())
    if found.estimated is not None:
        with st.columns(4)[0]:
            estimated_figure(found)
    estimate_record(view)


def estimated_figure(found: Aided) -> None:
    estimated = found.estimated
    parts.figure(
        "Estimated without labels", percent(estimated.share, 2) if estimated else NOTHING,
        f"{between(estimated.interval)} · n = {count(estimated.n)}{confident(found)}" if estimated
        else f"needs {estimated_accuracy.MIN_PAST} earlier labels",
        "What the confidences of this range meant in the four weeks before. It cannot see that they have come to "
        "mean something else: the track record says how often it was right.",
    )  # fmt: skip


def aided_table(view: View, dimension: Dimension) -> None:
    """Per value of the dimension; nothing where minute counts do not know it."""
    found = data.quality.aided_accuracy(view.window, data.now(), view.selection, dimension)
    rows = [cells(value, one) for value, one in sorted(found.items()) if one.powered or one.estimated]
    if rows:
        with st.expander("What answers without a label add"):
            parts.table(rows, COLUMNS)
            st.caption(
                "Labels alone decide; confidences of unlabelled answers narrow the interval as far as they are worth "
                "it, whether they are calibrated or not. The estimate without labels trusts that they mean what they "
                "meant."
            )


def estimate_record(view: View) -> None:
    """How the daily estimates of the last four weeks stand against labels; nothing before the first estimate."""
    found = data.quality.judged_estimates(Window.before(view.window.end, LEARNED_FROM), view.selection, data.now())
    record = track_record((one.checked for one in found), min_labels=MIN_LABELS)
    if not found:
        return
    with st.expander("Track record of the estimates without labels"):
        if record.agreed.n:
            st.markdown(
                f"**{record.agreed.count} of {record.agreed.n}** daily estimates agree with what labels later said "
                f"({between(record.agreed.interval)}; 95% would). On average they are off by "
                f"{points(record.mean_error)}, without sign by {points(record.mean_distance).lstrip('+')}."
            )
        parts.table([judged(one) for one in found], RECORD_COLUMNS)
        st.caption(
            f"Made at the day's end from its confidences, of labels known by then. Estimates and labels are of answers "
            f"that have a confidence. Days with fewer than {MIN_LABELS} labels are not judged."
        )


def judged(one: JudgedEstimate) -> dict[str, object]:
    labelled, enough = one.checked.labelled, one.checked.labelled.n >= MIN_LABELS
    return {
        "day": f"{one.window.start:%Y-%m-%d}", "model": one.model, "estimate": percent(one.checked.estimate),
        "estimate's interval": between(one.checked.interval), "answers": one.n,
        "by labels": percent(labelled.share), "labels interval": between(labelled.interval) if labelled.n else "",
        "labels": labelled.n, "agrees": ("yes" if one.checked.agrees else "no") if enough else "too few labels",
    }  # fmt: skip


def cells(value: str, one: Aided) -> dict[str, object]:
    powered, estimated = one.powered, one.estimated
    return {
        "value": value,
        "labels alone": percent(powered.classical.share) if powered else "",
        "labels interval": between(powered.classical.interval) if powered else "",
        "with confidences": percent(powered.share) if powered else "",
        "its interval": between(powered.interval) if powered else "",
        "as good as": saving(powered.saving) if powered else "",
        "estimated without labels": percent(estimated.share) if estimated else "",
        "estimate's interval": between(estimated.interval) if estimated else "",
    }


def confident(found: Aided) -> str:
    """Which answers an estimate is of, where it is not of all.

    >>> confident(Aided(confident=0.7)), confident(Aided(confident=1.0))
    (', of the 70.0% of answers that have a confidence', '')
    """
    return f", of the {percent(found.confident)} of answers that have a confidence" if found.confident < 1.0 else ""


def saving(share: float) -> str:
    """What the confidences are worth, in labels.

    >>> saving(0.243), saving(-0.01)
    ('24% more labels', 'no more labels')
    """
    return f"{100 * share:.0f}% more labels" if share >= 0.005 else "no more labels"
