"""Labels from a file into the table that Kafka and the pages write to: redacted, appended once, scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from msgspec.structs import replace
from sqlalchemy import Engine

from monitor.domain.events import content_hash
from monitor.domain.label_tasks import TaskKey
from monitor.labelling import Row
from monitor.labelling.rows import UNDATED, kept
from monitor.services.protect import Privacy
from monitor.services.score_labels import score_labels
from monitor.store.engine import transaction
from monitor.store.label_tasks import give_back
from monitor.store.labels import LabelArrival, insert_labels
from monitor.store.predictions import find
from monitor.store.scoring import reopen

CHUNK = 1000


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

    A label that says not when it was given is of now; it is known again by the rest of its content. One that was given
    up, since nothing was known of its prediction, is looked at again: a replay may have brought that.

    Args:
        adjudicate: the labels are the word of adjudicators, and settle disputes.

    Raises:
        StoreError: PostgreSQL refused or does not answer; what was stored stays, and doing it again completes it.
    """
    done = Imported()
    remaining = map(_adjudicating, rows) if adjudicate else iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        arrivals = list(_arrivals(chunk, privacy, done, max_future, now))
        with transaction(engine) as connection:
            new = insert_labels(connection, arrivals)
            reopen(connection, [one.content_hash for one in arrivals if one.content_hash not in new])
            ids = {one.event.request_id for one in arrivals if one.content_hash in new}
            known = find(connection, ids)
            give_back(connection, [TaskKey(one.ts, one.request_id) for one in known])
            done.unknown += len(ids - {one.request_id for one in known})
        done.new += len(new)
        done.known += len(arrivals) - len(new)
    score_labels(engine)
    return done


def _adjudicating(row: Row) -> Row:
    return row if row.label is None else Row(row.place, replace(row.label, adjudicates=True))


def _arrivals(
    rows: Iterable[Row], privacy: Privacy, done: Imported, max_future: timedelta, now: datetime
) -> Iterator[LabelArrival]:
    for row in rows:
        if row.label is None:
            if row.fault:
                done.faults.append(row)
            else:
                done.blank += 1
        elif row.label.ts - now > max_future:
            fault = f"labelled at {row.label.ts.isoformat()}, which is still to come"
            done.faults.append(kept(Row(row.place, fault=fault), row.label))
        else:
            dated = replace(row.label, ts=now) if row.label.ts == UNDATED else row.label
            yield privacy.label(LabelArrival(dated, content_hash(row.label), None))
