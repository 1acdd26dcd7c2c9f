"""Make the next sampling plan from the traffic of the last days, when the one in force does not fit any more."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine

from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import DAY, HOUR, Window, floor
from monitor.sampling import LabelPlan
from monitor.sampling.planning import Rates, Volume, plan_rates, still_fits
from monitor.services.draw_labels import LabelDesign
from monitor.store.engine import transaction
from monitor.store.sampling_plans import Counted, counted, first_counted_minute, insert_plan, stored_plans

log = logging.getLogger(__name__)

HISTORY: Final = 2 * DAY
"""Whole days, because traffic has a daily rhythm; of a younger service, what there is."""
AHEAD: Final = 2 * HOUR
"""From the hour that runs to the one in which a plan takes effect: more than replicas take to notice it."""
LEAST: Final = HOUR


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What plans are made for."""

    design: LabelDesign
    daily_budget: int | None
    """Labels that people give a day; None: the rates of the design hold."""
    slice_minimum: int


def plan_labels(engine: Engine, options: PlanOptions, now: datetime) -> LabelPlan | None:
    """Store a new plan, if one is due; it holds from a whole hour in the future on. Returns it, or None.

    Without a budget a plan is stored only to end those that were made when there was one.

    Raises:
        StoreError: PostgreSQL refused or does not answer; nothing was stored.
    """
    effective_from = floor(now, HOUR) + AHEAD
    with transaction(engine) as connection:
        plans = stored_plans(connection)
        newest = plans[-1] if plans else None
        if options.daily_budget is None:
            rates, detail = Rates(options.design.rate, {}, 0.0, 0.0), {"budget": None}
            fits = newest is None or _equals(newest, options.design.initial_plan)
        else:
            span = Window.before(floor(now, HOUR), HISTORY)
            start = first_counted_minute(connection, span)
            if start is None or span.end - start < LEAST:
                return None
            window = Window(start, span.end)
            rates, detail = _rates(counted(connection, window), window.length, options.daily_budget, options)
            fits = newest is not None and still_fits(newest, rates, options.design.boost)
        if fits:
            return None
        plan = LabelPlan(rates.base_rate, options.design.boost, rates.factors, effective_from=effective_from)
        if not insert_plan(connection, plan, detail):
            return None
    log.info("new sampling plan", extra={"effective_from": effective_from.isoformat(), **detail})
    return plan


def _rates(
    found: Sequence[Counted], length: timedelta, labels_a_day: int, options: PlanOptions
) -> tuple[Rates, dict[str, Any]]:
    """Rates, and what they were made of. A task costs as many labels as people answer it."""
    design = options.design
    each = design.annotators + design.overlap * max(2 - design.annotators, 0)
    volumes = [_volume(one, length / DAY) for one in found if one.ok]
    total = next((one for one in volumes if one.slice == ALL_TRAFFIC), Volume(ALL_TRAFFIC, 0.0))
    if total.per_day == 0:  # nothing but failures: any rate keeps the budget
        return Rates(1.0, {}, 0.0, 0.0), {"budget": labels_a_day, "answers_a_day": 0.0}
    slices = [one for one in volumes if one.slice != ALL_TRAFFIC]
    rates = plan_rates(total, slices, labels_a_day / each, options.slice_minimum, design.boost)
    return rates, {
        "budget": labels_a_day, "labels_a_task": each, "minimum": rates.minimum, "draws_a_day": rates.draws,
        "answers_a_day": total.per_day, "hours": length / HOUR,
        "slices": [asdict(one.slice) | {"answers_a_day": one.per_day} for one in slices],
    }  # fmt: skip


def _volume(one: Counted, days: float) -> Volume:
    """Failures may have a confidence too; what is more than the answers is scaled down to them."""
    known = max(sum(one.confidence), one.ok)
    return Volume(one.slice, one.ok / days, tuple(count / known for count in one.confidence))


def _equals(one: LabelPlan, other: LabelPlan) -> bool:
    return (one.base_rate, one.boost, dict(one.factors)) == (other.base_rate, other.boost, dict(other.factors))
