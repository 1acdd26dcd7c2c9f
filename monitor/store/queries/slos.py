"""What was found of each SLO, tick by tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.window import EPOCH, Window
from monitor.errors import StoreError
from monitor.slo.evaluation import Standing, State, TierReading, standing
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class SloTick:
    """One SLO at one tick: `monitor.slo.evaluation.Evaluation` as it was stored."""

    slo: str
    tick: datetime
    state: State
    bad: int
    total: int
    budget_remaining: float | None
    burn: float | None
    tiers: tuple[TierReading, ...]
    detail: Mapping[str, Any]
    backfilled: bool

    def standing(self, at: datetime) -> Standing:
        """What to call it at a moment."""
        return standing(self.state, self.budget_remaining, at - self.tick)

    @property
    def unseen(self) -> str:
        """Which name of the document nothing stored has, of an SLO without events; empty: none is known to be."""
        return str(self.detail.get("unseen") or "")

    @property
    def worst(self) -> TierReading | None:
        """The tier nearest to its limit, or furthest beyond it; None when no tier saw an event."""
        known = [tier for tier in self.tiers if tier.burn_long is not None]
        return max(known, key=_alarm, default=None)


def _alarm(tier: TierReading) -> tuple[bool, float]:
    return tier.state == State.FIRING, (tier.burn_long or 0.0) / tier.factor


_COLUMNS = "slo, tick, state, bad, total, budget_remaining, burn, tiers, detail, backfilled"
# A loose index scan: one index descent per SLO, however long the history is.
_LATEST = text(f"""
    WITH RECURSIVE names AS (
        (SELECT slo FROM slo_evaluations ORDER BY slo LIMIT 1)
        UNION ALL
        SELECT (SELECT e.slo FROM slo_evaluations AS e WHERE e.slo > names.slo ORDER BY e.slo LIMIT 1)
        FROM names WHERE names.slo IS NOT NULL
    )
    SELECT latest.* FROM names CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM slo_evaluations AS e
        WHERE e.slo = names.slo AND e.tick <= :at ORDER BY e.tick DESC LIMIT 1
    ) AS latest ORDER BY latest.slo
""")
# The tiers are long documents: choose the ticks by their narrow columns first, then read only the chosen ones.
_HISTORY = text(f"""
    SELECT {_COLUMNS} FROM slo_evaluations JOIN (
        SELECT DISTINCT ON (date_bin(:step, tick, :origin)) slo, tick FROM slo_evaluations
        WHERE slo = :slo AND tick >= :start AND tick < :end
        ORDER BY date_bin(:step, tick, :origin), (state = 'firing') DESC, burn DESC NULLS LAST, tick
    ) AS chosen USING (slo, tick) ORDER BY tick
""")
_AT = text(f"SELECT {_COLUMNS} FROM slo_evaluations WHERE slo = :slo AND tick = :tick")


def latest_ticks(connection: Connection, at: datetime) -> list[SloTick]:
    """The last tick of every SLO that is not after `at`, by name."""
    return [_tick(row) for row in connection.execute(_LATEST, {"at": at}).mappings()]


def slo_history(connection: Connection, slo: str, window: Window, step: timedelta) -> list[SloTick]:
    """The worst tick of every bucket: one that fires before one that does not, then the highest burn rate."""
    given = {**bounds(window), "slo": slo, "step": step, "origin": EPOCH}
    return [_tick(row) for row in connection.execute(_HISTORY, given).mappings()]


def slo_tick(connection: Connection, slo: str, tick: datetime) -> SloTick | None:
    """The tick itself; None when there was none."""
    row = connection.execute(_AT, {"slo": slo, "tick": tick}).mappings().one_or_none()
    return None if row is None else _tick(row)


def _tick(row: Mapping[Any, Any]) -> SloTick:
    try:
        tiers = msgspec.convert(row["tiers"], tuple[TierReading, ...])
        return SloTick(**{**row, "state": State(row["state"]), "tiers": tiers})
    except (ValueError, msgspec.ValidationError) as error:
        raise StoreError(f"slo_evaluations: {row['slo']} at {row['tick']} cannot be read: {error}") from None
