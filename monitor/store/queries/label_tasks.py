"""Label tasks to look at: one, the queue, and what waits. `label_delays` says how mature a window is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState, Word
from monitor.domain.window import Window
from monitor.store.label_tasks import DISPUTED, FILES, SPEAKS, STATE, WAITING, Terms
from monitor.store.queries.selection import bounds

CHUNK: Final = 500
_ITEM = f"""
    SELECT t.ts, t.request_id, {STATE} AS state, t.model, t.version, t.variant, t.task, t.stratum,
           t.annotators, t.answers, t.slices, p.prompt, p.answer, p.image_ref, p.detail ->> 'context' AS context,
           p.detail -> 'image' ->> 'sha256' AS sha256
    FROM label_tasks t JOIN predictions p ON p.ts = t.ts AND p.request_id = t.request_id
"""
_ONE = text(f"{_ITEM} WHERE t.ts = :ts AND t.request_id = :request_id")
_WORDS = text(f"""
    SELECT DISTINCT ON (request_id, annotator_id) request_id, annotator_id, verdict, answers, rating, correction
    FROM labels l WHERE request_id = ANY(:ids) AND {SPEAKS} ORDER BY request_id, annotator_id, ts DESC
""")
_QUEUE = f"""
    {_ITEM} WHERE {{which}} AND (CAST(:stratum AS text) IS NULL OR t.stratum = :stratum)
      AND (t.ts, t.request_id) > (:after, :after_id)
    ORDER BY t.ts, t.request_id LIMIT :limit
"""
_FREE = f"""
    (t.claimed_until IS NULL OR t.claimed_until <= :now OR t.claimed_by = :holder) AND NOT EXISTS (
        SELECT FROM labels l
        WHERE l.request_id = t.request_id AND l.annotator_id = :annotator AND {SPEAKS}
    )
"""
_STRATA = text(f"""
    SELECT t.stratum, count(*) AS waiting, min(t.ts) AS oldest,
           count(*) FILTER (WHERE t.claimed_until > :now) AS claimed
    FROM label_tasks t WHERE {WAITING} GROUP BY t.stratum ORDER BY waiting DESC, t.stratum LIMIT :most
""")
_KNOWN = text("SELECT DISTINCT stratum FROM label_tasks ORDER BY 1")
_DISPUTES = text(f"SELECT count(*) AS waiting, min(t.ts) AS oldest FROM label_tasks t WHERE {DISPUTED}")
_STATES = text(f"""
    SELECT {STATE} AS state, count(*) AS tasks FROM label_tasks t
    WHERE t.ts >= :start AND t.ts < :end GROUP BY 1
""")
_ASIDE = text(f"""
    SELECT request_id, stratum, skip_reason FROM label_tasks t
    WHERE t.ts >= :start AND t.ts < :end AND t.skip_reason IS NOT NULL AND (t.skipped_at IS NOT NULL OR ({DISPUTED}))
    ORDER BY t.ts DESC, request_id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class SetAside:
    """A task that somebody could not answer, or a dispute that somebody left to others."""

    request_id: str
    stratum: str
    why: str
    """Who did so, and the reason given."""


@dataclass(frozen=True, slots=True)
class StratumBacklog:
    """Tasks of one stratum that wait for an annotator."""

    stratum: str
    waiting: int
    claimed: int
    """Of those, held by somebody now."""
    oldest: datetime
    """Event time of the one that waits longest."""


@dataclass(frozen=True, slots=True)
class Disputes:
    """Tasks that wait for somebody to adjudicate."""

    waiting: int
    oldest: datetime | None


def item(connection: Connection, key: TaskKey, terms: Terms, now: datetime, *, words: bool = False) -> TaskItem | None:
    """A task with its prediction; None when either is gone.

    Args:
        words: tell what others said.
    """
    row = connection.execute(_ONE, {**key._asdict(), **terms.at(now)}).first()
    if row is None:
        return None
    return _item(row, _words(connection, [key.request_id])[key.request_id] if words else [])


def queue(
    connection: Connection,
    terms: Terms,
    now: datetime,
    *,
    stratum: str | None = None,
    disputed: bool = False,
    holder: str | None = None,
) -> Iterator[TaskItem]:
    """Every task that waits for an annotator (or an adjudicator, with what others said), oldest first.

    Args:
        holder: without those that somebody else holds, or is about to, and those that an annotator of the name that a
            file is made for has answered; the rows are locked. "" is nobody.
    """
    which = DISPUTED if disputed else WAITING
    query = _QUEUE.format(which=which if holder is None else f"{which} AND {_FREE}")
    locking = text(query if holder is None else f"{query} FOR UPDATE OF t SKIP LOCKED")
    last = TaskKey(datetime.min.replace(tzinfo=now.tzinfo), "")
    while True:
        given = {
            "after": last.ts, "after_id": last.request_id, "stratum": stratum, "limit": CHUNK, "holder": holder,
            "annotator": (holder or "").removeprefix(FILES), **terms.at(now),
        }  # fmt: skip
        rows = connection.execute(locking, given).all()
        words = _words(connection, [row.request_id for row in rows] if disputed else [])
        yield from (_item(row, words[row.request_id]) for row in rows)
        if len(rows) < CHUNK:
            return
        last = TaskKey(rows[-1].ts, rows[-1].request_id)


def strata(connection: Connection) -> list[str]:
    """Every stratum of which a task is stored, by name."""
    return list(connection.execute(_KNOWN).scalars())


def backlog_by_stratum(connection: Connection, terms: Terms, now: datetime, most: int = 200) -> list[StratumBacklog]:
    """Those with most tasks first."""
    rows = connection.execute(_STRATA, {"most": most, **terms.at(now)})
    return [StratumBacklog(row.stratum, row.waiting, row.claimed, row.oldest) for row in rows]


def disputes(connection: Connection) -> Disputes:
    """As it stands now."""
    row = connection.execute(_DISPUTES).one()
    return Disputes(row.waiting, row.oldest)


def states(connection: Connection, window: Window, terms: Terms, now: datetime) -> dict[TaskState, int]:
    """How many tasks of the predictions of a window are in each state; states without any are left out."""
    rows = connection.execute(_STATES, {**bounds(window), **terms.at(now)})
    return {TaskState(row.state): row.tasks for row in rows}


def set_aside(connection: Connection, window: Window, limit: int = 200) -> list[SetAside]:
    """Of the predictions of a window, the newest first."""
    return [SetAside(*row) for row in connection.execute(_ASIDE, {**bounds(window), "limit": limit})]


def _words(connection: Connection, request_ids: Sequence[str]) -> dict[str, list[Word]]:
    """The last of each annotator, by request."""
    said = defaultdict[str, list[Word]](list)
    for row in connection.execute(_WORDS, {"ids": request_ids}) if request_ids else ():
        said[row.request_id].append(Word(row.annotator_id, _said(row)))
    return said


def _item(row: Row[Any], words: Sequence[Word]) -> TaskItem:
    return TaskItem(
        key=TaskKey(row.ts, row.request_id), state=TaskState(row.state), model=row.model, version=row.version,
        variant=row.variant, task=row.task, stratum=row.stratum, annotators=row.annotators, answers=row.answers,
        prompt=row.prompt, context=row.context, answer=row.answer, image_ref=row.image_ref,
        image_sha256=row.sha256, slices=row.slices, words=tuple(words),
    )  # fmt: skip


def _said(row: Row[Any]) -> str:
    said = [row.verdict or "", ", ".join(row.answers), "" if row.rating is None else f"{row.rating:g} of 100"]
    said.append(f"should be: {row.correction}" if row.correction else "")
    return "; ".join(one for one in said if one) or "nothing"
