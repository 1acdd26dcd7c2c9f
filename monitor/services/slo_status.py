"""How the SLOs stand now, each with its open alerts, silences and messages, by what was stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from monitor.domain.window import DAY, MINUTE, Window
from monitor.slo.evaluation import Standing
from monitor.slo.objective import Objective
from monitor.slo.policy import Severity
from monitor.slo.silence import Silence
from monitor.store.queries.alerts import Delivery, Incident, deliveries, open_incidents
from monitor.store.queries.slos import SloTick, latest_ticks
from monitor.store.silences import silences_within

TOLD: Final = DAY
"""So far back is looked for messages that nobody got."""
_URGENCY: Final = [Standing.BURNING, Standing.LATE, Standing.NO_DATA, Standing.INSUFFICIENT, Standing.OVERSPENT]


@dataclass(frozen=True, slots=True)
class SloStatus:
    name: str
    standing: Standing
    tick: SloTick | None
    """None: it was never evaluated."""
    alerts: tuple[Incident, ...]
    """Open ones, pages first."""
    silences: tuple[Silence, ...]
    """Those that hold."""
    undelivered: tuple[Delivery, ...]
    """Messages that failed, or wait after a fault; the newest first."""

    @property
    def late(self) -> bool:
        """Nobody judges it, so nobody would be paged."""
        return self.standing is Standing.LATE

    @property
    def alarming(self) -> bool:
        return self.late or any(one.severity == Severity.PAGE for one in self.alerts)


def slo_statuses(connection: Connection, objectives: Sequence[Objective], now: datetime) -> list[SloStatus]:
    """Of all SLOs that are described, and those that are no more but have open alerts; the worst first, then by name.

    Raises:
        StoreError: what is stored of one cannot be read.
    """
    ticks = {one.slo: one for one in latest_ticks(connection, now)}
    alerts = open_incidents(connection, now)
    silences = silences_within(connection, Window(now, now + MINUTE))
    messages = [one for one in deliveries(connection, Window(now - TOLD, now + MINUTE)) if one.was_missed]
    names = {one.name for one in objectives}
    found = []
    for name in names | {one.slo for one in alerts}:
        tick = ticks.get(name)
        found.append(
            SloStatus(
                name,
                tick.standing(now) if tick else Standing.LATE,
                tick,
                tuple(one for one in alerts if one.slo == name),
                tuple(one for one in silences if one.covers(name, now)),
                tuple(one for one in messages if one.slo == name),
            )
        )
    return sorted(found, key=_urgency)


def _urgency(one: SloStatus) -> tuple[bool, int, str]:
    place = _URGENCY.index(one.standing) if one.standing in _URGENCY else len(_URGENCY)
    return not any(alert.severity == Severity.PAGE for alert in one.alerts), place, one.name
