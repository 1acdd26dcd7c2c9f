"""Dead letters, one by one: what `snellen dlq` lists, shows and sends again, and Ingest health shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.events import Rejection
from monitor.domain.records import HALF_HEADER
from monitor.store.dead_letters import CHOSEN, Choice, decode_headers


class State(StrEnum):
    """Where a dead letter stands."""

    OPEN = "open"
    SENT = "sent"
    """Sent again; no collector has said yet what became of it."""
    FAILED_AGAIN = "failed again"
    """Sent again and refused again: a later dead letter says why."""
    RESOLVED = "resolved"
    """Sent again and accepted."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that was refused, and what was done about it. `raw` may be only its beginning, `size` is the whole."""

    id: int
    topic: str
    topic_id: str
    partition: int
    offset: int
    record_ts: datetime | None
    reason: str
    detail: str
    raw: bytes
    size: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    replay_of: int | None
    replayed_at: datetime | None
    resolved_at: datetime | None
    created_at: datetime
    failed_again: int | None
    """The latest dead letter of the same record, if it was refused once more since this one was sent again."""

    @property
    def is_half(self) -> bool:
        """Is it what was read of sides of calls, instead of a record? What an earlier release kept says so by its
        reason alone."""
        is_marked = any(name == HALF_HEADER for name, _ in self.headers)
        return self.size > 0 and (is_marked or self.reason == Rejection.UNPAIRED)

    @property
    def state(self) -> State:
        if self.resolved_at is not None:
            return State.RESOLVED
        if self.replayed_at is None:
            return State.OPEN
        return State.SENT if self.failed_again is None else State.FAILED_AGAIN


_LETTERS = f"""
    SELECT id, topic, topic_id, partition, record_offset, record_ts, reason, detail, substr(raw, 1, :preview) AS raw,
           length(raw) AS size, key, headers, replay_of, replayed_at, resolved_at, created_at,
           (SELECT max(again.id) FROM dead_letters again
            WHERE again.replay_of = coalesce(one.replay_of, one.id) AND again.id > one.id
              AND again.created_at >= one.replayed_at) AS failed_again
    FROM dead_letters one WHERE {CHOSEN} ORDER BY created_at DESC, id DESC LIMIT :limit
"""


def letters(connection: Connection, choice: Choice, limit: int, preview: int) -> list[Letter]:
    """The newest of the choice, newest first, with the first `preview` bytes of each."""
    rows = connection.execute(text(_LETTERS), {**choice.values(), "limit": limit, "preview": preview})
    return [_letter(row) for row in rows]


def _letter(row: Any) -> Letter:
    return Letter(
        id=row.id, topic=row.topic, topic_id=row.topic_id, partition=row.partition, offset=row.record_offset,
        record_ts=row.record_ts, reason=row.reason, detail=row.detail, raw=bytes(row.raw), size=row.size,
        key=None if row.key is None else bytes(row.key), headers=decode_headers(row.headers),
        replay_of=row.replay_of, replayed_at=row.replayed_at, resolved_at=row.resolved_at, created_at=row.created_at,
        failed_again=row.failed_again,
    )  # fmt: skip
