"""Sides of calls that never met their other side: count them as logging loss, and let go of them in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from monitor.domain.events import Rejection
from monitor.domain.halves import Half, prelude_of
from monitor.domain.records import HALF_HEADER, UNPAIRED, Record
from monitor.services.pairing import lost_key
from monitor.services.protect import Privacy
from monitor.services.shared_sides import first_item
from monitor.services.triage import named
from monitor.store import halves
from monitor.store.dead_letters import Rejected, count_outcomes, insert_dead_letters
from monitor.store.engine import transaction
from monitor.store.halves import HalfArrival
from monitor.store.predictions import known_hashes
from monitor.telemetry import SIDES_LET_GO

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class ExpiryOptions:
    ingest_group: str
    """Counts losses and keeps dead letters."""
    embed_group: str
    """Joins for itself, and only forgets: losses are counted once."""
    keep: timedelta
    """How long a side that counts as lost still waits, in both groups: one may lag behind in some partitions only."""
    max_waiting: int
    privacy: Privacy
    """What is kept of what is let go of."""


def expire_halves(engine: Engine, options: ExpiryOptions, now: datetime) -> int:
    """Count what is overdue as lost, and discard what is overdue for long or too much; returns how many were lost.

    Raises:
        StoreError: PostgreSQL refused or does not answer; what was committed stays.
    """
    lost = _count_all_lost(engine, options.ingest_group, now)
    for group, privacy in ((options.ingest_group, options.privacy), (options.embed_group, None)):
        _discard(engine, group, now - options.keep, now, privacy)
        with transaction(engine) as connection:
            beyond = halves.due_time_of_oldest_within(connection, group, options.max_waiting)
        if beyond is not None:
            _discard(engine, group, beyond, now, privacy)
    return lost


def _count_all_lost(engine: Engine, group: str, now: datetime) -> int:
    """Sides of calls that are stored came twice, and were in time once: they go and count as nothing.

    So do preludes: a call that failed says nothing beside its span, and is stored without them. Others wait on with the
    sides that may still come, and never count: their call is lost by its sides.
    """
    lost = 0
    while True:
        with transaction(engine) as connection:
            overdue = halves.overdue(connection, group, now, CHUNK)
            times = {pair_id: one.half.ts for one in overdue for pair_id in _stored_as(one.half)}
            known = known_hashes(connection, times)
            left = [one for one in overdue if known.keys().isdisjoint(_stored_as(one.half))]
            stays = {one.half.pair_id for one in left}
            halves.take(connection, group, {one.half.pair_id for one in overdue} - stays)
            halves.mark_lost(connection, group, stays)
            sides = _sides(left)
            _count(connection, sides)
        lost += len(sides)
        if len(overdue) < CHUNK:
            return lost


def _stored_as(half: Half) -> list[str]:
    """The ids under which its call may be stored: of a batch that it holds for, the first item's."""
    return [half.call, *filter(None, [first_item(half)])]


def _discard(engine: Engine, group: str, due_before: datetime, now: datetime, privacy: Privacy | None) -> None:
    """Without `privacy` they are forgotten."""
    while True:
        with transaction(engine) as connection:
            gone = halves.discard_before(connection, group, due_before, CHUNK)
            sides = _sides(gone)
            if privacy is not None:
                preludes = _of_lost_calls(connection, group, [one for one in gone if one.half.side == "prelude"], sides)
                _bury(connection, [*preludes, *sides], privacy, now)
        SIDES_LET_GO.labels(group).inc(len(sides))
        if len(gone) < CHUNK:
            return


def _sides(arrivals: list[HalfArrival]) -> list[HalfArrival]:
    return [one for one in arrivals if one.half.side != "prelude"]


def _of_lost_calls(
    connection: Connection, group: str, gone: list[HalfArrival], sides: list[HalfArrival]
) -> list[HalfArrival]:
    """What was said ahead in calls of which one side goes, or is about to: by itself it would be of no use."""
    going = {one.half.call for one in sides}
    others = halves.discard(connection, group, set(map(prelude_of, going)))
    still = halves.waiting(connection, group, {one.half.call for one in gone} - going).keys()
    return [*others, *(one for one in gone if one.half.call in going or one.half.call in still)]


def _bury(connection: Connection, gone: list[HalfArrival], privacy: Privacy, now: datetime) -> None:
    _count(connection, [one for one in _sides(gone) if not one.lost])
    rejected = [
        Rejected(_lost(one.record), Rejection.UNPAIRED, _reason(one), subjects=named(one.subject_hash or b""))
        for one in gone
    ]
    insert_dead_letters(connection, [privacy.rejected(one) for one in rejected])
    count_outcomes(connection, Counter((one.record.partition.topic, str(one.reason)) for one in rejected), now)


def _count(connection: Connection, lost: list[HalfArrival]) -> None:
    halves.count_calls(connection, Counter(), Counter(lost_key(one.half) for one in lost))


def _lost(record: Record) -> Record:
    others = tuple(one for one in record.headers if one[0] != HALF_HEADER)
    return replace(record, headers=((HALF_HEADER, UNPAIRED), *others))


def _reason(one: HalfArrival) -> str:
    if one.half.side == "prelude":
        return f"call {one.half.call!r}: said ahead of its response; one of its sides never came"
    other = "response" if one.half.side == "request" else "request"
    return f"call {one.half.pair_id!r}: its {other} never came"
