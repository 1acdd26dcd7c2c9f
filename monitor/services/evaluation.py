"""One tick: score what was labelled, compare with the reference, evaluate the SLOs. Live and past ticks alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from monitor.domain.window import HOUR, MINUTE, floor
from monitor.services.attempts import attempt_all
from monitor.services.estimate_accuracy import estimate_last_day
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.evaluate_slos import evaluate_slos
from monitor.services.score_labels import score_labels
from monitor.services.withdraw_incidents import withdraw_incidents
from monitor.slo.objective import Objective


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated, and where."""

    engine: Engine
    objectives: Sequence[Objective]
    drift: DriftOptions


def evaluate_ticks(evaluation: Evaluation, ticks: Sequence[datetime], *, backfilled: bool) -> None:
    """Evaluate whole minutes in order: SLOs at each, and before them what `evaluate_hour` does at full hours.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a repetition goes on where this one ended.
    """
    for tick in ticks:
        if tick == floor(tick, HOUR):
            evaluate_hour(evaluation, tick)
    evaluate_minutes(evaluation, ticks, backfilled=backfilled)


def evaluate_hour(evaluation: Evaluation, tick: datetime) -> None:
    """Compare with the references what came before a full hour, and estimate the accuracy of the day before, once.

    Raises:
        StoreError: as `evaluate_ticks`.
        Exception: the first fault of a step, after the other had its turn.
    """
    steps: list[tuple[str, Callable[[], object]]] = [
        ("looking for drift", partial(evaluate_drift, evaluation.engine, evaluation.drift, tick)),
        ("estimating accuracy", partial(_estimate, evaluation.engine, tick)),
    ]
    attempt_all(steps)


def _estimate(engine: Engine, tick: datetime) -> None:
    score_labels(engine)
    estimate_last_day(engine, tick)


def evaluate_minutes(evaluation: Evaluation, ticks: Sequence[datetime], *, backfilled: bool) -> None:
    """Evaluate the SLOs at whole minutes, in order, also where labels cannot be scored. Live, incidents of SLOs that
    are there no more are closed.

    Raises:
        StoreError: as `evaluate_ticks`.
    """
    engine, objectives = evaluation.engine, evaluation.objectives
    steps: list[tuple[str, Callable[[], int]]] = [
        ("scoring labels", partial(score_labels, engine)),
        ("evaluating SLOs", partial(evaluate_slos, engine, objectives, ticks, backfilled=backfilled)),
    ]
    if not backfilled:
        steps.append(("closing incidents", partial(withdraw_incidents, engine, objectives, ticks[-1])))
    attempt_all(steps)


def minutes(start: datetime, end: datetime) -> list[datetime]:
    """The whole minutes of (start, end], or just `end` floored when they are the same."""
    first, last = floor(start, MINUTE), floor(end, MINUTE)
    count = round((last - first) / MINUTE)
    return [first + MINUTE * (index + 1) for index in range(count)] or [last]
