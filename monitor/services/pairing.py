"""Join calls whose request and response are logged as two records, in any order, topic and partition.

The sides of most calls come in one batch and meet in memory. One that comes alone waits in PostgreSQL, written in the
transaction that moves the offset, until the other comes to any collector of the group. Looking and writing are two
steps; where two collectors bring both sides at the same moment, the later one sees it, rolls back and looks again.
Sides that hold for a whole batch wait under another pair than its items: those queue for the call, and look once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine

from monitor.domain.events import MAX_NAME, Prediction
from monitor.domain.halves import Half, Side, join, pair_hash
from monitor.domain.window import MINUTE, floor
from monitor.errors import InvalidEvent
from monitor.services.preludes import preludes_by_call, take_up, to_look_for
from monitor.services.protect import Privacy
from monitor.services.shared_sides import call_of, partners, shared
from monitor.services.triage import Accepted, Triage, named
from monitor.store import halves
from monitor.store.dead_letters import Rejected
from monitor.store.engine import transaction
from monitor.store.halves import CallKey, HalfArrival
from monitor.store.predictions import Arrival


@dataclass(slots=True)
class Meeting:
    """What became of the sides of a batch."""

    alone: list[HalfArrival] = field(default_factory=list)
    """To wait for their other side."""
    preludes: list[HalfArrival] = field(default_factory=list)
    """To wait until the sides of their call meet."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Of such pairs: another one under which their other side may come, and under which none waited yet."""
    taken: dict[str, HalfArrival] = field(default_factory=dict)
    """Sides that waited until now, by pair."""
    lost: set[str] = field(default_factory=set)
    """Pairs of them that had been counted as lost when they were taken."""
    introduced: set[str] = field(default_factory=set)
    """Calls whose response took up what was said ahead of it."""
    joined: set[str] = field(default_factory=set)
    """Request ids of calls that are complete."""
    found: list[tuple[str, HalfArrival]] = field(default_factory=list)
    """Sides that came now and had been counted as lost, by the id of the call that is complete by them."""


class Pairing:
    """The joins of one consumer group."""

    def __init__(self, engine: Engine, group: str, patience: timedelta, privacy: Privacy) -> None:
        self._engine = engine
        self._group = group
        self._patience = patience
        self._privacy = privacy

    def meet(self, sorted_out: Triage) -> Meeting:
        """Turn the halves of a batch into predictions where both sides are known; nothing is written.

        Raises:
            StoreError: PostgreSQL refused or does not answer.
        """
        meeting = Meeting()
        if not (sorted_out.halves or sorted_out.preludes):
            return meeting
        with transaction(self._engine) as connection:
            look = partial(halves.waiting, connection, self._group)
            others = partners(sorted_out.halves)
            known = look({*sorted_out.halves, *others.values(), *to_look_for(sorted_out)})
            came, waited_as = shared(sorted_out.halves, others, known, look)
        preludes = preludes_by_call(sorted_out, known)
        for pair_id, sides in came.items():
            waited = known.get(pair_id)
            if waited is not None:
                _prefer(waited, sides, sorted_out)
            if len(sides) == 2:
                if waited is not None:
                    meeting.taken[waited_as.get(pair_id, pair_id)] = waited
                prelude = preludes.pop(pair_id, None)
                if prelude is not None:
                    meeting.introduced.add(pair_id)
                self._join(sides, waited, prelude, sorted_out, meeting)
            elif waited is None:
                meeting.alone.extend(sides.values())
        meeting.preludes = [one for call, one in preludes.items() if call in sorted_out.preludes]
        unchanged = preludes.keys() - sorted_out.preludes
        meeting.taken |= {
            pair_id: one
            for pair_id, one in known.items()
            if one.half.side == "prelude" and one.half.call not in unchanged
        }
        meeting.elsewhere = {pair_id: other for pair_id, other in others.items() if other not in known}
        return meeting

    def settle(self, connection: Connection, meeting: Meeting, now: datetime) -> None:
        """Write down who waits and who does no longer.

        Raises:
            StoreUnavailable: another collector was quicker; roll back and `meet` again.
        """
        alone = {one.half.pair_id for one in meeting.alone}
        elsewhere = {other for pair_id, other in meeting.elsewhere.items() if pair_id in alone}
        halves.demand_none(connection, self._group, elsewhere, {call_of(one) or one for one in elsewhere})
        meeting.lost = halves.take(connection, self._group, meeting.taken)
        waiting = [self._privacy.half(one) for one in (*meeting.alone, *meeting.preludes)]
        halves.wait(connection, self._group, waiting, now + self._patience)

    def _join(
        self,
        sides: dict[Side, HalfArrival],
        waited: HalfArrival | None,
        prelude: HalfArrival | None,
        sorted_out: Triage,
        meeting: Meeting,
    ) -> None:
        request, response = sides["request"], sides["response"]
        came = tuple(one.record for one in sides.values() if one is not waited)
        left = waited.record if waited is not None else None
        subject = self._privacy.subject_of(response) or self._privacy.subject_of(request)
        response = response if prelude is None else take_up(response, prelude)
        try:
            event = join(request.half, response.half)
            digest = pair_hash(request.digest, response.digest)
            arrival = Arrival(event, digest, request.replay or response.replay, subject)
            if sorted_out.add_prediction(Accepted(arrival, came, left, (request, response))):
                meeting.joined.add(event.request_id)
                if request.lost or response.lost:  # hardly ever
                    meeting.found += [
                        (event.request_id, one) for one in sides.values() if one is not waited and one.lost
                    ]
        except InvalidEvent as error:
            records = (*response.preludes, *([left] if left else []), *came)  # as `Accepted.sources`
            sorted_out.rejected.extend(
                Rejected(record, error.reason, str(error), subjects=named(subject)) for record in records
            )


def count_met(connection: Connection, meeting: Meeting, stored: Iterable[Prediction]) -> None:
    """Count the calls that met and are stored for the first time; losses that were counted too early are taken back."""
    new = {one.request_id: one for one in stored if one.request_id in meeting.joined}
    joined = _by_key(new.values())
    came = {one.digest: one for request_id, one in meeting.found if request_id in new}  # a side may be of several calls
    lost = [*(meeting.taken[pair_id] for pair_id in meeting.lost), *came.values()]
    found = Counter(lost_key(one.half) for one in lost if one.half.side != "prelude")  # which never counted
    halves.count_calls(connection, joined, Counter({key: -number for key, number in found.items()}))


def lost_key(half: Half) -> CallKey:
    """Under what the call of a half is counted whose other side never came.

    One side alone was never held against the contract: of a longer name its beginning counts, as an index could not
    hold the whole.
    """
    model = half.fields.get("model", {})
    names = (
        model.get("name", ""),
        model.get("version", ""),
        model.get("variant", "stable"),
        half.fields.get("task", ""),
    )
    return CallKey(floor(half.ts, MINUTE), *(str(one)[:MAX_NAME] for one in names))


def _by_key(events: Iterable[Prediction]) -> Counter[CallKey]:
    """Counted by whole minutes since the epoch, of which only few become times again."""
    counted = Counter((int(one.ts.timestamp()) // 60, one.model, one.task) for one in events)
    counts: Counter[CallKey] = Counter()
    for (minute, model, task), calls in counted.items():
        key = CallKey(datetime.fromtimestamp(60 * minute, UTC), model.name, model.version, model.variant, task)
        counts[key] += calls
    return counts


def _prefer(waited: HalfArrival, sides: dict[Side, HalfArrival], sorted_out: Triage) -> None:
    """What waited came first: the same side once more is a duplicate of it, or contradicts it."""
    again = sides.get(waited.half.side)
    if again is not None:
        sorted_out.repeat_half(again, same=again.digest == waited.digest)
    sides[waited.half.side] = waited
