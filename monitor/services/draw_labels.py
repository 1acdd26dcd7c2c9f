"""Throw the coins over what arrives: what is stored, what becomes a label task. Every replica throws alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from monitor.domain.events import Prediction
from monitor.sampling import Draw, LabelPlan, LabelPlans, StoredShare, annotators_needed
from monitor.store.engine import transaction
from monitor.store.labels import DrawnTask
from monitor.store.predictions import Arrival
from monitor.store.rollups import SlicesOf
from monitor.store.sampling_plans import stored_plans

REFRESH: Final = timedelta(minutes=5)
"""A plan is stored at least an hour before it takes effect, so whoever looks this often never misses one."""
ALL: Final = "all"
"""Stratum where no slice dimension tells answers apart."""


@dataclass(frozen=True, slots=True)
class LabelDesign:
    """What the settings say of label sampling; a stored plan replaces `rate` and `boost`."""

    rate: float = 0.0
    boost: float = 1.0
    annotators: int = 1
    overlap: float = 0.0
    """Share of the tasks that at least two people answer."""

    @property
    def initial_plan(self) -> LabelPlan:
        """The rates while no plan is stored.

        Raises:
            SettingsError: a rate outside [0, 1], or a boost below 1.
        """
        return LabelPlan(self.rate, self.boost)


@dataclass(frozen=True, slots=True)
class Coins:
    """What the coins say of some predictions before anything but their ids is looked at."""

    plans: LabelPlans
    may_be_drawn: NDArray[np.bool_]
    """[n]: false is certain under these plans."""
    held: NDArray[np.bool_]
    """[n]: stored also where it is not drawn."""

    def among(self, keep: NDArray[np.bool_]) -> Coins:
        """Of those predictions alone."""
        return Coins(self.plans, self.may_be_drawn[keep], self.held[keep])


@dataclass(slots=True)
class Chosen:
    """Of the predictions of a batch."""

    stored: list[Arrival] = field(default_factory=list)
    inclusion: dict[str, float] = field(default_factory=dict)
    """Probability of being stored, by id; none for replays, nor where everything is stored."""
    tasks: list[DrawnTask] = field(default_factory=list)


class LabelSampler:
    """The coins of one process. Plans are read now and then; in between nothing is asked of the database."""

    def __init__(self, engine: Engine, design: LabelDesign, store_rate: float) -> None:
        """
        Raises:
            SettingsError: a rate outside [0, 1], or a boost below 1.
        """
        self._engine = engine
        self._design = design
        self._share = StoredShare(store_rate)
        self._initial = design.initial_plan
        self._plans = LabelPlans(self._initial)
        self._read_at: datetime | None = None

    def refresh(self, now: datetime) -> None:
        """Look for new plans, if it is time to.

        Raises:
            StoreError: PostgreSQL does not answer.
        """
        if self._read_at is not None and self._read_at <= now < self._read_at + REFRESH:
            return
        with transaction(self._engine) as connection:
            self._plans = LabelPlans(self._initial, stored_plans(connection))
        self._read_at = now

    def is_stored(self, event: Prediction) -> bool:
        """Is this live prediction stored? The event as it is stored, redacted."""
        return self._share.holds(event.request_id, self._draw(event))

    def throw(self, request_ids: Sequence[str]) -> Coins:
        """Throw the coins over these ids. May be called by another thread."""
        plans = self._plans
        return Coins(plans, plans.may_draw(request_ids), self._share.hold_undrawn(request_ids))

    def choose(self, arrivals: Sequence[Arrival], coins: Coins, slices_of: SlicesOf) -> Chosen:
        """Of a batch: replays are stored whole and none of them is drawn; drawn ok answers become label tasks.

        Args:
            coins: what `throw` said of these arrivals, under whatever plans.
        """
        if coins.plans is not self._plans:
            coins = self.throw([one.event.request_id for one in arrivals])
        if self._share.rate == 1:
            chosen = Chosen([*arrivals])
            for index in np.flatnonzero(coins.may_be_drawn).tolist():
                if arrivals[index].replay is None:
                    self._note(arrivals[index].event, self._draw(arrivals[index].event), slices_of, chosen)
            return chosen
        chosen = Chosen()
        for one, may, held in zip(arrivals, coins.may_be_drawn.tolist(), coins.held.tolist(), strict=True):
            if one.replay is not None:
                chosen.stored.append(one)
            elif may or held:
                draw = self._draw(one.event)
                if draw.drawn or held:
                    chosen.stored.append(one)
                    inclusion = self._share.inclusion_probability(draw)
                    if inclusion is not None:
                        chosen.inclusion[one.event.request_id] = inclusion
                    self._note(one.event, draw, slices_of, chosen)
        return chosen

    def _note(self, event: Prediction, draw: Draw, slices_of: SlicesOf, chosen: Chosen) -> None:
        """An ok answer that is drawn becomes a task."""
        if draw.drawn and event.status == "ok":
            chosen.tasks.append(self._task(event, draw, slices_of(event.slices)))

    def _draw(self, event: Prediction) -> Draw:
        return self._plans.at(event.ts).draw(event.request_id, event.slices, event.output.confidence)

    def _task(self, event: Prediction, draw: Draw, slices: list[tuple[str, str]]) -> DrawnTask:
        return DrawnTask(
            event=event,
            stratum=", ".join(f"{dimension}={value}" for dimension, value in slices) or ALL,
            draw=draw,
            annotators=annotators_needed(event.request_id, self._design.annotators, self._design.overlap),
        )
