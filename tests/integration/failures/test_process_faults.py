"""Collectors as processes, while what they depend on hangs, is replaced, or goes back in time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from kafka.admin import KafkaAdminClient
from typer.testing import CliRunner

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.cli import app
from monitor.embedded.probes import to_libpq
from tests.integration.failures.fleet import ROOT, Fleet, Servers
from tests.pace import wait_for

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC) - timedelta(minutes=5)


@pytest.fixture
def fleet(servers: Servers, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(**settings: str) -> Fleet:
        logs = tmp_path / f"fleet{len(made)}"
        logs.mkdir()
        made.append(Fleet(servers, logs, settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


def event(index: int, **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "schema": "prediction/v1",
            "request_id": f"r{index}",
            "ts": NOW.isoformat(),
            "model": {"name": "m"},
            "task": "vqa",
            "status": "ok",
            **changes,
        }
    )


def produce(servers: Servers, messages: list[bytes]) -> None:
    sink = Sink(ClientConfig(servers.broker.bootstrap_servers))
    for index, one in enumerate(messages):
        sink.send(servers.topics["predictions"], one, key=str(index))
    sink.flush()
    sink.close()


def stored(servers: Servers) -> int:
    return int(servers.rows("SELECT count(*) FROM predictions")[0])


def assert_each_once(servers: Servers, count: int) -> None:
    assert sorted(servers.rows("SELECT request_id FROM predictions")) == sorted(f"r{index}" for index in range(count))
    assert servers.rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [count]


def test_a_postgresql_that_hangs_and_goes_on_costs_nothing(servers: Servers, fleet: Callable[..., Fleet]) -> None:
    running = fleet()
    running.start("ingest")
    produce(servers, [event(index) for index in range(500)])
    wait_for(lambda: stored(servers) > 0, 30, "something is stored")
    servers.freeze_postgres()
    try:
        produce(servers, [event(index) for index in range(500, 1500)])
        time.sleep(4)
    finally:
        servers.thaw_postgres()
    wait_for(lambda: stored(servers) == 1500, 30, "all is stored")
    assert_each_once(servers, 1500)
    running.leave(running.running[0])
    assert running.crashes() == []


def test_a_collector_stops_in_time_while_postgresql_hangs_and_nothing_is_in_doubt(
    servers: Servers, fleet: Callable[..., Fleet]
) -> None:
    running = fleet()
    running.start("ingest")
    produce(servers, [event(index) for index in range(300)])
    wait_for(lambda: stored(servers) == 300, 30, "something is stored")
    servers.freeze_postgres()
    try:
        produce(servers, [event(index) for index in range(300, 600)])
        time.sleep(1)
        running.leave(running.running[0])
    finally:
        servers.thaw_postgres()
    running.start("ingest")
    wait_for(lambda: stored(servers) == 600, 30, "all is stored")
    assert_each_once(servers, 600)


def test_a_collector_stops_in_time_while_it_looks_for_a_broker_that_is_gone(
    servers: Servers, fleet: Callable[..., Fleet]
) -> None:
    """A new client looks for half a minute, in which nobody can interrupt it."""
    running = fleet()
    collector = running.start("impatient ingest")
    produce(servers, [event(index) for index in range(300)])
    wait_for(lambda: stored(servers) == 300, 30, "something is stored")
    servers.kill_broker()
    wait_for(lambda: "trying new clients" in collector.report(), 60, "it looks for the broker anew")
    running.leave(collector)
    assert "stopped while a client waited" in collector.report()
    assert collector.process.returncode == 0
    assert running.crashes() == []
    assert_each_once(servers, 300)


def test_a_topic_that_is_deleted_made_anew_and_grown_past_the_old_offset_loses_no_record(
    servers: Servers, fleet: Callable[..., Fleet]
) -> None:
    """The trap: the old offset lies inside of the new log, and reading on there would skip what comes before it."""
    running = fleet()
    running.start("ingest")
    produce(servers, [event(index) for index in range(200)])
    wait_for(lambda: stored(servers) == 200, 30, "the old log is stored")
    running.leave(running.running[0])
    config = ClientConfig(servers.broker.bootstrap_servers)
    admin = KafkaAdminClient(**config.options())
    admin.delete_topics([servers.topics["predictions"]])
    admin.close()
    ensure_topics(config, [servers.topics["predictions"]], 4)
    produce(servers, [event(index) for index in range(100, 900)])
    running.start("ingest")
    wait_for(lambda: stored(servers) == 900, 30, "the new log is stored")
    assert_each_once(servers, 900)
    gaps = servers.rows("SELECT reason, resumed_offset FROM stream_gaps WHERE consumer_group = 't-ingest'")
    assert gaps
    assert set(gaps) == {("topic was made anew", 0)}


def test_a_broker_whose_log_is_gone_and_has_grown_past_the_old_offset_loses_no_record(
    servers: Servers, fleet: Callable[..., Fleet]
) -> None:
    """The collector runs on throughout."""
    running = fleet()
    running.start("ingest")
    produce(servers, [event(index) for index in range(200)])
    wait_for(lambda: stored(servers) == 200, 30, "the old log is stored")
    servers.kill_broker()
    servers.start_broker()
    produce(servers, [event(index) for index in range(100, 900)])
    wait_for(lambda: stored(servers) == 900, 60, "the new log is stored")
    assert_each_once(servers, 900)
    running.leave(running.running[0])
    assert running.crashes() == []


def test_a_database_restored_from_yesterday_reads_again_what_it_lacks_and_counts_it_once(
    servers: Servers, fleet: Callable[..., Fleet]
) -> None:
    """The offsets are part of the backup, so they go back with the rows."""
    running = fleet()
    running.start("ingest")
    produce(servers, [event(index) for index in range(300)])
    wait_for(lambda: stored(servers) == 300, 30, "the first part is stored")
    running.leave(running.running[0])
    as_admin(servers, "CREATE DATABASE backup OWNER snellen TEMPLATE snellen")
    running.start("ingest")
    produce(servers, [event(index) for index in range(300, 700)] + [b"garbage"])
    wait_for(lambda: stored(servers) == 700, 30, "the second part is stored")
    running.leave(running.running[0])
    as_admin(servers, "DROP DATABASE snellen WITH (FORCE)")
    as_admin(servers, "ALTER DATABASE backup RENAME TO snellen")
    assert stored(servers) == 300
    running.start("ingest")
    wait_for(lambda: stored(servers) == 700, 30, "the second part is stored again")
    wait_for(lambda: servers.rows("SELECT count(*) FROM dead_letters") == [1], 10, "its garbage is, too")
    assert_each_once(servers, 700)
    assert servers.rows("SELECT count(*) FROM stream_gaps") == [0]


def here(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of commands in this process."""
    monkeypatch.setenv("SNELLEN_DATABASE_URL", servers.postgres.url)
    monkeypatch.setenv("SNELLEN_KAFKA__BOOTSTRAP_SERVERS", servers.broker.bootstrap_servers)
    for kind, name in servers.topics.items():
        monkeypatch.setenv(f"SNELLEN_KAFKA__{kind.upper()}_TOPIC", name)


def test_a_dead_letter_that_is_sent_again_after_the_settings_were_mended_is_accepted_once(
    servers: Servers, fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    here(servers, monkeypatch)
    strict = fleet(SNELLEN_INGEST__MAX_RECORD_BYTES="1000")
    strict.start("ingest")
    produce(servers, [event(0), event(1, input={"prompt": "x" * 2000}), b"garbage"])
    letters = "SELECT reason, resolved_at IS NOT NULL FROM dead_letters ORDER BY id"
    wait_for(lambda: len(servers.rows(letters)) == 2, 30, "two are refused")
    strict.leave(strict.running[0])
    fleet().start("ingest")
    replay = ["dlq", "replay", "--since", "2001-01-01T00:00:00Z"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("SNELLEN_KAFKA__PREDICTIONS_TOPIC", "nowhere")
        assert "there is no topic 'nowhere'" in str(CliRunner().invoke(app, replay).exception)
    for again in ((), (), ("--again",)):
        done = CliRunner().invoke(app, [*replay, *again])
        assert done.exit_code == 0, done.output
    wait_for(lambda: stored(servers) == 2, 30, "the large one is stored")
    wait_for(lambda: ("oversized", True) in servers.rows(letters), 10, "it is resolved")
    wait_for(lambda: len(servers.rows(letters)) >= 3, 10, "the garbage is refused again")
    assert_each_once(servers, 2)
    assert servers.rows("SELECT replay_of FROM dead_letters WHERE reason = 'oversized'") == [None]
    first, *others = servers.rows("SELECT replay_of FROM dead_letters WHERE reason = 'unreadable' ORDER BY id")
    assert first is None
    assert set(others) == set(servers.rows("SELECT min(id) FROM dead_letters WHERE reason = 'unreadable'"))


def side(number: int, kind: str) -> bytes:
    """As KServe's agent logs it, in structured mode, of a model of its own."""
    data = {"instances": ["mail jane@example.com"]} if kind == "request" else {"predictions": ["a mug"]}
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"r{number}",
            "source": "http://agent/",
            "type": f"org.kubeflow.serving.inference.{kind}",
            "time": NOW.isoformat(),
            "inferenceservicename": f"m{number}",
            "data": data,
        }
    )


def test_a_call_whose_request_waited_is_sent_again_over_the_broker_and_stored_once(
    servers: Servers, fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model too many, and met by another process; then the cap is raised, and what is kept is sent twice."""
    here(servers, monkeypatch)
    letters = "SELECT reason, resolved_at IS NOT NULL FROM dead_letters ORDER BY id"
    strict = fleet(SNELLEN_INGEST__MAX_MODELS="1")
    strict.start("ingest")
    produce(servers, [side(0, "request"), side(0, "response")])
    wait_for(lambda: stored(servers) == 1, 30, "the first model is known")
    produce(servers, [side(1, "request")])
    wait_for(lambda: servers.rows("SELECT count(*) FROM waiting_halves") == [1], 30, "the request waits")
    strict.leave(strict.running[0])
    strict.start("ingest")
    produce(servers, [side(1, "response")])
    wait_for(lambda: servers.rows(letters) == [("too_many_models", False)] * 2, 30, "the call is refused")
    strict.leave(strict.running[0])
    for again in ((), ("--again",)):
        done = CliRunner().invoke(app, ["dlq", "replay", "--reason", "too_many_models", *again])
        assert (done.exit_code, done.output) == (0, "sent 2\n")
    running = fleet()
    running.start("ingest")
    wait_for(lambda: stored(servers) == 2, 30, "it is stored")
    wait_for(lambda: servers.rows(letters) == [("too_many_models", True)] * 2, 10, "both are resolved")
    assert servers.rows("SELECT DISTINCT prompt, answer FROM predictions") == [("mail [email removed]", "a mug")]
    duplicates = "SELECT sum(records)::int FROM ingest_counters WHERE outcome = 'duplicate'"
    wait_for(lambda: servers.rows(duplicates) == [2], 10, "the second copies are known")
    assert servers.rows("SELECT sum(joined)::int, sum(lost)::int FROM pair_counts") == [(2, 0)]
    assert servers.rows("SELECT count(*) FROM waiting_halves") == [0]
    assert_each_once(servers, 2)
    assert running.crashes() == []


class NoText(str):
    """A header's name as another client may write it: Kafka does not check that it is UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


def test_a_header_whose_name_is_no_text_stops_nothing(servers: Servers, fleet: Callable[..., Fleet]) -> None:
    sink = Sink(ClientConfig(servers.broker.bootstrap_servers))
    topic = servers.topics["predictions"]
    sink.send(topic, event(0), key="k")
    sink._queue(topic, event(1), key=b"k", headers=[(NoText("x"), b"\xff")])
    sink.send(topic, event(2), key="k")
    sink.flush()
    sink.close()
    fleet().start("ingest")
    wait_for(lambda: stored(servers) == 3, 20, "all is stored")
    assert_each_once(servers, 3)


def as_admin(servers: Servers, statement: str) -> None:
    with psycopg.connect(to_libpq(servers.postgres.admin_url), autocommit=True) as admin:
        admin.execute(statement.encode())


def test_a_worker_that_is_told_to_stop_while_its_model_loads_ends_in_time(
    servers: Servers, fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """A pipe that nobody writes to, as a download that never ends."""
    model = tmp_path / "model"
    model.mkdir()
    shutil.copy(ROOT / "demo" / "clip" / "model" / "open_clip_config.json", model)
    weights = model / "open_clip_pytorch_model.bin"
    os.mkfifo(weights)
    running = fleet(SNELLEN_EMBEDDER__MODEL=f"local-dir:{model}")
    worker = running.start("embed")
    wait_for(lambda: _is_read(weights), 60, "it loads its model")
    running.leave(worker)  # within 10 s, most of which are torch's own end
    assert worker.process.returncode == 0
    assert running.crashes() == []


def _is_read(pipe: Path) -> bool:
    try:
        writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    _WRITERS.append(writer)  # kept open: the reader would else find its end
    return True


_WRITERS: list[int] = []
