"""What the outbox holds reaches its channel once, in order, and is tried again or given up, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.domain.window import MINUTE
from monitor.errors import NotificationError
from monitor.notify import AlertMessage
from monitor.notify.webhook import TIMEOUT_SECONDS
from monitor.services.deliver import BATCH, GIVE_UP_AFTER, LEASE, PATIENCE, Delivery, deliver, unset
from monitor.services.evaluate_slos import evaluate_slos
from monitor.slo.objective import Objective
from monitor.store.engine import ROOT
from monitor.store.outbox import UNSET
from tests.integration.slo.conftest import START, ticks
from tests.logged import ours

Rows = Callable[..., list[Any]]


class Unreliable:
    """A channel that fails as told, then works."""

    def __init__(self, *faults: NotificationError) -> None:
        self.faults = list(faults)
        self.sent: list[AlertMessage] = []

    def notify(self, message: AlertMessage) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)


@pytest.fixture
def opened(engine: Engine, objective: Objective, outage: None) -> datetime:
    evaluate_slos(engine, [objective], ticks(200, 270), backfilled=False)
    return START + 270 * MINUTE


def test_a_message_is_sent_once_with_a_link_and_its_evidence(engine: Engine, opened: datetime, rows: Rows) -> None:
    channel = Unreliable()
    delivery = Delivery(engine, {"log": channel}, "http://127.0.0.1:8501")
    assert deliver(delivery, opened) == 1
    assert deliver(delivery, opened) == 0
    [message] = channel.sent
    assert (message.slo, message.severity, message.transition, message.reason) == (
        "availability", "page", "opened", "first_breach",
    )  # fmt: skip
    assert message.link == f"http://127.0.0.1:8501/on_call?alert={message.alert_id}"
    assert "1 h" in message.details
    assert rows("SELECT sent_at IS NOT NULL, attempts FROM notifications") == [(True, 1)]


def test_a_passing_fault_is_tried_again_later_and_a_lasting_one_is_not(
    engine: Engine, opened: datetime, rows: Rows
) -> None:
    channel = Unreliable(NotificationError("try \x00 again"), NotificationError("no such address", permanent=True))
    delivery = Delivery(engine, {"log": channel}, None)
    deliver(delivery, opened)
    assert deliver(delivery, opened) == 0
    deliver(delivery, opened + timedelta(minutes=1))
    assert rows("SELECT failed_at IS NOT NULL, attempts, last_error FROM notifications") == [
        (True, 2, "no such address")
    ]


def test_a_fault_that_lasts_is_given_up_when_the_docs_say(engine: Engine, opened: datetime, rows: Rows) -> None:
    delivery = Delivery(engine, {"log": Unreliable(*[NotificationError("down")] * GIVE_UP_AFTER)}, None)
    now = opened
    for attempt in range(1, GIVE_UP_AFTER + 1):
        assert rows("SELECT failed_at FROM notifications") == [None]
        assert deliver(delivery, now) == 1
        assert rows("SELECT attempts FROM notifications") == [attempt]
        last, [now] = now, rows("SELECT due_at FROM notifications")
    assert rows("SELECT failed_at FROM notifications") == [last]
    assert timedelta(hours=3, minutes=20) < last - opened < timedelta(hours=3, minutes=25)
    said = " ".join((ROOT / "docs" / "channels.md").read_text().split())
    assert f"After {GIVE_UP_AFTER} attempts, in three hours and twenty minutes" in said


def test_a_sender_that_died_leaves_its_message_to_the_next_one(engine: Engine, opened: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE notifications SET claimed_until = :until"), {"until": opened + timedelta(minutes=2)}
        )
    channel = Unreliable()
    delivery = Delivery(engine, {"log": channel}, None)
    assert deliver(delivery, opened + timedelta(minutes=1)) == 0
    assert deliver(delivery, opened + timedelta(minutes=3)) == 1
    assert len(channel.sent) == 1


def test_a_channel_that_is_not_configured_here_says_so_and_the_message_waits_for_who_has_it(
    engine: Engine, opened: datetime, rows: Rows
) -> None:
    """As an older replica during a deployment. It goes out at once, and nothing is left of the fault."""
    deliver(Delivery(engine, {}, None), opened)
    assert rows("SELECT last_error FROM notifications")[0].startswith(UNSET)
    channel = Unreliable()
    assert deliver(Delivery(engine, {"log": channel}, None), opened) == 1
    assert len(channel.sent) == 1
    assert rows("SELECT attempts, last_error FROM notifications") == [(1, None)]


def test_what_a_channel_lacks_is_told_once_and_its_messages_are_given_up_with_the_reason(
    engine: Engine, opened: datetime, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """A webhook that was taken out of the settings."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE notifications SET channel = 'webhook'"))
    delivery = Delivery(engine, {"log": Unreliable()}, None)
    [due] = rows("SELECT due_at FROM notifications")
    for minutes in range(0, 200, 5):
        assert deliver(delivery, due + timedelta(minutes=minutes)) == 0
        assert rows("SELECT failed_at, attempts FROM notifications") == [(None, 0)]
        [said] = rows("SELECT last_error FROM notifications")
        assert "alerts.webhook.url (or SNELLEN_ALERTS__WEBHOOK__URL) is not set where `snellen schedule` runs" in said
    assert [one.message for one in ours(caplog)] == [said]
    deliver(delivery, due + PATIENCE)
    assert rows("SELECT failed_at, last_error FROM notifications") == [
        (due + PATIENCE, f"{said}. Given up after 3 h 20 min")
    ]
    assert [one.message for one in ours(caplog)] == [said, said]


def test_messages_that_nobody_can_send_take_no_turn_of_others(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    names = [f"slo-{number}" for number in range(3 * BATCH)]
    evaluate_slos(engine, [replace(objective, name=name) for name in names], ticks(200, 270), backfilled=False)
    with engine.begin() as connection:
        earlier = "channel = 'gone', due_at = due_at - interval '1 minute'"
        connection.execute(text(f"UPDATE notifications SET {earlier} WHERE id < (SELECT max(id) FROM notifications)"))
    channel = Unreliable()
    assert deliver(Delivery(engine, {"log": channel}, None), START + 270 * MINUTE) == 1
    assert len(channel.sent) == 1
    assert set(rows("SELECT last_error FROM notifications WHERE channel = 'gone'")) == {unset("gone")}


def test_a_fault_of_ours_in_one_message_keeps_those_of_no_other_incident_from_being_sent(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    """As an evidence that an older version wrote: the message cannot be made, now or later."""
    now = START + 600 * MINUTE
    evaluate_slos(engine, [objective, replace(objective, name="other")], ticks(200, 600), backfilled=False)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE alert_transitions SET evidence = '{}' WHERE kind = 'opened' AND evidence ->> 'slo' <> 'other'")
        )
    channel = Unreliable()
    delivery = Delivery(engine, {"log": channel}, None)
    assert [deliver(delivery, now) for _ in range(3)] == [2, 1, 0]
    assert [(message.slo, message.transition) for message in channel.sent] == [("other", "opened"), ("other", "closed")]
    [(error, due)] = rows("SELECT last_error, due_at FROM notifications WHERE attempts > 0 AND sent_at IS NULL")
    assert "KeyError" in error
    assert due > now


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("faults", [1, GIVE_UP_AFTER])
def test_nobody_hears_of_the_end_of_an_incident_before_its_opening(
    engine: Engine, objective: Objective, rows: Rows, faults: int
) -> None:
    """The receiver is away while the incident opens, and back when it is over: then, and not before, all is told."""
    evaluate_slos(engine, [objective], ticks(200, 600), backfilled=False)
    channel = Unreliable(*[NotificationError("down")] * faults)
    delivery, now = Delivery(engine, {"log": channel}, None), START + 600 * MINUTE
    for _ in range(faults):
        assert deliver(delivery, now) == 1
        now = max(now + timedelta(seconds=5), *rows("SELECT max(due_at) FROM notifications"))
    while deliver(delivery, now):
        pass
    told = [message.transition for message in channel.sent]
    assert told == (["opened", "closed"] if faults < GIVE_UP_AFTER else ["closed"])


def test_two_senders_do_not_overtake_one_another(
    engine: Engine, objective: Objective, outage: None, rows: Rows
) -> None:
    evaluate_slos(engine, [objective], ticks(200, 600), backfilled=False)
    now = START + 600 * MINUTE
    second = Unreliable()

    class Slow(Unreliable):
        def notify(self, message: AlertMessage) -> None:
            deliver(Delivery(engine, {"log": second}, None), now)
            super().notify(message)

    first = Slow()
    assert deliver(Delivery(engine, {"log": first}, None), now) == 1
    assert ([one.transition for one in first.sent], second.sent) == (["opened"], [])
    assert rows("SELECT attempts FROM notifications ORDER BY id") == [1, 0]


def test_a_batch_that_waits_in_vain_for_every_answer_ends_within_its_lease() -> None:
    assert timedelta(seconds=TIMEOUT_SECONDS) * BATCH < LEASE
