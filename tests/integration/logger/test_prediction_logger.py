"""The producer for Python services against a real broker: each call is counted, and none is delayed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer
from kafka.errors import NotLeaderForPartitionError, TopicAuthorizationFailedError
from kafka.future import Future

from monitor.broker import ClientConfig, LogCounts, PredictionLogger, ensure_topics, shipping, topic_ends
from monitor.domain.events import Label, Prediction
from monitor.errors import SettingsError
from tests.integration.logger.conftest import NOBODY, Make, ids, read
from tests.pace import wait_for, within

pytestmark = pytest.mark.integration


def test_what_is_logged_is_what_the_native_format_reads(broker: str, topics: str, make: Make) -> None:
    vector = np.linspace(-1, 1, 512, dtype=np.float32)
    with make(broker, embedder="clip@1", version="v1") as log:
        assert log.prediction(
            "a", prompt="What?", answer="a mug", confidence=np.float32(0.5), embeddings={"image": vector}
        )
        assert log.prediction("b", version="v2", status="timeout", slices={"device": "cam"})
        assert log.label("a", verdict="incorrect", annotator="user-17", correction="two mugs")
    assert log.counts == LogCounts(calls=3, sent=3)
    first, second = sorted(read(broker, topics, 2), key=lambda event: event.request_id)
    assert isinstance(first, Prediction)
    assert (first.output.answer, first.output.confidence, first.model.version) == ("a mug", 0.5, "v1")
    assert abs(first.ts.timestamp() - time.time()) < 60
    np.testing.assert_array_equal(np.frombuffer(first.embeddings[0].data, "<f4"), vector)
    assert (second.model.version, second.status, second.slices) == ("v2", "timeout", {"device": "cam"})
    [label] = read(broker, f"{topics}.labels", 1)
    assert isinstance(label, Label)
    assert (label.annotator.kind, label.annotator.id, label.correction) == ("user", "user-17", "two mugs")


def test_the_caller_may_use_its_arrays_and_mappings_again(broker: str, topics: str, make: Make) -> None:
    vector, slices = np.zeros(8, np.float32), {"device": ""}
    with make(broker, embedder="e@1") as log:
        for index in range(100):
            vector[:] = index
            slices["device"] = str(index)
            log.prediction(f"{index}", slices=slices, embeddings={"image": vector})
    events = read(broker, topics, 100)
    assert len(events) == 100
    for event in events:
        assert set(np.frombuffer(event.embeddings[0].data, "<f4")) == {float(event.request_id)}
        assert event.slices == {"device": event.request_id}


def test_many_threads_lose_and_double_nothing(broker: str, topics: str, make: Make) -> None:
    log = make(broker)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda thread: [log.prediction(f"{thread}-{n}") for n in range(500)], range(8)))
    assert log.flush(20)
    assert log.counts == LogCounts(calls=4000, sent=4000)
    assert ids(read(broker, topics, 4000)) == sorted(f"{thread}-{n}" for thread in range(8) for n in range(500))


def test_an_event_does_not_wait_long_for_others(broker: str, topics: str, make: Make) -> None:
    log = make(broker)
    log.prediction("first")
    assert log.flush(10)
    log.prediction("second")
    wait_for(lambda: log.counts.sent == 2, 5, "somebody asks for it to be sent")


# ---- what does not arrive is counted ------------------------------------------------------------------------------


def test_a_full_queue_drops_and_says_how_many(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    log = make(NOBODY, max_events=10)
    assert [log.prediction(f"{n}") for n in range(30)] == [True] * 10 + [False] * 20
    with caplog.at_level(logging.WARNING):
        counts = within(2.5, lambda: log.close(0.3))
    assert (counts.calls, counts.dropped, counts.lost, counts.waiting) == (30, 20, 10, 0)
    assert "20 dropped, 0 invalid, 10 lost" in caplog.text
    assert not log.prediction("late")
    assert log.close().dropped == 21


def test_large_events_fill_it_by_their_bytes(make: Make) -> None:
    log = make(NOBODY, max_bytes=1_000_000)
    queued = [log.prediction(f"{n}", prompt="x" * 100_000) for n in range(20)]
    assert 8 <= sum(queued) <= 10
    assert log.prediction("small")


class Spiteful:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __len__(self) -> int:
        raise RuntimeError


def endless() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    return circle


INVALID: dict[str, tuple[Any, dict[str, Any]]] = {
    "no request_id": ("", {}),
    "a number for an id": (7, {}),
    "nothing for an id": (None, {}),
    "a surrogate in the id": ("\ud800", {}),
    "too long an id": ("x" * 129, {}),
    "an unknown field": ("r", {"promt": "?"}),
    "a field of the wrong type": ("r", {"latency_ms": "fast"}),
    "NaN": ("r", {"confidence": float("nan")}),
    "an object": ("r", {"extra": {"x": Spiteful()}}),
    "an object for a field": ("r", {"slices": Spiteful()}),
    "a circle": ("r", {"extra": endless()}),
    "embeddings of no mapping": ("r", {"embeddings": 5}),
    "candidates of no pairs": ("r", {"candidates": 5}),
    "bytes": ("r", {"prompt": b"?"}),
    "too large a record": ("r", {"prompt": "x" * 1_100_000}),
}


def test_nothing_is_raised_and_every_invalid_call_is_counted_with_its_reason(
    broker: str, topics: str, make: Make
) -> None:
    log = make(broker)
    for number, (name, (request_id, fields)) in enumerate(INVALID.items(), start=1):
        log.prediction(request_id, **fields)
        assert log.flush(10)
        assert log.counts.invalid == number, name
        assert log.counts.last_invalid
    log.label("r", verdict="maybe")
    log.label("r", colour="red")  # type: ignore[call-arg]
    log.prediction("sound")
    counts = log.close()
    assert (counts.invalid, counts.sent) == (len(INVALID) + 2, 1)
    assert ids(read(broker, topics, 1)) == ["sound"]


def test_a_record_that_the_broker_will_never_take_holds_up_no_other(broker: str, topics: str, make: Make) -> None:
    log = make(broker, max_record_bytes=1 << 25)
    log.prediction("a")
    log.prediction("large", prompt=os.urandom(9_000_000).hex())
    log.prediction("b")
    counts = log.close(20)
    assert (counts.sent, counts.lost) == (2, 1)
    assert "MessageSizeTooLarge" in str(counts.last_fault)


@pytest.mark.parametrize("fault", ["missing", "denied"])
def test_a_topic_that_takes_nothing_holds_up_no_other(
    broker: str, topics: str, make: Make, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The embedded broker knows no rights, so the client is told of them for the broker."""
    absent, at_fault = f"{topics}.absent", [fault]
    real = KafkaProducer._wait_on_metadata

    def wait_on_metadata(producer: KafkaProducer, topic: str, wait_ms: int) -> Any:
        if topic == absent and "denied" in at_fault:
            raise TopicAuthorizationFailedError({topic})
        return real(producer, topic, wait_ms)

    monkeypatch.setattr(KafkaProducer, "_wait_on_metadata", wait_on_metadata)
    monkeypatch.setattr(shipping, "FIND_MS", 2000)
    log = make(broker, labels_topic=absent, max_events=600)
    assert [log.label(f"{n}", verdict="correct") for n in range(650)] == [True] * 600 + [False] * 50
    wait_for(lambda: absent in str(log.counts.last_fault), 20)
    for part in range(3):
        assert all(log.prediction(f"{part} {n}") for n in range(600))
        wait_for(lambda sent=600 * (part + 1): log.counts.sent == sent, 20)  # type: ignore[misc]
    assert (log.counts.waiting, log.counts.dropped) == (600, 50)
    assert not topic_ends(ClientConfig(broker), [absent]), "who logs to a misspelt topic makes none"
    ensure_topics(ClientConfig(broker), [absent], 2)
    at_fault.clear()
    assert log.flush(30)
    assert ids(read(broker, absent, 600)) == sorted(f"{n}" for n in range(600))


def no_leader(promise: Future) -> Any:
    threading.Timer(0.1, promise.failure, [NotLeaderForPartitionError()]).start()
    return promise


def trip(promise: Future) -> Any:
    raise AssertionError("a fault of the client")


@pytest.mark.parametrize("fault", [no_leader, trip])
def test_a_record_that_fails_for_now_holds_up_no_other_of_its_topic(
    broker: str, topics: str, make: Make, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Future], Any]
) -> None:
    at_fault, real = [True], KafkaProducer.send

    def send(producer: KafkaProducer, topic: str, value: bytes, key: bytes) -> Any:
        return fault(Future()) if key == b"stuck" and at_fault else real(producer, topic, value, key=key)

    monkeypatch.setattr(KafkaProducer, "send", send)
    log = make(broker)
    for earlier in range(3):
        assert log.prediction("stuck")
        assert log.prediction(f"{earlier}")
        wait_for(lambda sent=earlier + 1: log.counts.sent == sent, 20)  # type: ignore[misc]
    assert log.counts.waiting == 3
    at_fault.clear()
    assert log.flush(20)
    assert set(ids(read(broker, topics, 6))) == {"stuck", "0", "1", "2"}


def test_a_wrong_setting_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        PredictionLogger(NOBODY, max_events=0)
    with pytest.raises(SettingsError, match="modle"):
        PredictionLogger(NOBODY, modle="m")  # type: ignore[call-arg]
