"""The scheduler: a table of jobs, each one service call. Any number may run; the database counts each tick once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor import bootstrap
from monitor.domain.window import HOUR, MINUTE, floor
from monitor.errors import SnellenError
from monitor.services.deliver import Delivery, deliver, unset
from monitor.services.discover_slices import DiscoverOptions, discover_due
from monitor.services.evaluation import Evaluation, evaluate_hour, evaluate_minutes
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.explain import ExplainOptions, explain_alarms
from monitor.services.measure_backlog import measure_backlog
from monitor.services.plan_labels import PlanOptions, plan_labels
from monitor.services.retain import ON_THE_WAY, make_partitions_ahead, retain
from monitor.services.score_labels import score_labels
from monitor.settings import Settings
from monitor.store import locks
from monitor.store.clock import database_now, earlier
from monitor.store.engine import require_migrated, transaction
from monitor.store.label_tasks import Terms
from monitor.store.queries.slos import latest_ticks
from monitor.telemetry import TICKS, serve_metrics

log = logging.getLogger(__name__)

CLOCK_S = 5.0
"""So often is looked whether the clock was set back."""


@dataclass(slots=True)
class Progress:
    """What jobs remember from turn to turn."""

    hour: datetime | None = None
    """The last full hour that was compared with the references."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """SLO -> which of its names nothing stored has, as was told."""


@dataclass(frozen=True, slots=True)
class Context:
    """What jobs work with."""

    evaluation: Evaluation
    delivery: Delivery
    expiry: ExpiryOptions
    keep: Mapping[str, timedelta]
    """How long rows are kept, by the settings of the section `retention`."""
    plans: PlanOptions
    """What sampling plans are made for."""
    label_terms: Terms
    explain: ExplainOptions
    discover: DiscoverOptions
    progress: Progress = field(default_factory=Progress)


def evaluate_last_minute(context: Context) -> None:
    """SLOs at the newest whole minute. Ticks missed while down are not made up for: charts show the gap, and
    `snellen evaluate --since` fills it without telling anybody."""
    now = _now(context)
    if now is not None:
        evaluate_minutes(context.evaluation, [floor(now, MINUTE)], backfilled=False)
        _tell_unseen(context, now)


def _tell_unseen(context: Context, now: datetime) -> None:
    """Log which names of SLOs nothing stored has, once for each change."""
    named = {one.name for one in context.evaluation.objectives}
    with transaction(context.evaluation.engine) as connection:
        latest = latest_ticks(connection, now)
    unseen = {one.slo: one.unseen for one in latest if one.slo in named and one.unseen}
    for slo, words in unseen.items():
        if context.progress.unseen.get(slo) != words:
            log.warning("SLO %s has no data: %s", slo, words)
    context.progress.unseen = unseen


def evaluate_last_hour(context: Context) -> None:
    """Drift at the newest full hour, tried again until it was compared: a fault within the hour costs no look, nor does
    a start in its midst. Apart from the SLOs, which must not wait for it."""
    now = _now(context)
    if now is not None and floor(now, HOUR) != context.progress.hour:
        evaluate_hour(context.evaluation, floor(now, HOUR))
        context.progress.hour = floor(now, HOUR)


def _now(context: Context) -> datetime | None:
    """By the database's clock; None while a backfill runs, which must not be disturbed."""
    with transaction(context.evaluation.engine) as connection:
        if locks.is_held(connection, locks.BACKFILL):
            log.info("a backfill is running, this tick is left out")
            return None
    return database_now(context.evaluation.engine)


def deliver_due(context: Context) -> None:
    """Send what is due by the database's clock, which says when it came to be."""
    deliver(context.delivery, database_now(context.delivery.engine))


def partitions_ahead(context: Context) -> None:
    """Partitions of the coming days."""
    make_partitions_ahead(context.evaluation.engine, bootstrap.now())


def retire_old_rows(context: Context) -> None:
    """Take away what is older than it is kept, by the clock that makes it younger.

    Raises:
        ClocksApart: the clocks of this machine and of PostgreSQL are too far apart; nothing was taken away.
    """
    engine = context.evaluation.engine
    for expired in retain(engine, context.keep, earlier(engine, bootstrap.now())):
        if expired.rows or expired.days or expired.waiting:
            log.info("retention: %s", expired)


def settle_old_labels(context: Context) -> None:
    """Labels whose prediction can come no more: they are older than arrivals are kept, by the clock that makes them
    younger.

    Raises:
        ClocksApart: the clocks of this machine and of PostgreSQL are too far apart; nothing was settled.
    """
    engine = context.evaluation.engine
    oldest = earlier(engine, bootstrap.now()) - context.keep["arrivals"] - ON_THE_WAY
    score_labels(engine, lost_before=oldest)


def expire_waiting_halves(context: Context) -> None:
    """Sides of calls whose other side never came."""
    expire_halves(context.evaluation.engine, context.expiry, bootstrap.now())


def plan_label_sampling(context: Context) -> None:
    """The next sampling plan, where the one in force does not fit the traffic any more."""
    plan_labels(context.evaluation.engine, context.plans, bootstrap.now())


def measure_label_backlog(context: Context) -> None:
    """How much waits for annotators."""
    measure_backlog(context.evaluation.engine, context.label_terms, bootstrap.now())


def explain_drift(context: Context) -> None:
    """What moved, where drift persists. Apart from the evaluation, which must not wait for it."""
    explain_alarms(context.evaluation.engine, context.explain, bootstrap.now())


def discover(context: Context) -> None:
    """Slices that nobody had named, where a search is due."""
    discover_due(context.evaluation.engine, context.discover, bootstrap.now())


JOBS: dict[str, tuple[int, Callable[[Context], None]]] = {
    "evaluate": (60, evaluate_last_minute),
    "drift": (60, evaluate_last_hour),
    "deliver": (5, deliver_due),
    "halves": (30, expire_waiting_halves),
    "partitions": (3600, partitions_ahead),
    "label_plan": (900, plan_label_sampling),
    "label_backlog": (60, measure_label_backlog),
    "retain": (3600, retire_old_rows),
    "settle": (3600, settle_old_labels),
    "explain": (120, explain_drift),
    "discover": (3600, discover),
}
"""Name -> (every so many seconds, what)."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Run the jobs until `stop` is set.

    Raises:
        SnellenError: wrong settings or SLO documents, no database, or an unmigrated one.
    """
    evaluation = bootstrap.make_evaluation(settings)
    require_migrated(evaluation.engine)
    context = Context(
        evaluation,
        bootstrap.make_delivery(settings, evaluation.engine),
        bootstrap.expiry_options(settings),
        dict(settings.retention),
        bootstrap.plan_options(settings),
        bootstrap.label_terms(settings),
        bootstrap.explain_options(settings),
        bootstrap.discover_options(settings),
    )
    for channel in unset_channels(context):
        log.warning("alerts are to be told to %s: %s", channel, unset(channel))
    serve_metrics(settings.metrics_port)
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(len(JOBS))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for name, (seconds, job) in JOBS.items():
        scheduler.add_job(
            _guarded,
            IntervalTrigger(seconds=seconds),
            args=(name, job, context),
            id=name,
            next_run_time=bootstrap.now(),
        )
    scheduler.start()
    log.info("scheduler runs", extra={"jobs": list(JOBS), "slos": [one.name for one in evaluation.objectives]})
    while not stop.wait(CLOCK_S):
        wake_jobs(scheduler, bootstrap.now())
    scheduler.shutdown(wait=True)


def unset_channels(context: Context) -> list[str]:
    """Channels that SLO documents name and the settings do not."""
    named = {name for slo in context.evaluation.objectives for alerting in slo.alerting for name in alerting.channels}
    return sorted(named - context.delivery.channels.keys())


def wake_jobs(scheduler: BaseScheduler, now: datetime) -> None:
    """Let jobs run that are due later than their interval allows: the clock was set back, and they would wait for as
    long."""
    for job in scheduler.get_jobs():
        if job.next_run_time > now + job.trigger.interval + timedelta(seconds=CLOCK_S):
            job.modify(next_run_time=now)


def _guarded(name: str, job: Callable[[Context], None], context: Context) -> None:
    """A job that fails is logged and counted, and runs again at its next turn."""
    try:
        job(context)
    except SnellenError as error:
        log.error("job failed: %s", error, extra={"job": name})  # noqa: TRY400 (expected faults need no traceback)
        TICKS.labels(name, "failed").inc()
    except Exception:
        log.exception("job failed", extra={"job": name})
        TICKS.labels(name, "failed").inc()
    else:
        TICKS.labels(name, "ok").inc()
