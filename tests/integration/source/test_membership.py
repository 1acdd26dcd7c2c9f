"""Members of a consumer group join, share, lose and leave, however the client and its polls fall."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, RequestTimedOutError

from monitor.broker import Source
from monitor.broker.source import EMPTY
from monitor.errors import StoreUnavailable
from tests.integration.source.members import SESSION_MS, Stored, poll_for, poll_until, read, values
from tests.pace import Patience, wait_for

pytestmark = pytest.mark.integration


def test_two_members_share_the_partitions_and_one_takes_over_what_the_other_leaves(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    one, other = member(), member()
    poll_until(lambda: len(one.ends()) == len(other.ends()) == 1, one, other)
    send(*values(40))
    found = [read(source, stored, 1) for source in (one, other)]
    assert all(found)
    assert sorted(found[0] + found[1]) == sorted(values(40))
    other.close()
    poll_until(lambda: len(one.ends()) == 2, one)
    send(*values(20, start=40))
    assert sorted(read(one, stored, 20)) == sorted(values(20, start=40))


def test_a_member_that_loses_a_partition_knows_that_it_does_not_own_its_batch(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(40))
    one = member()
    batch = EMPTY
    while len(batch.expected) < 2:
        one.reposition()
        batch = one.poll(1000, 1 << 20, 500)
    assert one.owns(batch)
    other = member()
    poll_until(lambda: len(other.ends()) == 1, other, one)
    assert not one.owns(batch)


def test_a_member_that_waits_stays_in_the_group_and_takes_in_nothing(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(10))
    source = member()
    batch = EMPTY
    while not batch.records:
        batch = source.poll(5, 1 << 20, 100)
    deadline = time.monotonic() + 2 * SESSION_MS / 1000
    while time.monotonic() < deadline:
        source.keep_alive()
        time.sleep(0.05)
    assert source.owns(batch)
    found = stored.take(batch)
    assert sorted(found + read(source, stored, 10 - len(found))) == sorted(values(10))


def wait_in_group(source: Source, seconds: float = 10) -> None:
    """Only wait, as a collector does whose PostgreSQL is away, until all partitions are assigned."""
    patience = Patience(seconds)
    while len(source._consumer.assignment()) < 2:
        assert patience.rest(), "no progress"
        source.keep_alive()


def test_a_member_that_only_waits_joins_the_group_in_one_gathering(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would throw away a join that ends between two polls, which all do here, and gather the group again."""
    source = member()
    coordinator = source._consumer._coordinator
    gatherings: list[None] = []
    join = coordinator._do_join_and_sync_async
    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", lambda: gatherings.append(None) or join())
    wait_in_group(source)
    assert len(gatherings) == 2  # the first is answered with an id, with which to come again


def test_a_join_that_failed_between_two_polls_is_begun_anew(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = member()
    coordinator = source._consumer._coordinator
    join = coordinator._do_join_and_sync_async
    faults = [KafkaTimeoutError("not connected in time"), RequestTimedOutError("no answer in time")]

    async def unreliable() -> Any:
        if faults:
            raise faults.pop()
        return await join()

    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", unreliable)
    wait_in_group(source)


def test_a_membership_that_was_lost_before_it_was_taken_is_asked_for_anew(
    member: Callable[..., Source], send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = member()
    coordinator = source._consumer._coordinator
    join, joined = coordinator._do_join_and_sync_async, threading.Event()

    async def noted() -> Any:
        assignment = await join()
        joined.set()
        return assignment

    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", noted)
    while not coordinator._generation.has_member_id():
        source.keep_alive()
    source.keep_alive()
    wait_for(joined.is_set, 10, "it joins")
    coordinator.reset_generation()
    poll_until(lambda: len(source._consumer.assignment()) == 2, source)
    assert coordinator._generation.generation_id >= 0


def test_a_member_that_is_closed_while_it_joins_leaves_a_group_that_others_can_join(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    send(*values(10))
    hasty = member()
    poll_for(hasty, stored, 0.3)
    hasty.close()
    assert sorted(read(member(), stored, 10)) == sorted(values(10))


def test_a_join_that_the_client_has_forgotten_is_finished(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    """As kafka-python leaves it when a poll ends between the two steps of a join that changed topics had begun."""
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    coordinator = source._consumer._coordinator
    source.on_partitions_revoked(source._consumer.assignment())
    coordinator.rejoining, coordinator.rejoin_needed = True, False
    send(*values(10))
    assert sorted(read(source, stored, 10)) == sorted(values(10))


def test_a_partition_that_nobody_knows_holds_up_no_other_and_is_asked_for_again(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the client answers for a partition that has lost its leader."""
    send(*values(40))
    source = member()
    ask, lost = source._consumer.beginning_offsets, {1}

    def unsure(several: list[Any], **options: Any) -> Any:
        if any(one.partition in lost for one in several):
            raise KeyError(several)
        return ask(several, **options)

    monkeypatch.setattr(source._consumer, "beginning_offsets", unsure)
    monkeypatch.setattr("monitor.broker.assignment.ASKED_AGAIN_S", 1.0)
    found: list[bytes] = []
    patience = Patience(15)
    while not found:
        assert patience.rest(), "no progress"
        found += stored.take(source.poll(1000, 1 << 20, 100))
    deadline = time.monotonic() + 2.5  # it is asked for again meanwhile
    while time.monotonic() < deadline:
        found += stored.take(source.poll(1000, 1 << 20, 100))
    assert {one.number for one in stored.offsets} == {0}
    lost.clear()
    assert sorted(found + read(source, stored, 40 - len(found), seconds=15)) == sorted(values(40))


def test_a_member_that_cannot_be_told_where_to_read_stays_in_its_group(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is away, for longer than the session lasts: others must not wait for it with every change."""
    source = member()
    monkeypatch.setattr(source, "_position", away)
    deadline = time.monotonic() + 3 * SESSION_MS / 1000
    while time.monotonic() < deadline or not source._consumer.assignment():
        with suppress(StoreUnavailable):
            source.poll(1000, 1 << 20, 50)
        time.sleep(0.05)
    other = member()
    patience = Patience(15)
    while not other._consumer.assignment():
        assert patience.rest(), "the group waits for the other member"
        with suppress(StoreUnavailable):
            source.poll(1000, 1 << 20, 50)
        other.poll(1000, 1 << 20, 50)


def away(*_: object, **__: object) -> int:
    raise StoreUnavailable("away")


def test_new_clients_are_made_of_both_kinds(
    member: Callable[..., Source], send: Callable[..., None], stored: Stored
) -> None:
    """Old ones look for brokers only where they last were; here their threads have died."""
    send(*values(10))
    source = member()
    poll_until(lambda: len(source.ends()) == 2, source)
    source._topics._admin.close()
    source._consumer.close(autocommit=False)
    source.renew()
    found: list[bytes] = []
    patience = Patience(15)
    while len(found) < 10:
        assert patience.rest(), "no progress"
        batch = source.poll(1000, 1 << 20, 100)
        found += [record.value for record in batch.records]
        stored.offsets |= batch.following
    assert set(found) <= set(values(10))
