"""Replays through a real broker, collector and PostgreSQL, with any of them killed: the counts end exact.

The ledger is written beside the file, from what the test put into it; nothing of the service computes it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import text

from monitor.broker import ClientConfig, ensure_topics
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.errors import SettingsError, SnellenError
from monitor.mapping import load_mapping
from monitor.services.replay import Progress, Report, replay
from monitor.services.score_labels import score_labels
from monitor.services.ship import Limits, Wire
from monitor.store.engine import make_engine, migrate
from tests.pace import exit_code, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MAPPING = """
prediction:
  request_id: {concat: [PREFIX, $.id]}
  ts: {synthesize: {spacing: 1ms}}
  model: {name: replayed}
  task: multiple_choice
  status: ok
  input: {prompt: {path: $.question, default: null}}
  output: {answer: $.pred}
  slices: {device: {transform: string, of: $.device}}
label:
  ts: {after_prediction: 1s}
  annotator: {id: key, kind: code}
  answers: [$.answer]
"""

PATIENT = Limits(catch_up_s=120)
"""A replay that is resumed sends again what collectors do not take in time, and one may take long to start."""

KEY = "A"
"""The right answer of every row."""

REPLAY = """
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from monitor.broker import ClientConfig, ensure_topics
from monitor.mapping import load_mapping
from monitor.services.replay import replay
from monitor.services.ship import Limits, Wire
from monitor.store.engine import make_engine

url, servers, topic, file, mapping, speed = sys.argv[1:]
wire = Wire.to(ClientConfig(servers), f"{topic}.predictions", f"{topic}.labels", 3, f"{topic}-ingest")
report = replay(make_engine(url), wire, Path(file), load_mapping(Path(mapping)), clock=lambda: datetime.now(UTC),
                speed=float(speed), limits=Limits(catch_up_s=120))
print(json.dumps(asdict(report)))
"""


@dataclass
class Ledger:
    """What must be in PostgreSQL in the end."""

    answers: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    """The request_id of every label."""
    refused: Counter[str] = field(default_factory=Counter)
    unmapped: set[int] = field(default_factory=set)

    @property
    def events(self) -> int:
        return len(self.answers) + len(self.labels) + self.refused.total()


def write_log(path: Path, rows: int) -> Ledger:
    """Rows with answers, some without an outcome, some that no mapping, reader or collector can take."""
    ledger = Ledger()
    with path.open("wb") as stream:
        for number in range(1, rows + 1):
            stream.write(_line(number, ledger) + b"\n")
    return ledger


def _line(number: int, ledger: Ledger) -> bytes:
    row: dict[str, Any] = {"id": f"row-{number}", "pred": "ABCD"[number % 4], "answer": KEY, "device": number % 5}
    if number % 500 == 3:
        ledger.unmapped.add(number)
        return b'{"id": "row-'
    if number % 500 == 4:
        ledger.unmapped.add(number)
        return json.dumps(row | {"pred": 7}).encode()
    if number % 500 == 6:  # an id that was used before, with another answer; its label is a word of its own
        ledger.refused["contradictory"] += 1
        ledger.labels.append(f"row-{number - 1}")
        return json.dumps(row | {"id": f"row-{number - 1}", "pred": "Z"}).encode()
    if number % 1000 == 8:
        ledger.refused["oversized"] += 1
        ledger.labels.append(f"row-{number}")
        return json.dumps(row | {"question": "x" * 1_200_000}).encode()
    if number % 3 == 0:
        row["answer"] = None
    else:
        ledger.labels.append(f"row-{number}")
    ledger.answers[f"row-{number}"] = row["pred"]
    return json.dumps(row).encode()


class Site:
    """One database, broker and set of topics, with a collector process that can be killed and started again."""

    def __init__(self, url: str, servers: str, topic: str, folder: Path) -> None:
        self.url, self.servers, self.topic, self.folder = url, servers, topic, folder
        self.engine = make_engine(url)
        self.file, self.mapping = folder / "log.jsonl", folder / "map.yaml"
        self.mapping.write_text(MAPPING.replace("PREFIX", '""'))
        self.wire = Wire.to(ClientConfig(servers), f"{topic}.predictions", f"{topic}.labels", 3, f"{topic}-ingest")
        self._collector: subprocess.Popen[bytes] | None = None

    def start_collector(self) -> None:
        topics = [self.wire.predictions_topic, self.wire.labels_topic, f"{self.topic}.deployments"]
        ensure_topics(ClientConfig(self.servers), topics, 3)
        settings = {
            "SNELLEN_CONFIG": os.devnull,
            "SNELLEN_HOME": str(self.folder),
            "SNELLEN_DATABASE_URL": self.url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "SNELLEN_KAFKA__GROUP": self.topic,
            "SNELLEN_KAFKA__PREDICTIONS_TOPIC": self.wire.predictions_topic,
            "SNELLEN_KAFKA__LABELS_TOPIC": self.wire.labels_topic,
            "SNELLEN_KAFKA__DEPLOYMENTS_TOPIC": f"{self.topic}.deployments",
            "SNELLEN_INGEST__BATCH_RECORDS": "500",
        }
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        with (self.folder / "collector.log").open("ab") as log:
            self._collector = subprocess.Popen(
                [sys.executable, "-m", "collectors", "ingest"], env=inherited | settings, stdout=log, stderr=log
            )

    def kill_collector(self) -> None:
        collector, self._collector = self._collector, None
        if collector is not None:
            collector.kill()
            collector.wait()

    def written(self) -> int:
        """Records of predictions in the log."""
        topic = self.wire.predictions_topic
        with closing(Consumer({"bootstrap.servers": self.servers, "group.id": "looks"})) as consumer:
            return sum(consumer.get_watermark_offsets(TopicPartition(topic, one), 10)[1] for one in range(3))

    def read(self) -> int:
        """Of those, how many were stored or refused."""
        query = (
            f"SELECT coalesce(sum(next_offset), 0) FROM stream_offsets WHERE topic = '{self.wire.predictions_topic}'"
        )
        return int(self.rows(query)[0][0])

    def start_replay(self, speed: float) -> subprocess.Popen[bytes]:
        arguments = (self.url, self.servers, self.topic, str(self.file), str(self.mapping), str(speed))
        return subprocess.Popen([sys.executable, "-c", REPLAY, *arguments], stdout=subprocess.PIPE)

    def replay(self, **options: Any) -> Report:
        usual: dict[str, Any] = {"clock": lambda: datetime.now(UTC), "limits": PATIENT}
        return replay(self.engine, self.wire, self.file, load_mapping(self.mapping), **usual | options)

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def outcomes(self) -> Counter[str]:
        rows = self.rows("SELECT outcome, sum(records) FROM ingest_counters GROUP BY outcome")
        return Counter({outcome: int(records) for outcome, records in rows})

    def close(self) -> None:
        self.kill_collector()
        self.engine.dispose()
        log = self.folder / "collector.log"
        print(log.read_text()[-3000:] if log.exists() else "no collector ran")  # noqa: T201 (shown when a test fails)


@contextmanager
def site_at(url: str, servers: str, topic: str, folder: Path) -> Iterator[Site]:
    site = Site(url, servers, topic, folder)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def site(database_url: str, broker: str, topic: str, tmp_path: Path) -> Iterator[Site]:
    with site_at(database_url, broker, topic, tmp_path) as one:
        yield one


def assert_matches(site: Site, ledger: Ledger) -> None:
    """Every table that counts, against the ledger."""
    assert dict(site.rows("SELECT request_id, answer FROM predictions")) == ledger.answers
    assert site.count("arrivals") == len(ledger.answers)
    assert site.rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [(len(ledger.answers),)]
    by_device = Counter(int(request_id.removeprefix("row-")) % 5 for request_id in ledger.answers)
    found = site.rows("SELECT value, sum(ok) FROM rollups_minute WHERE dimension = 'device' GROUP BY value")
    assert {int(value): count for value, count in found} == by_device
    assert dict(site.rows("SELECT request_id, count(*) FROM labels GROUP BY request_id")) == Counter(ledger.labels)
    assert dict(site.rows("SELECT reason, count(*) FROM dead_letters GROUP BY reason")) == ledger.refused
    assert site.rows("SELECT count(DISTINCT replay) FROM predictions") == [(1,)]


def assert_reported(report: Report, ledger: Ledger, rows: int) -> None:
    assert report.rows == rows
    assert report.unmapped == len(ledger.unmapped)
    assert {number for number, _ in report.faults} == ledger.unmapped
    assert report.refused == ledger.refused
    assert not report.complete


def test_a_replay_stores_every_row_once_and_names_those_it_could_not(site: Site) -> None:
    ledger = write_log(site.file, 3000)
    site.start_collector()
    steps: list[Progress] = []
    faults: list[int] = []
    report = site.replay(on_progress=steps.append, on_fault=lambda number, _: faults.append(number))
    assert_matches(site, ledger)
    assert_reported(report, ledger, 3000)
    assert set(faults) == ledger.unmapped
    assert (report.tally.sent, report.tally.resent, report.tally.found) == (ledger.events, 0, 0)
    assert steps[-1].tally.rows_done == steps[-1].rows == 3000
    assert any("could not be mapped" in line for line in report.lines())
    score_labels(site.engine)
    labelled = set(ledger.labels) & ledger.answers.keys()
    right = sum(ledger.answers[request_id] == KEY for request_id in labelled)
    assert site.rows("SELECT count(*), sum(correct::int) FROM verdicts") == [(len(labelled), right)]


def test_a_second_run_finds_everything_and_sends_nothing(site: Site) -> None:
    ledger = write_log(site.file, 1000)
    site.start_collector()
    first = site.replay()
    again = site.replay()
    assert (again.tally.found, again.tally.sent) == (ledger.events, 0)
    assert again.replay_id == first.replay_id
    assert_matches(site, ledger)
    assert site.outcomes()["duplicate"] == 0


def test_a_collector_killed_in_mid_run_loses_and_doubles_nothing(site: Site) -> None:
    ledger = write_log(site.file, 4000)
    site.start_collector()
    killed = threading.Thread(target=_kill_twice, args=(site,))
    killed.start()
    report = site.replay(speed=0.4)
    killed.join()
    assert_matches(site, ledger)
    assert_reported(report, ledger, 4000)
    assert report.tally.resent == 0
    assert site.outcomes()["duplicate"] == 0


def _kill_twice(site: Site) -> None:
    for wanted in (300, 1500):
        wait_for(lambda: site.count("predictions") > wanted, 60, "it gets that far")  # noqa: B023 (called at once)
        site.kill_collector()
        site.start_collector()


def test_a_replay_killed_in_mid_run_goes_on_where_postgresql_stands(site: Site) -> None:
    ledger = write_log(site.file, 4000)
    site.start_collector()
    for wanted in (300, 1500):
        with site.start_replay(speed=0.4) as running:
            try:
                wait_for(lambda: site.count("predictions") > wanted, 60)  # noqa: B023 (called at once)
            finally:
                running.kill()
    assert site.count("predictions") < len(ledger.answers)
    report = site.replay()
    assert_matches(site, ledger)
    assert_reported(report, ledger, 4000)
    assert 0 < report.tally.found < ledger.events
    assert report.tally.found + report.tally.sent == ledger.events
    assert site.outcomes()["duplicate"] == 0


def test_what_a_killed_broker_had_acknowledged_is_sent_again(database_url: str, topic: str, tmp_path: Path) -> None:
    own = Broker(tmp_path, preferred_port=30000 + os.getpid() % 5000)
    own.start()
    try:
        with site_at(database_url, own.bootstrap_servers, topic, tmp_path) as site:
            ledger = write_log(site.file, 4000)
            site.start_collector()
            # In a process of its own: the client leaves sockets open when it meets a dead broker.
            with site.start_replay(speed=0.4) as running:
                try:
                    _lose_what_is_acknowledged(site, own)
                    output = report_of(running, 180)
                finally:
                    running.kill()
            report = Report(**json.loads(output))
            assert_matches(site, ledger)
            assert {number for number, _ in report.faults} == ledger.unmapped
            assert report.refused == ledger.refused
            assert json.loads(output)["tally"]["resent"] > 0
    finally:
        own.stop()


def _lose_what_is_acknowledged(site: Site, broker: Broker) -> None:
    """Kill the broker while the collector is away: its records are acknowledged, unread and gone."""
    wait_for(lambda: site.count("predictions") > 300, 60, "something is stored")
    site.kill_collector()
    wait_for(lambda: site.written() > site.read() + 100, 60, "something is written that nobody read")
    kill_and_restart(broker)
    site.start_collector()


def test_postgresql_killed_in_mid_run_loses_and_doubles_nothing(broker: str, topic: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="snellen-tests-") as home:
        server = Postgres(Path(home))
        server.start()
        try:
            migrate(server.url)
            with site_at(server.url, broker, topic, tmp_path) as site:
                ledger = write_log(site.file, 2000)
                site.start_collector()
                with site.start_replay(speed=0.4) as running:
                    try:
                        wait_for(lambda: site.count("predictions") > 300, 60, "something is stored")
                        site.engine.dispose()
                        kill_and_restart(server)
                        output = report_of(running, 120)
                    finally:
                        running.kill()
                assert json.loads(output)["refused"] == ledger.refused
                assert_matches(site, ledger)
        finally:
            server.stop()


def report_of(replaying: subprocess.Popen[bytes], seconds: float) -> bytes:
    assert exit_code(replaying, seconds) == 0
    return replaying.communicate()[0]


def kill_and_restart(server: Broker | Postgres) -> None:
    assert server.process.id is not None
    os.kill(server.process.id.pid, signal.SIGKILL)
    wait_for(lambda: server.process.exit_code() == -signal.SIGKILL, 5, f"{server.process.name} is dead")
    time.sleep(1)
    server.start()


def test_without_a_collector_it_stops_with_advice_and_resumes_later(site: Site) -> None:
    ledger = write_log(site.file, 600)
    with pytest.raises(SnellenError, match=r"nothing was stored for 2 s, .* is a collector|a collector"):
        site.replay(limits=Limits(patience_s=2))
    site.start_collector()
    report = site.replay()
    assert_matches(site, ledger)
    assert report.tally.found == ledger.events
    assert site.outcomes()["duplicate"] == 0


def test_another_mapping_of_a_stored_file_is_refused_before_it_fills_the_dead_letters(site: Site) -> None:
    ledger = write_log(site.file, 200)
    site.start_collector()
    site.replay()
    site.mapping.write_text(site.mapping.read_text().replace("name: replayed", "name: renamed"))
    with pytest.raises(SettingsError, match="another mapping"):
        site.replay()
    assert_matches(site, ledger)
    site.mapping.write_text(MAPPING.replace("PREFIX", '"v2/"'))
    site.replay()
    assert site.count("predictions") == 2 * len(ledger.answers)


def test_no_more_is_in_flight_than_allowed(site: Site) -> None:
    write_log(site.file, 900)
    site.start_collector()
    seen: list[int] = []
    limits = replace(PATIENT, chunk_rows=50, in_flight_events=200)
    site.replay(limits=limits, on_progress=lambda step: seen.append(step.tally.in_flight))
    assert len(seen) > 10
    assert max(seen) <= 200
