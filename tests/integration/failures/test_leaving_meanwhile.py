"""A member that leaves while it, or others, are joining must not take the group with it.

The embedded broker keeps a leader that says farewell meanwhile: then nobody is assigned anything again.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from kafka.future import Future
from kafka.protocol.consumer import SyncGroupRequest

from monitor.broker import ClientConfig, Sink, Source, ensure_topics
from monitor.domain.records import Partition
from tests.pace import Patience

pytestmark = pytest.mark.integration


def position(partition: Partition, beginning: int, *, beyond_end: bool) -> int:
    return beginning


def open_source(broker: str, topic: str) -> Source:
    return Source(ClientConfig(broker), topic, [topic], position, session_timeout_ms=1500)


def read_something(source: Source, seconds: float) -> bool:
    patience = Patience(seconds)
    while patience.rest():
        if source.poll(100, 10**6, 100).records:
            return True
    return False


@pytest.mark.parametrize("cut_off", [True, False], ids=["the broker does not answer", "joining takes too long"])
def test_a_leader_that_leaves_between_the_two_steps_of_joining_is_succeeded(
    broker: str, topic: str, cut_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_topics(ClientConfig(broker), [topic], 2)
    with closing(Sink(ClientConfig(broker))) as sink:
        sink.send(topic, b"x")
    leader = open_source(broker, topic)
    chosen = hold_back_assignments(leader, monkeypatch)
    with closing(open_source(broker, topic)) as follower:
        patience = Patience(10)
        while not chosen.is_set():
            assert patience.rest(), "nobody was chosen"
            leader.poll(100, 10**6, 50)
            follower.poll(100, 10**6, 50)
        if cut_off:
            monkeypatch.setattr(leader._consumer, "poll", no_answer)
        leader.close()
        assert read_something(follower, 15)


def test_a_leader_that_leaves_before_it_has_heard_that_another_joins_is_succeeded(
    broker: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not know that the group gathers: it has nothing to join itself."""
    ensure_topics(ClientConfig(broker), [topic], 2)
    with closing(Sink(ClientConfig(broker))) as sink:
        sink.send(topic, b"x")
    leader = open_source(broker, topic)
    assert read_something(leader, 15)
    with closing(open_source(broker, topic)) as follower:
        gathered = note_gathering(follower, monkeypatch)
        patience = Patience(10)
        while not gathered.is_set():
            assert patience.rest(), "the group has not gathered"
            follower.poll(100, 10**6, 50)
        assert follower.is_joining()
        assert not leader.is_joining()
        leader.close()
        assert read_something(follower, 15)


def note_gathering(source: Source, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once it waits for what the leader will assign."""
    manager, gathered = source._consumer._coordinator._manager, threading.Event()
    send = manager.send

    def noted(request: Any, *args: Any, **options: Any) -> Any:
        if isinstance(request, SyncGroupRequest):
            gathered.set()
        return send(request, *args, **options)

    monkeypatch.setattr(manager, "send", noted)
    return gathered


def hold_back_assignments(source: Source, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """It stands between the two steps, for ever; set once it does."""
    manager, chosen = source._consumer._coordinator._manager, threading.Event()
    send = manager.send

    def hold(request: Any, *args: Any, **options: Any) -> Any:
        if isinstance(request, SyncGroupRequest):
            chosen.set()
            return Future()
        return send(request, *args, **options)

    monkeypatch.setattr(manager, "send", hold)
    return chosen


def no_answer(*_: Any, **__: Any) -> Any:
    raise KafkaConnectionError("no answer")
