"""The producer for Python services against a real broker: each call is counted, and none is delayed."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError, NotLeaderForPartitionError, TopicAuthorizationFailedError
from kafka.future import Future

from monitor.broker import ClientConfig, LogCounts, PredictionLogger, ensure_topics, lane, shipping
from monitor.domain.events import Label, Prediction
from monitor.embedded.broker import Broker
from monitor.errors import SettingsError
from monitor.formats.native import decode

pytestmark = pytest.mark.integration
NOBODY = "127.0.0.1:9"
ROOT = Path(__file__).resolve().parents[2]

Make = Callable[..., PredictionLogger]


@pytest.fixture
def topics(broker: str, topic: str) -> str:
    """The prefix of two topics that exist."""
    ensure_topics(ClientConfig(broker), [topic, f"{topic}.labels"], 2)
    return topic


@pytest.fixture
def make(topic: str) -> Iterator[Make]:
    """Makes loggers that are closed at the end."""
    made: list[PredictionLogger] = []

    def logger(servers: str, **options: Any) -> PredictionLogger:
        usual = {"topic": topic, "labels_topic": f"{topic}.labels", "model": "m", "task": "vqa"}
        made.append(PredictionLogger(servers, **(usual | options)))
        return made[-1]

    yield logger
    for one in made:
        one.close(0)


def read(servers: str, topic: str, count: int, seconds: float = 10) -> list[Any]:
    """So many events of a topic, and those that come right after."""
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()])
        consumer.seek_to_beginning()
        found: list[Any] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=100).values():
                found += [decode(record.value) for record in records]
        for records in consumer.poll(timeout_ms=200).values():
            found += [decode(record.value) for record in records]
        return found
    finally:
        consumer.close()


def ids(events: list[Any]) -> list[str]:
    return sorted(event.request_id for event in events)


def total(counts: LogCounts) -> int:
    return counts.sent + counts.waiting + counts.dropped + counts.invalid + counts.lost


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
    began = time.monotonic()
    while log.counts.sent < 2:
        assert time.monotonic() - began < 5, "nobody asked for it to be sent"
        time.sleep(0.01)


# ---- what does not arrive is counted ------------------------------------------------------------------------------


def test_a_full_queue_drops_and_says_how_many(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    log = make(NOBODY, max_events=10)
    assert [log.prediction(f"{n}") for n in range(30)] == [True] * 10 + [False] * 20
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        counts = log.close(0.3)
    assert time.monotonic() - began < 2.5
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


def missing(topic: str, wait_ms: int) -> None:
    time.sleep(wait_ms / 1000)
    raise KafkaTimeoutError(f"{topic} is missing")


def denied(topic: str, wait_ms: int) -> None:
    raise TopicAuthorizationFailedError({topic})


@pytest.mark.parametrize("fault", [missing, denied])
def test_a_topic_that_takes_nothing_holds_up_no_other(
    broker: str, topics: str, make: Make, monkeypatch: pytest.MonkeyPatch, fault: Callable[[str, int], None]
) -> None:
    """The embedded broker knows no rights and makes every topic, so the client is told of it for the broker."""
    absent, at_fault = f"{topics}.absent", [True]
    real = KafkaProducer._wait_on_metadata

    def wait_on_metadata(producer: KafkaProducer, topic: str, wait_ms: int) -> Any:
        return fault(topic, wait_ms) if topic == absent and at_fault else real(producer, topic, wait_ms)

    monkeypatch.setattr(KafkaProducer, "_wait_on_metadata", wait_on_metadata)
    monkeypatch.setattr(shipping, "FIND_MS", 2000)
    log = make(broker, labels_topic=absent, max_events=600)
    assert [log.label(f"{n}", verdict="correct") for n in range(650)] == [True] * 600 + [False] * 50
    wait_for(lambda: absent in str(log.counts.last_fault))
    for part in range(3):
        assert all(log.prediction(f"{part} {n}") for n in range(600))
        wait_for(lambda sent=600 * (part + 1): log.counts.sent == sent)  # type: ignore[misc]
    assert (log.counts.waiting, log.counts.dropped) == (600, 50)
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
        wait_for(lambda sent=earlier + 1: log.counts.sent == sent)  # type: ignore[misc]
    assert log.counts.waiting == 3
    at_fault.clear()
    assert log.flush(20)
    assert set(ids(read(broker, topics, 6))) == {"stuck", "0", "1", "2"}


def test_a_wrong_setting_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        PredictionLogger(NOBODY, max_events=0)
    with pytest.raises(SettingsError, match="modle"):
        PredictionLogger(NOBODY, modle="m")  # type: ignore[call-arg]


# ---- a broker that goes and comes -----------------------------------------------------------------------------------


class Door:
    """An address that leads to whichever broker is behind it, or to none.

    A broker that is started anew is put behind it when its topics are made: the embedded one makes topics of its own,
    with another number of partitions, for a producer that is faster.
    """

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._listener: socket.socket | None = None
        self._behind = ("", 0)

    def open(self, servers: str) -> None:
        host, _, port = servers.partition(":")
        self._behind = (host, int(port))
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                inner, _ = listener.accept()
                with suppress(OSError):
                    outer = socket.create_connection(self._behind, 1)
                    for one, other in ((inner, outer), (outer, inner)):
                        threading.Thread(target=_pump, args=(one, other), daemon=True).start()
                    continue
                inner.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError), source, sink:
        while data := source.recv(65_536):
            sink.sendall(data)


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.close()


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def test_a_service_may_start_before_its_broker(broker: str, topics: str, door: Door, make: Make) -> None:
    log = make(door.address)
    assert log.prediction("early")
    wait_for(lambda: log.counts.last_fault)
    assert log.counts.waiting == 1
    door.open(broker)
    assert log.flush(20)
    assert ids(read(broker, topics, 1)) == ["early"]


def test_a_broker_that_is_killed_and_comes_back_costs_time_and_nothing_else(
    tmp_path: Path, topic: str, door: Door, make: Make
) -> None:
    """With it goes what it had, but nothing of what it has not acknowledged."""
    log = make(door.address)
    with started(tmp_path / "first", topic) as first:
        door.open(first)
        assert log.prediction("before")
        assert log.flush(20)
    for n in range(300):
        assert log.prediction(f"during {n}")
        time.sleep(0.001)
    wait_for(lambda: log.counts.last_fault)
    assert log.counts.waiting == 300
    with started(tmp_path / "second", topic) as second:
        door.open(second)
        assert log.prediction("after")
        assert log.flush(30)
        found = set(ids(read(second, topic, 301)))
    assert found == {"after", *(f"during {n}" for n in range(300))}
    assert log.counts.sent == log.counts.calls == 302


@contextmanager
def started(home: Path, topic: str) -> Iterator[str]:
    """A broker of one's own with the topic; killed at the end."""
    server = Broker(home, preferred_port=24_000 + os.getpid() % 5000)
    server.start()
    try:
        ensure_topics(ClientConfig(server.bootstrap_servers), [topic], 2)
        yield server.bootstrap_servers
    finally:
        server.process.stop(0)


def test_what_is_dropped_while_the_broker_is_away_is_told_meanwhile(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "FIND_MS", 100)
    monkeypatch.setattr(lane, "FIRST_REPORT_S", 0.1)
    monkeypatch.setattr(lane, "REPORT_S", 0.1)
    log = make(NOBODY, max_events=10, topic="of.predictions", labels_topic="of.labels")
    with caplog.at_level(logging.WARNING, logger="monitor.broker.logger"):
        for n in range(30):
            log.prediction(f"{n}")
        for n in range(15):
            log.label(f"{n}", verdict="correct")
        for topic, dropped in (("of.predictions", 20), ("of.labels", 5)):
            told = re.compile(f"to {topic}: ([0-9]+) dropped, 0 invalid, 0 lost")
            wait_for(lambda told=told, all_of=dropped: sum(map(int, told.findall(caplog.text))) == all_of)  # type: ignore[misc]
    assert log.counts.waiting == 20


def test_closing_without_a_broker_ends_in_time_with_labels_too(make: Make) -> None:
    log = make(NOBODY)
    log.prediction("a")
    log.label("a", verdict="correct")
    began = time.monotonic()
    counts = log.close(0.5)
    assert time.monotonic() - began < 3
    assert (counts.lost, total(counts)) == (2, 2)


def test_closing_without_a_broker_ends_in_time(make: Make) -> None:
    log = make(NOBODY)
    for n in range(100):
        log.prediction(f"{n}")
    time.sleep(0.3)
    began = time.monotonic()
    counts = log.close(0.5)
    assert time.monotonic() - began < 3
    assert (counts.lost, total(counts)) == (100, 100)


def test_an_absent_broker_holds_up_no_caller_and_no_event_loop(make: Make) -> None:
    log = make(NOBODY)

    async def serve() -> float:
        longest = 0.0
        for n in range(3000):
            began = time.perf_counter()
            log.prediction(f"{n}", prompt="What?", slices={"device": "cam"})
            longest = max(longest, time.perf_counter() - began)
            await asyncio.sleep(0)
        return longest

    assert asyncio.run(serve()) < 0.5  # a wait for the broker would take seconds
    assert log.counts.waiting == 3000


def test_a_call_from_within_a_call_does_not_lock_up(make: Make) -> None:
    """As signal handlers and destructors do it."""
    log = make(NOBODY)
    with log._queue._lock:
        assert log.prediction("inner")
    assert log.counts.waiting == 1


# ---- processes ------------------------------------------------------------------------------------------------------


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORKING = """
import os, sys
from monitor.broker import PredictionLogger

servers, topic, when = sys.argv[1:]
log = PredictionLogger(servers, topic=topic, model="m", task="vqa")
if when == "used":
    for n in range(20):
        log.prediction(f"parent before {n}")
children = []
for child in range(3):
    if (pid := os.fork()) == 0:
        for n in range(20):
            log.prediction(f"child {child} {n}")
        counts = log.close(20)
        assert (counts.calls, counts.sent) == (20, 20), counts
        os._exit(0)
    children.append(pid)
for n in range(20):
    log.prediction(f"parent after {n}")
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
counts = log.close(20)
assert counts.sent == counts.calls, counts
"""


@pytest.mark.parametrize("when", ["fresh", "used"])
def test_workers_that_are_forked_log_their_own_and_only_their_own(broker: str, topics: str, when: str) -> None:
    run(FORKING, broker, topics, when)
    expected = [f"child {child} {n}" for child in range(3) for n in range(20)] + [
        f"parent after {n}" for n in range(20)
    ]
    expected += [f"parent before {n}" for n in range(20)] if when == "used" else []
    assert Counter(ids(read(broker, topics, len(expected)))) == Counter(expected)


def test_its_threads_import_nothing(broker: str, topics: str) -> None:
    """A process that is forked meanwhile would inherit the lock of the module, which nobody gives back."""
    script = """
import sys
from monitor.broker import PredictionLogger
log, before = PredictionLogger(sys.argv[1], topic=sys.argv[2], model="m", task="vqa"), set(sys.modules)
log.prediction("a")
assert log.close(20).sent == 1
print(sorted(set(sys.modules) - before))
"""
    assert run(script, broker, topics).strip() == "[]"


def test_labels_are_forked_and_sent_at_the_end_of_a_process_as_predictions_are(broker: str, topics: str) -> None:
    script = """
import os, sys
from monitor.broker import PredictionLogger
log = PredictionLogger(sys.argv[1], labels_topic=sys.argv[2], model="m", task="vqa")
log.label("before", verdict="correct")
if (pid := os.fork()) == 0:
    log.label("child", verdict="correct")
    assert log.close(20).sent == 1
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
log.label("after", verdict="correct")
"""
    run(script, broker, f"{topics}.labels")
    assert ids(read(broker, f"{topics}.labels", 3)) == ["after", "before", "child"]


def test_what_waits_is_sent_when_the_process_ends(broker: str, topics: str) -> None:
    script = """
import sys
from monitor.broker import PredictionLogger
log = PredictionLogger(sys.argv[1], topic=sys.argv[2], model="m", task="vqa")
for n in range(700):
    log.prediction(f"{n:03}")
"""
    run(script, broker, topics)
    assert ids(read(broker, topics, 700)) == [f"{n:03}" for n in range(700)]


def test_it_imports_nothing_heavy() -> None:
    script = """
import sys
from monitor.broker import PredictionLogger
heavy = {"sqlalchemy", "psycopg", "torch", "open_clip", "pydantic", "pandas", "scipy", "streamlit", "evidently", "PIL"}
print(sorted(heavy & set(sys.modules)), "monitor.settings" in sys.modules, "monitor.store" in sys.modules)
"""
    assert run(script).strip() == "[] False False"


def test_the_example_of_the_docs_runs(broker: str, tmp_path: Path) -> None:
    """As it stands, but for the address."""
    ensure_topics(ClientConfig(broker), ["snellen.predictions", "snellen.labels"], 2)
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "logger.md").read_text(), flags=re.DOTALL)
    assert "127.0.0.1:9092" in example
    assert run(example.replace("127.0.0.1:9092", broker)).startswith("LogCounts(calls=2, sent=2, waiting=0, dropped=0")


def test_threads_are_gone_after_closing(broker: str, topics: str, make: Make) -> None:
    before = threading.active_count()
    for _ in range(3):
        with make(broker) as log:
            log.prediction("r")
    wait_for(lambda: threading.active_count() <= before)
