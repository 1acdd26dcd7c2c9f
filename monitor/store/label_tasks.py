"""The queue of label tasks: who may take which, and what is written down about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from monitor.domain.label_tasks import TaskKey, TaskState

STATE: Final = """CASE
    WHEN t.answered_at IS NOT NULL AND t.disputed THEN 'adjudicating'
    WHEN t.answered_at IS NOT NULL THEN 'done'
    WHEN t.skipped_at IS NOT NULL THEN 'skipped'
    WHEN t.ts < :expires THEN 'expired'
    WHEN t.claimed_until > :now THEN 'claimed'
    WHEN t.answers > 0 THEN 'labelled'
    ELSE 'open' END"""
"""SQL: the state of a task `t` at :now; :expires is the event time before which tasks expire."""
WAITING: Final = "t.answered_at IS NULL AND t.skipped_at IS NULL AND t.ts >= :expires"
"""SQL: an annotator may still be asked. Has an index."""
DISPUTED: Final = "t.disputed AND t.answered_at IS NOT NULL"
"""SQL: an adjudicator is asked. Has an index."""

SPEAKS: Final = "l.annotator_kind <> 'user' AND (l.verdict IS NOT NULL OR l.rating IS NOT NULL OR l.answers <> '[]')"
"""SQL: a label `l` is somebody's answer to a task, as `monitor.services.label_words.speaking` tells it."""

FILES: Final = "file: "
"""What names of holders begin with that are no annotators, but whom a file was made for."""

_TAKE = f"""
    SELECT t.ts, t.request_id FROM label_tasks t
    WHERE {{which}} AND (t.claimed_until IS NULL OR t.claimed_until <= :now OR t.claimed_by = :annotator)
      AND (CAST(:stratum AS text) IS NULL OR t.stratum = :stratum)
      AND NOT EXISTS (
          SELECT FROM labels l
          WHERE l.request_id = t.request_id AND l.annotator_id = :annotator AND {SPEAKS}
      )
      AND NOT t.passed_by ? :annotator
      AND EXISTS (SELECT FROM predictions p WHERE p.ts = t.ts AND p.request_id = t.request_id)
    ORDER BY t.ts, t.request_id LIMIT 1 FOR UPDATE OF t SKIP LOCKED
"""
_CLAIM = text("""
    UPDATE label_tasks SET claimed_by = :annotator, claimed_until = :until WHERE ts = :ts AND request_id = :request_id
""")
_HOLD = text("""
    UPDATE label_tasks t SET claimed_by = :holder, claimed_until = :until
    FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS text[])) AS held(ts, request_id)
    WHERE t.ts = held.ts AND t.request_id = held.request_id
""")
_RETURN = text("""
    UPDATE label_tasks t SET claimed_by = NULL, claimed_until = NULL
    FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS text[])) AS back(ts, request_id)
    WHERE t.ts = back.ts AND t.request_id = back.request_id AND starts_with(t.claimed_by, :files)
""")
_RELEASE = text("""
    UPDATE label_tasks SET claimed_by = NULL, claimed_until = NULL
    WHERE ts = :ts AND request_id = :request_id AND claimed_by = :annotator
""")
_SKIP = text("""
    UPDATE label_tasks SET skipped_at = :now, skip_reason = :reason, claimed_by = NULL, claimed_until = NULL
    WHERE ts = :ts AND request_id = :request_id AND answered_at IS NULL
""")
_PASS = text(f"""
    UPDATE label_tasks t SET skip_reason = :reason,
        passed_by = t.passed_by - CAST(:annotator AS text) || to_jsonb(CAST(:annotator AS text))
    WHERE t.ts = :ts AND t.request_id = :request_id AND {DISPUTED}
""")
_FIND = text(f"SELECT {STATE} AS state FROM label_tasks t WHERE t.ts = :ts AND t.request_id = :request_id")
_ANSWERED = text(f"""
    SELECT EXISTS (SELECT FROM labels l WHERE l.request_id = :request_id AND l.annotator_id = :annotator AND {SPEAKS})
""")


@dataclass(frozen=True, slots=True)
class Terms:
    """How long tasks are held, and how long they live."""

    lease: timedelta
    lifetime: timedelta

    def at(self, now: datetime) -> dict[str, Any]:
        """The parameters :now and :expires."""
        return {"now": now, "expires": now - self.lifetime}


def take(
    connection: Connection, annotator: str, terms: Terms, now: datetime, *, stratum: str | None, adjudicate: bool
) -> TaskKey | None:
    """Claim the oldest task that this annotator may answer: not answered nor passed by them, and held by nobody else.

    Args:
        stratum: only of this one.
        adjudicate: only tasks whose annotators contradict each other.
    """
    query = text(_TAKE.format(which=DISPUTED if adjudicate else WAITING))
    row = connection.execute(query, {"annotator": annotator, "stratum": stratum, **terms.at(now)}).first()
    if row is None:
        return None
    key = TaskKey(row.ts, row.request_id)
    connection.execute(_CLAIM, {**key._asdict(), "annotator": annotator, "until": now + terms.lease})
    return key


def hold(connection: Connection, keys: Sequence[TaskKey], holder: str, until: datetime) -> None:
    """Claim tasks that a file takes away; the caller has locked them, see `monitor.store.queries.label_tasks.queue`."""
    connection.execute(_HOLD, {"holder": holder, "until": until, **_columns(keys)})


def give_back(connection: Connection, keys: Sequence[TaskKey]) -> None:
    """End the claims of files on tasks of which a label came back; other people may still be needed."""
    connection.execute(_RETURN, {"files": FILES, **_columns(keys)})


def release(connection: Connection, key: TaskKey, annotator: str) -> None:
    """Give a task back that this annotator holds."""
    connection.execute(_RELEASE, {**key._asdict(), "annotator": annotator})


def skip(connection: Connection, key: TaskKey, reason: str, now: datetime) -> bool:
    """Set a task aside for all that cannot be answered; False when it was answered, or there is none."""
    return connection.execute(_SKIP, {**key._asdict(), "reason": reason, "now": now}).rowcount == 1


def pass_on(connection: Connection, key: TaskKey, annotator: str, reason: str) -> bool:
    """Leave a dispute to others: it is not offered to this annotator again; False when there is none."""
    given = {**key._asdict(), "annotator": annotator, "reason": reason}
    return connection.execute(_PASS, given).rowcount == 1


def state_of(connection: Connection, key: TaskKey, terms: Terms, now: datetime) -> TaskState | None:
    """None when there is no such task."""
    row = connection.execute(_FIND, {**key._asdict(), **terms.at(now)}).first()
    return None if row is None else TaskState(row.state)


def has_answered(connection: Connection, request_id: str, annotator: str) -> bool:
    """Has this annotator answered the task of the request?"""
    given = {"request_id": request_id, "annotator": annotator}
    return bool(connection.execute(_ANSWERED, given).scalar_one())


def _columns(keys: Sequence[TaskKey]) -> dict[str, Any]:
    """The parameters :times and :ids."""
    return {"times": [one.ts for one in keys], "ids": [one.request_id for one in keys]}
