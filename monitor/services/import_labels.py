"""Labels from a file into the table that Kafka and the pages write to: redacted, appended once, scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Final

from msgspec.structs import replace as changed
from sqlalchemy import Connection, Engine

from monitor.domain.events import content_hash
from monitor.domain.label_tasks import TaskKey
from monitor.labelling import Row
from monitor.labelling.rows import UNDATED, kept
from monitor.services.protect import Privacy
from monitor.services.score_labels import score_labels
from monitor.store.engine import transaction
from monitor.store.label_tasks import give_back
from monitor.store.labels import LabelArrival, insert_labels, overruled
from monitor.store.predictions import find
from monitor.store.scoring import reopen

CHUNK = 1000
MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class Imported:
    """What became of a file's rows."""

    new: int = 0
    known: int = 0
    """Came before, with the same content; or what they speak of was erased."""
    blank: int = 0
    """Nothing was filled in."""
    unknown: int = 0
    """Of the new ones, those whose prediction has not come (yet)."""
    faults: list[Row] = field(default_factory=list)


def import_labels(
    engine: Engine,
    privacy: Privacy,
    rows: Iterable[Row],
    max_future: timedelta,
    now: datetime,
    *,
    adjudicate: bool = False,
) -> Imported:
    """Store every label that can be; the same file again changes nothing. Each chunk is stored whole or not at all.

    A label that says not when it was given is of now, and later than the rows above it; it is known again by the rest
    of its content. Where its annotator has said something else since, they have changed their mind back: the last such
    row of the file about an answer is stored once more. A label that was given up, since nothing was known of its
    prediction, is looked at again: a replay may have brought that.

    Args:
        adjudicate: the labels are the word of adjudicators, and settle disputes.

    Raises:
        StoreError: PostgreSQL refused or does not answer; what was stored stays, and doing it again completes it.
    """
    done = Imported()
    remaining = map(_adjudicating, rows) if adjudicate else iter(rows)
    moments = (now + number * MICROSECOND for number in count())
    again: dict[tuple[str, str], LabelArrival] = {}
    while chunk := list(islice(remaining, CHUNK)):
        arrivals = list(_arrivals(chunk, privacy, done, now + max_future, moments))
        with transaction(engine) as connection:
            new = _store(connection, [one for one, _ in arrivals], done)
            reopen(connection, [one.content_hash for one, _ in arrivals if one.content_hash not in new])
            undated = {_of(one): one for one, is_undated in arrivals if is_undated}
            back = overruled(connection, [one.content_hash for one in undated.values()])
        done.known += len(arrivals) - len(new)
        for key, one in undated.items():
            again.pop(key, None)
            if one.content_hash in back:
                again[key] = one
    with transaction(engine) as connection:
        anew = [replace(one, content_hash=content_hash(one.event)) for one in again.values()]
        done.known -= len(_store(connection, anew, done))
    score_labels(engine)
    return done


def _store(connection: Connection, arrivals: Sequence[LabelArrival], done: Imported) -> set[bytes]:
    """Append labels, and end the claims on their tasks; returns the hashes of those that were new."""
    new = insert_labels(connection, arrivals)
    ids = {one.event.request_id for one in arrivals if one.content_hash in new}
    known = find(connection, ids)
    give_back(connection, [TaskKey(one.ts, one.request_id) for one in known])
    done.new += len(new)
    done.unknown += len(ids - {one.request_id for one in known})
    return new


def _of(arrival: LabelArrival) -> tuple[str, str]:
    """Of which answer, by whom."""
    return arrival.event.request_id, arrival.event.annotator.id


def _adjudicating(row: Row) -> Row:
    return row if row.label is None else Row(row.place, changed(row.label, adjudicates=True))


def _arrivals(
    rows: Iterable[Row], privacy: Privacy, done: Imported, latest: datetime, moments: Iterator[datetime]
) -> Iterator[tuple[LabelArrival, bool]]:
    """Labels as they are stored, and whether they say not when they were given: then each is of the next moment."""
    for row in rows:
        if row.label is None:
            if row.fault:
                done.faults.append(row)
            else:
                done.blank += 1
        elif row.label.ts > latest:
            fault = f"labelled at {row.label.ts.isoformat()}, which is still to come"
            done.faults.append(kept(Row(row.place, fault=fault), row.label))
        else:
            undated = row.label.ts == UNDATED
            dated = changed(row.label, ts=next(moments)) if undated else row.label
            yield privacy.label(LabelArrival(dated, content_hash(row.label), None)), undated
