"""Explain drift: what moved between the reference and a window, in words, with requests that show it."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Engine

from monitor.domain.results import DriftVerdict
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, Window, floor
from monitor.drift.persistence import persists
from monitor.errors import NotEnoughData
from monitor.explain import Explanation, explain
from monitor.explain.bank import Bank
from monitor.explain.examples import examples
from monitor.services.attempts import attempt_all
from monitor.services.concepts import families
from monitor.services.explained_rows import commonest, sampled
from monitor.store import explanations as store
from monitor.store import locks
from monitor.store.engine import transaction
from monitor.store.explanations import Compared, Look

log = logging.getLogger(__name__)

EXAMPLES = 6
AGAIN_AFTER = timedelta(hours=6)
"""A drift that lasts is explained anew so often."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    bank: Bank
    rows: int
    """Of each window, at most."""
    alpha: float
    """Chance that anything is confirmed although nothing moved."""
    slice_dimensions: tuple[str, ...]


def explain_windows(engine: Engine, options: ExplainOptions, compared: Compared, now: datetime) -> Explanation:
    """Compare retained predictions of two windows, store what is found, and return it.

    Raises:
        NotEnoughData: too few predictions are retained.
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        before, current = (
            sampled(connection, compared.model, compared.part, window, options.rows)
            for window in (compared.reference, compared.current)
        )
        embedder = commonest(before.embedders() & current.embedders())
        known = families(connection, options.bank, embedder)
    rows = current.rows(embedder, options.slice_dimensions)
    found = explain(before.rows(embedder, options.slice_dimensions), rows, known, alpha=options.alpha)
    shown = [current.keys[row] for row in examples(found, rows, known, EXAMPLES).tolist()]
    with transaction(engine) as connection:
        store.insert_explanation(connection, compared, found, shown, now)
    return found


def explain_alarms(engine: Engine, options: ExplainOptions, now: datetime) -> int:
    """Explain each model's drift once it persists, and anew while it lasts; returns how many explanations were made.

    Of a model, all traffic is explained where any of its streams drifts there; else the slice with the strongest
    evidence. One process at a time.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with locks.try_hold(engine, locks.EXPLANATION) as held:
        if held is None:
            return 0
        with transaction(engine) as connection:
            waiting = [
                alarm
                for alarm in _alarms(store.recent_looks(connection, now))
                if not store.explained_since(connection, alarm.model, alarm.part, alarm.current.end, AGAIN_AFTER)
            ]
        return sum(attempt_all((alarm.model, partial(_attempt, engine, options, alarm, now)) for alarm in waiting))


def explain_past(engine: Engine, options: ExplainOptions, start: datetime, end: datetime) -> int:
    """Explain what persisted at the full hours of (start, end], as it would have been then; returns how many times.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    hours = round((floor(end, HOUR) - floor(start, HOUR)) / HOUR)
    return sum(explain_alarms(engine, options, floor(start, HOUR) + HOUR * (index + 1)) for index in range(hours))


def _attempt(engine: Engine, options: ExplainOptions, alarm: Compared, now: datetime) -> bool:
    try:
        explain_windows(engine, options, alarm, now)
    except NotEnoughData as error:
        log.warning("drift was not explained", extra={"model": alarm.model, "reason": str(error)})
        return False
    return True


def _alarms(looks: list[Look]) -> list[Compared]:
    """Of each model, what is to be explained."""
    series: dict[tuple[int, Slice], list[Look]] = defaultdict(list)
    for look in looks:
        series[look.reference_id, look.part].append(look)
    lasting: dict[str, list[Look]] = defaultdict(list)
    for one in series.values():
        if persists([look.verdict for look in one]) and one[-1].verdict == DriftVerdict.DRIFT:
            lasting[one[-1].model].append(one[-1])
    return [_alarm(found) for _, found in sorted(lasting.items())]


def _alarm(found: list[Look]) -> Compared:
    everywhere = [one for one in found if one.part == ALL_TRAFFIC]
    look = min(everywhere or found, key=lambda one: 1.0 if one.adjusted_p is None else one.adjusted_p)
    return Compared(look.model, look.part, look.reference, Window(look.window_start, look.tick))
