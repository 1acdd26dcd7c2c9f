"""The outbox: rows are claimed with a lease, sent, then marked; a crash in between repeats an idempotent call.

What there is to say of one incident goes to a channel in its order: who hears of the end first and of the opening later
would be woken for something that is over.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

UNSET: Final = "channel not configured"
"""So begins the error of a message that nobody tries to send, because its channel is not set."""

_CLAIM = text("""
    UPDATE notifications SET claimed_until = :until, attempts = attempts + 1
    WHERE id IN (
        SELECT one.id FROM notifications AS one JOIN alert_transitions AS step ON step.id = one.transition_id
        WHERE one.sent_at IS NULL AND one.failed_at IS NULL AND one.due_at <= :now AND one.channel = ANY(:channels)
          AND (one.claimed_until IS NULL OR one.claimed_until < :now)
          AND NOT EXISTS (
              SELECT FROM notifications AS before JOIN alert_transitions AS earlier ON earlier.id = before.transition_id
              WHERE before.sent_at IS NULL AND before.failed_at IS NULL AND before.channel = one.channel
                AND earlier.alert_id = step.alert_id AND earlier.id < step.id
          )
        ORDER BY one.due_at LIMIT :limit FOR UPDATE OF one SKIP LOCKED
    )
    RETURNING id, transition_id, channel, attempts
""")
_UNSET_CHANNELS = text("""
    SELECT DISTINCT channel FROM notifications
    WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= :now AND channel <> ALL(:channels) ORDER BY channel
""")
_SET_ASIDE = text("""
    UPDATE notifications
    SET last_error = CASE WHEN due_at <= :deadline THEN :last_word ELSE :error END,
        failed_at = CASE WHEN due_at <= :deadline THEN CAST(:now AS timestamptz) END
    WHERE id IN (
        SELECT id FROM notifications
        WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= :now AND channel = :channel
          AND (claimed_until IS NULL OR claimed_until < :now)
          AND (due_at <= :deadline OR last_error IS DISTINCT FROM :error)
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    RETURNING failed_at IS NOT NULL
""")
_DUE = text("""
    SELECT t.id, t.alert_id, t.kind, t.reason, t.explanation, t.evidence, a.slo, a.severity, a.opened_at
    FROM alert_transitions t JOIN alerts a ON a.id = t.alert_id WHERE t.id = ANY(:ids)
""")


@dataclass(frozen=True, slots=True)
class Due:
    """One message that is ours to send until the lease ends."""

    id: int
    channel: str
    attempts: int
    alert_id: int
    slo: str
    severity: str
    opened_at: datetime
    kind: str
    reason: str
    summary: str
    transition: dict[str, Any]


def claim(connection: Connection, channels: Collection[str], now: datetime, until: datetime, limit: int) -> list[Due]:
    """Claim messages to these channels that are due; nobody else gets them before `until`."""
    given = {"channels": list(channels), "now": now, "until": until, "limit": limit}
    claimed = connection.execute(_CLAIM, given).all()
    found = connection.execute(_DUE, {"ids": [row.transition_id for row in claimed]})
    transitions = {row.id: row for row in found}
    return [
        Due(
            row.id, row.channel, row.attempts, of.alert_id, of.slo, of.severity, of.opened_at,
            of.kind, of.reason, of.explanation, of.evidence,
        )
        for row in sorted(claimed, key=lambda row: row.transition_id)
        for of in (transitions[row.transition_id],)
    ]  # fmt: skip


class SetAside(NamedTuple):
    """How many messages were found that nobody here can send: of each the first time, and the last."""

    waiting: int
    given_up: int


def unset_channels(connection: Connection, channels: Collection[str], now: datetime) -> list[str]:
    """Channels other than these that messages are due to."""
    return list(connection.execute(_UNSET_CHANNELS, {"channels": list(channels), "now": now}).scalars())


def set_aside(
    connection: Connection, channel: str, now: datetime, deadline: datetime, error: str, last_word: str
) -> SetAside:
    """Note why messages to a channel wait, without an attempt; give up those that were due by the deadline."""
    given = {"channel": channel, "now": now, "deadline": deadline, "error": error, "last_word": last_word}
    fates = list(connection.execute(_SET_ASIDE, given).scalars())
    return SetAside(len(fates) - sum(fates), sum(fates))


def mark_sent(connection: Connection, notification_id: int, now: datetime) -> None:
    connection.execute(
        text("UPDATE notifications SET sent_at = :now, claimed_until = NULL, last_error = NULL WHERE id = :id"),
        {"id": notification_id, "now": now},
    )


def mark_failed(connection: Connection, notification_id: int, now: datetime, error: str) -> None:
    """Give up."""
    connection.execute(
        text("UPDATE notifications SET failed_at = :now, claimed_until = NULL, last_error = :error WHERE id = :id"),
        {"id": notification_id, "now": now, "error": error},
    )


def postpone(connection: Connection, notification_id: int, due: datetime, error: str) -> None:
    """Try again at `due`."""
    connection.execute(
        text("UPDATE notifications SET due_at = :due, claimed_until = NULL, last_error = :error WHERE id = :id"),
        {"id": notification_id, "due": due, "error": error},
    )
