"""What pages ask for: the queries of `monitor.store.queries`, cached for a few seconds. Pages touch no database.

Every function keeps the name, arguments and result of its query, less the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Concatenate, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import Connection, Engine

from monitor import bootstrap, settings
from monitor.domain.events import Image
from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState
from monitor.domain.slices import Slice
from monitor.domain.window import Window, floor
from monitor.embedding.images import ImageOpener
from monitor.errors import ImageRefused, NotEnoughData, StoreError
from monitor.services import measure_tasks, review, unlabelled
from monitor.services.agree import agreement
from monitor.services.bless import Actor, activate
from monitor.services.bless import bless as bless_traffic
from monitor.services.compare_canary import CanaryReport, compare_canary
from monitor.services.label_tasks import LabelDesk, Said
from monitor.services.references import Made
from monitor.services.spreadsheet import review_csv
from monitor.settings import Settings
from monitor.slo.objective import Objective
from monitor.stats.calibration import Calibration, calibration
from monitor.stats.scaling import Repair, repairs
from monitor.store import alert_actions, judgements
from monitor.store.engine import require_migrated, transaction
from monitor.store.label_tasks import Terms
from monitor.store.partitions import existing_days
from monitor.store.queries import (
    accuracy,
    alerts,
    backlog,
    calls,
    canary,
    catalogue,
    deployments,
    drift,
    estimates,
    examples,
    incidents,
    label_delays,
    label_tasks,
    slices,
    slos,
    streams,
    traffic,
)
from monitor.store.queries import calibration as outcomes
from monitor.store.queries import drift_alarms as alarms
from monitor.store.queries import explanations as explained
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension

P = ParamSpec("P")
R = TypeVar("R")

FRESH = timedelta(seconds=10)
"""How old a figure on a page may be; also the grain of `now`, so that looks within it share their answers."""
SLOW_TO_CHANGE = timedelta(minutes=1)
THUMBNAIL = 240
"""Pixels of the longer side."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`calibration` is None when the answers are too few to judge."""

    calibration: Calibration | None
    used: int
    without_confidence: int
    """Labelled answers that are left out because they have no confidence."""


@st.cache_resource(show_spinner=False)
def _settings() -> Settings:
    return settings.load()


@st.cache_resource(show_spinner=False, on_release=Engine.dispose)
def _engine() -> Engine:
    engine = bootstrap.open_store(_settings(), application="snellen-dashboard").engine
    try:
        require_migrated(engine)
    except StoreError:
        engine.dispose()
        raise
    return engine


def now() -> datetime:
    """The present, to `FRESH`."""
    return floor(bootstrap.now(), FRESH)


def _cached(query: Callable[Concatenate[Connection, P], R], ttl: timedelta = FRESH) -> Callable[P, R]:
    """The query without its connection, each answer kept for `ttl`.

    Raises, when called:
        SettingsError: no database is named.
        StoreError: it is not migrated, or does not answer.
    """

    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction(_engine()) as connection:
            return query(connection, *args, **kwargs)

    # The cache tells functions apart by module and name.
    ask.__qualname__ = ask.__name__ = f"{query.__module__}.{query.__name__}"
    cached: Callable[P, R] = st.cache_data(ttl=ttl, max_entries=200, show_spinner=False)(ask)
    return cached


served_models = _cached(catalogue.served_models, SLOW_TO_CHANGE)
label_sources = _cached(catalogue.label_sources, SLOW_TO_CHANGE)
predicted_extent = _cached(catalogue.predicted_extent)
labelled_extent = _cached(catalogue.labelled_extent)
total_traffic = _cached(traffic.total_traffic)
traffic_over_time = _cached(traffic.traffic_over_time)
labelled_accuracy = _cached(accuracy.labelled_accuracy)
accuracy_over_time = _cached(accuracy.accuracy_over_time)
slice_dimensions = _cached(slices.slice_dimensions)
slice_values = _cached(slices.slice_values)
review_slices = _cached(review.review_slices)
review_whole = _cached(review.review_whole)
aided_accuracy = _cached(unlabelled.aided_accuracy)
label_maturity = _cached(label_delays.label_maturity)
judged_estimates = _cached(estimates.judged_estimates)
references = _cached(drift.references)
unfitted_streams = _cached(drift.unfitted)
findings = _cached(drift.findings)
findings_overlapping = _cached(drift.findings_overlapping)
latest_findings = _cached(drift.latest_findings)
drift_alarms = _cached(alarms.drift_alarms)
promised_level = _cached(alarms.promised_level)
latest_ticks = _cached(slos.latest_ticks)
slo_history = _cached(slos.slo_history)
slo_tick = _cached(slos.slo_tick)
incidents_within = _cached(alerts.incidents_within)
open_incidents = _cached(alerts.open_incidents)
incident = _cached(alerts.incident)
transitions = _cached(alerts.transitions)
deliveries = _cached(alerts.deliveries)
slice_shifts = _cached(incidents.slice_shifts)
example_requests = _cached(examples.examples)
explanations = _cached(explained.explanations)
explanation_examples = _cached(explained.explanation_examples)
latest_discovery = _cached(explained.latest_discovery, SLOW_TO_CHANGE)
discovery_examples = _cached(explained.discovery_examples, SLOW_TO_CHANGE)
last_deployments = _cached(deployments.last_deployments)
deployments_within = _cached(deployments.deployments_within)
_label_backlog = _cached(backlog.label_backlog)
_label_strata = _cached(label_tasks.backlog_by_stratum)
_label_states = _cached(label_tasks.states)
label_disputes = _cached(label_tasks.disputes)
agreement_of = _cached(agreement, SLOW_TO_CHANGE)
logged_calls = _cached(calls.logged_calls)
_waiting_sides = _cached(calls.waiting_sides)
partition_lags = _cached(streams.partition_lags)
outcomes_over_time = _cached(streams.outcomes_over_time)
last_consumed_minute = _cached(streams.last_consumed_minute)
dead_letters = _cached(streams.dead_letters)
dead_letters_over_time = _cached(streams.dead_letters_over_time)
stream_gaps = _cached(streams.stream_gaps)
partition_days = _cached(existing_days, SLOW_TO_CHANGE)


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=100, show_spinner=False)
def task_report(window: Window, selection: Selection, dimension: Dimension | None) -> measure_tasks.TaskReport:
    """Every task's metrics, captions weighed as the settings say."""
    with transaction(_engine()) as connection:
        return measure_tasks.measure_tasks(connection, window, selection, dimension, bootstrap.tasks(_settings()))


def review_file(window: Window, selection: Selection, as_of: datetime) -> Callable[[], bytes]:
    """What makes the whole review as a file, at the time that it is asked for.

    Raises, when called:
        StoreError: PostgreSQL does not answer.
    """
    engine = _engine()

    def make() -> bytes:
        with transaction(engine) as connection:
            return review_csv(review.full_review(connection, window, as_of, selection))

    return make


@st.cache_resource(ttl=SLOW_TO_CHANGE, show_spinner=False)
def objectives() -> dict[str, Objective]:
    """The SLOs of the settings' folder by name.

    Raises:
        SettingsError: with every fault of every document.
    """
    return {one.name: one for one in bootstrap.read_objectives(_settings())}


def waiting_sides() -> calls.WaitingSides:
    """Sides of calls that wait in the ingest group, now."""
    return _waiting_sides(bootstrap.group(_settings(), "ingest"))


def _terms() -> Terms:
    return bootstrap.label_terms(_settings())


def label_backlog() -> backlog.LabelBacklog:
    """What waits for annotators, now."""
    return _label_backlog(_terms(), now())


def label_strata() -> list[label_tasks.StratumBacklog]:
    """The same by stratum."""
    return _label_strata(_terms(), now())


def label_states(window: Window) -> dict[TaskState, int]:
    """Tasks of the predictions of a window by what became of them."""
    return _label_states(window, _terms(), now())


@st.cache_resource(show_spinner=False)
def _label_desk() -> LabelDesk:
    return bootstrap.make_label_desk(_settings(), bootstrap.Store(_engine()))


def take_task(annotator: str, stratum: str | None, *, adjudicate: bool) -> TaskItem | None:
    """The oldest task that this annotator may answer, held for them; None when there is none.

    Raises:
        InvalidEvent: the name is none.
        StoreError: PostgreSQL does not answer.
    """
    return _label_desk().take(annotator, bootstrap.now(), stratum=stratum, adjudicate=adjudicate)


def answer_task(key: TaskKey, annotator: str, said: Said) -> TaskState | None:
    """Append what an annotator says; returns what became of the task.

    Raises:
        InvalidEvent: it says nothing, or too much.
        StoreError: PostgreSQL does not answer.
    """
    return _label_desk().answer(key, annotator, said, bootstrap.now())


def skip_task(key: TaskKey, annotator: str, reason: str) -> None:
    """Set a task aside that cannot be answered.

    Raises:
        InvalidEvent: the reason is too long.
        StoreError: PostgreSQL does not answer.
    """
    _label_desk().skip(key, annotator, reason, bootstrap.now())


def release_task(key: TaskKey, annotator: str) -> None:
    """Give a task back unanswered."""
    _label_desk().release(key, annotator)


@st.cache_resource(show_spinner=False)
def _image_opener() -> ImageOpener:
    return bootstrap.make_image_opener(_settings())


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=100, show_spinner=False)
def thumbnail(reference: str, sha256: str | None, side: int = THUMBNAIL) -> bytes | str:
    """A PNG of a request's picture whose longer side has so many pixels at most, or why there is none.

    Opened as the embedder opens it: below the folders and from the hosts that the settings allow, within their limits.
    """
    try:
        picture = _image_opener()(Image(ref=reference, sha256=sha256))
    except ImageRefused as refused:
        return str(refused)
    picture.thumbnail((side, side))
    png = BytesIO()
    picture.save(png, "PNG")
    return png.getvalue()


@st.cache_data(ttl=FRESH, max_entries=200, show_spinner=False)
def calibration_of(
    window: Window, selection: Selection, dimension: Dimension | None = None, value: str | None = None
) -> Calibrated:
    """Calibration of the labelled answers of a window."""
    with transaction(_engine()) as connection:
        found = outcomes.outcomes(connection, window, selection, dimension, value)
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
    with transaction(_engine()) as connection:
        found = outcomes.outcomes(connection, window, selection, dimension, value)
    try:
        return repairs(found.confidence, found.correct, probability=found.probability)
    except NotEnoughData as error:
        return str(error)


canary_rollouts = _cached(canary.canary_rollouts)


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=20, show_spinner=False)
def canary_report(rollout: canary.Rollout, as_of: datetime) -> CanaryReport:
    """The canary beside the stable version, as known at a moment."""
    options = bootstrap.canary_options(_settings())
    with transaction(_engine()) as connection:
        return compare_canary(connection, rollout, as_of, options)


def judge(reference_id: int, part: Slice, since: datetime, by: str, *, useful: bool, comment: str) -> bool:
    """Keep whether an alarm of drift was of use; false when nothing drifted there.

    Raises:
        ValueError: `by` is no name, or the comment is too long.
        StoreError: PostgreSQL does not answer.
    """
    with transaction(_engine()) as connection:
        done = judgements.judge(
            connection, reference_id, part, since, by, bootstrap.now(), useful=useful, comment=comment
        )
    st.cache_data.clear()
    return done


def bless(model: str, window: Window, streams: Sequence[str], by: str) -> list[Made]:
    """Make the model's traffic in a window its drift reference.

    Raises:
        NotEnoughData: the window is too short, or there is no traffic in it.
        StoreError: PostgreSQL does not answer.
    """
    options, actor = bootstrap.reference_options(_settings()), Actor(by.strip(), bootstrap.now())
    made = bless_traffic(_engine(), options, model, window, streams, actor)
    st.cache_data.clear()
    return made


def activate_reference(reference_id: int, by: str) -> None:
    """Compare with an earlier reference again.

    Raises:
        NotEnoughData: there is none of this number.
        StoreError: PostgreSQL does not answer.
    """
    activate(_engine(), bootstrap.reference_options(_settings()), reference_id, Actor(by.strip(), bootstrap.now()))
    st.cache_data.clear()


def acknowledge(alert_id: int, by: str) -> bool:
    """Note who takes care of an incident; false when somebody did before, or it is over.

    Raises:
        ValueError: `by` is no name.
        StoreError: PostgreSQL does not answer.
    """
    with transaction(_engine()) as connection:
        done = alert_actions.acknowledge(connection, alert_id, by, bootstrap.now())
    st.cache_data.clear()
    return done
