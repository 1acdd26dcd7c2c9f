"""How good the answers are: accuracy, slices, calibration, the metrics of tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboards.data.connection import FRESH, SLOW_TO_CHANGE, asked, cached, config, engine
from monitor import bootstrap
from monitor.domain.window import Window
from monitor.errors import NotEnoughData
from monitor.services import measure_tasks, review, unlabelled
from monitor.services.spreadsheet import review_csv
from monitor.stats.calibration import Calibration, calibration
from monitor.stats.scaling import Repair, repairs
from monitor.store.engine import transaction
from monitor.store.queries import accuracy, catalogue, estimates, examples, slices
from monitor.store.queries import calibration as outcomes
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension

label_sources = cached(catalogue.label_sources, SLOW_TO_CHANGE)
labelled_extent = cached(catalogue.labelled_extent)
accuracy_over_time = cached(accuracy.accuracy_over_time)
slice_dimensions = cached(slices.slice_dimensions)
slice_values = cached(slices.slice_values)
wrong_answers = cached(examples.wrong_answers)
review_slices = cached(review.review_slices)
review_whole = cached(review.review_whole)
aided_accuracy = cached(unlabelled.aided_accuracy)
labels_of = cached(review.labels_of)
judged_estimates = cached(estimates.judged_estimates)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`calibration` is None when the answers are too few to judge."""

    calibration: Calibration | None
    used: int
    without_confidence: int
    """Labelled answers that are left out because they have no confidence."""


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=100, show_spinner=False)
def task_report(window: Window, selection: Selection, dimension: Dimension | None) -> measure_tasks.TaskReport:
    """Every task's metrics, captions weighed as the settings say."""
    tasks = bootstrap.tasks(config())
    return asked(lambda found: measure_tasks.measure_tasks(found, window, selection, dimension, tasks=tasks))


def review_file(window: Window, selection: Selection, as_of: datetime) -> Callable[[], bytes]:
    """What makes the whole review as a file, at the time that it is asked for.

    Raises, when called:
        StoreError: PostgreSQL does not answer.
    """
    store = engine()

    def make() -> bytes:
        with transaction(store) as connection:
            return review_csv(review.full_review(connection, window, as_of, selection))

    return make


@st.cache_data(ttl=FRESH, max_entries=200, show_spinner=False)
def calibration_of(
    window: Window, selection: Selection, dimension: Dimension | None = None, value: str | None = None
) -> Calibrated:
    """Calibration of the labelled answers of a window."""
    found = asked(lambda connection: outcomes.outcomes(connection, window, selection, dimension, value))
    used = len(found.confidence)
    try:
        known = calibration(found.confidence, found.correct, probability=found.probability)
    except NotEnoughData:
        known = None
    return Calibrated(known, used, found.without_confidence)


@st.cache_data(ttl=FRESH, max_entries=200, show_spinner=False)
def repairs_of(
    window: Window, selection: Selection, dimension: Dimension | None = None, value: str | None = None
) -> tuple[Repair, ...] | str:
    """What would repair the confidences of a window, or why that cannot be said."""
    found = asked(lambda connection: outcomes.outcomes(connection, window, selection, dimension, value))
    try:
        return repairs(found.confidence, found.correct, probability=found.probability)
    except NotEnoughData as error:
        return str(error)
