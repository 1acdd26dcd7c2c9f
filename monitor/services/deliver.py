"""Send what the outbox holds. Whether a fault is worth another try is the channel's word; when, is decided here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from monitor.domain.window import lasting
from monitor.errors import NotificationError
from monitor.notify import NEEDED, AlertMessage, Channel
from monitor.store import outbox
from monitor.store.engine import transaction
from monitor.store.outbox import Due

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BATCH = 10
"""So few that waiting in vain for every answer takes less than the lease."""
FIRST_RETRY, LAST_RETRY = timedelta(seconds=10), timedelta(minutes=15)
GIVE_UP_AFTER = 20
"""Attempts: three hours and twenty minutes."""
PATIENCE = timedelta(hours=3, minutes=20)
"""As long waits a message whose channel is not configured."""


@dataclass(frozen=True, slots=True)
class Delivery:
    engine: Engine
    channels: Mapping[str, Channel]
    """Those that are configured here; a message for another one waits for a process that has it."""
    link_base: str | None


def deliver(delivery: Delivery, now: datetime) -> int:
    """Send one batch of due messages; returns how many were claimed.

    What remains is for the next turn, seconds later: as long as a receiver hangs there always are some, and who is told
    to stop would not.

    Raises:
        StoreError: PostgreSQL refused or does not answer; a message may have been sent unmarked, and is sent again.
    """
    with transaction(delivery.engine) as connection:
        claimed = outbox.claim(connection, delivery.channels.keys(), now, now + LEASE, BATCH)
        _set_aside(connection, delivery, now)
    for due in claimed:
        _send(delivery, due, now)
    return len(claimed)


def _set_aside(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """Say of each message once that its channel is not configured. They are sent as soon as it is, and take no turn of
    others meanwhile."""
    for channel in outbox.unset_channels(connection, delivery.channels, now):
        error = unset(channel)
        last_word = f"{error}. Given up after {lasting(PATIENCE)}"
        found = outbox.set_aside(connection, channel, now, now - PATIENCE, error, last_word)
        for fate, number in found._asdict().items():
            if number:
                log.warning("%s", error, extra={"channel": channel, fate: number})


def unset(channel: str) -> str:
    """Why nobody can send to this channel, and what to do."""
    if channel not in NEEDED:
        return f"{outbox.UNSET}: this version has no {channel!r}; name another target in alerts.slo_dir"
    return (
        f"{outbox.UNSET}: {NEEDED[channel]} is not set where `snellen schedule` runs; set it and start that anew, or "
        f"name another target than {channel!r} in alerts.slo_dir"
    )


def _send(delivery: Delivery, due: Due, now: datetime) -> None:
    try:
        delivery.channels[due.channel].notify(_message(delivery, due))
    except NotificationError as error:
        log.warning("notification failed", extra={"channel": due.channel, "slo": due.slo, "error": str(error)})
        _put_off(delivery, due, now, str(error), permanent=error.permanent)
    except Exception as error:  # a fault of ours: it must not keep the messages behind it from being sent
        log.exception("notification failed", extra={"channel": due.channel, "slo": due.slo})
        _put_off(delivery, due, now, f"{type(error).__name__}: {error}", permanent=False)
    else:
        with transaction(delivery.engine) as connection:
            outbox.mark_sent(connection, due.id, now)


def _put_off(delivery: Delivery, due: Due, now: datetime, error: str, *, permanent: bool) -> None:
    error = error.replace("\x00", "\N{REPLACEMENT CHARACTER}")  # a server's answer may hold what no text column can
    with transaction(delivery.engine) as connection:
        if permanent or due.attempts >= GIVE_UP_AFTER:
            outbox.mark_failed(connection, due.id, now, error)
        else:
            outbox.postpone(connection, due.id, now + retry_delay(due.attempts), error)


def retry_delay(attempts: int) -> timedelta:
    """Doubles with every attempt (>= 1), up to a quarter of an hour."""
    delay: timedelta = FIRST_RETRY * 2 ** (attempts - 1)
    return min(delay, LAST_RETRY)


def _message(delivery: Delivery, due: Due) -> AlertMessage:
    link = f"{delivery.link_base}/on_call?alert={due.alert_id}" if delivery.link_base else None
    return AlertMessage(
        alert_id=due.alert_id,
        dedup_key=f"{due.transition['incident']}/{due.transition['number']}",
        slo=due.slo,
        severity=due.severity,
        transition=due.kind,
        reason=due.reason,
        summary=due.summary,
        details=due.transition["details"],
        started_at=due.opened_at,
        link=link,
        evidence=due.transition,
    )
