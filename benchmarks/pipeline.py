"""Servers, collectors and a stop watch for the benchmarks of ingest: real processes on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Connection, text

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.domain.events import Taken
from monitor.domain.records import Partition, Record
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.embedded.process import ManagedProcess
from monitor.store.engine import migrate

TOPIC, PARTITIONS, BATCH = "bench.predictions", 4, 4000
TIMEOUT_S = 300.0
Headers = tuple[tuple[str, bytes], ...]
_COUNTED = text(f"SELECT coalesce(sum(records), 0) FROM ingest_counters WHERE outcome = '{Taken.ACCEPTED}'")


@dataclass(frozen=True, slots=True)
class Servers:
    postgres: Postgres
    broker: Broker

    @property
    def database(self) -> str:
        return self.postgres.url

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap_servers


@contextmanager
def servers(home: Path) -> Iterator[Servers]:
    """PostgreSQL with the settings of `snellen up`, durable and migrated; and the embedded broker."""
    started = Servers(Postgres(home), Broker(home, preferred_port=30_000 + os.getpid() % 10_000))
    try:
        started.postgres.start()
        started.broker.start()
        migrate(started.database)
        yield started
    finally:
        started.broker.stop()
        started.postgres.stop()


def fill(
    bootstrap: str,
    topic: str,
    records: Iterable[tuple[bytes, Headers]],
    partitions: int = PARTITIONS,
    key_header: str | None = None,
) -> float:
    """Send the records, by what this header says to one partition, or to any; returns their mean size in bytes."""
    config = ClientConfig(bootstrap)
    ensure_topics(config, [topic], partitions)
    sink, place = Sink(config), Partition("", topic, "", 0)
    count = size = 0
    for value, headers in records:
        key = dict(headers)[key_header] if key_header else None
        sink.repeat(Record(place, 0, -1, value, headers, key))
        count, size = count + 1, size + len(value) + sum(len(name) + len(content) for name, content in headers)
    sink.flush()
    sink.close()
    return size / count


def collector(at: Servers, topic: str = TOPIC, group: str = "bench", **settings: str) -> psutil.Popen:
    """A collector process; `settings` as environment variables without SNELLEN_."""
    own = {
        "SNELLEN_CONFIG": os.devnull,
        "SNELLEN_DATABASE_URL": at.database,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": at.bootstrap,
        "SNELLEN_KAFKA__PREDICTIONS_TOPIC": topic,
        "SNELLEN_KAFKA__GROUP": group,
        "SNELLEN_INGEST__BATCH_RECORDS": str(BATCH),
        **{f"SNELLEN_{name}": value for name, value in settings.items()},
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("SNELLEN_")}
    ensure_topics(ClientConfig(at.bootstrap), ["snellen.labels", "snellen.deployments"], 1)
    return psutil.Popen(
        [sys.executable, "-m", "collectors", "ingest"], env={**others, **own}, stderr=subprocess.DEVNULL
    )


def accepted(connection: Connection) -> int:
    """Predictions that were committed; `connection` must not hold a transaction open."""
    return int(connection.execute(_COUNTED).scalar_one())


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured from the first commit seen to the last."""

    per_s: float
    peak_mb: float
    """Resident, of the largest process."""


def watch(connection: Connection, predictions: int, processes: Sequence[psutil.Process]) -> Pace:
    """Wait until so many predictions are accepted.

    Raises:
        TimeoutError: they are not after five minutes, or a process has ended.
    """
    first: tuple[float, int] | None = None
    peak, deadline = 0, time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline and all(map(_runs, processes)):
        peak = max(peak, *(one.memory_info().rss for one in processes))
        done, now = accepted(connection), time.monotonic()
        if done >= predictions:
            assert first is not None, "too few records to time"
            return Pace((done - first[1]) / (now - first[0]), peak / 1e6)
        if done and first is None:
            first = (now, done)
        time.sleep(0.05)
    states = ", ".join(one.status() for one in processes)
    raise TimeoutError(f"{accepted(connection)} of {predictions} predictions; processes: {states}")


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def end(processes: Sequence[psutil.Popen]) -> None:
    """Stop them, all at the same time."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)


def family(component: ManagedProcess) -> list[psutil.Process]:
    """A server's processes."""
    assert component.id is not None, f"{component.name} does not run"
    parent = psutil.Process(component.id.pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(at: Servers, collectors: Sequence[psutil.Popen]) -> dict[str, float]:
    """Processor time so far, of each collector, of PostgreSQL with all its processes, and of the broker."""
    used = {f"collector {index + 1}": sum(one.cpu_times()[:2]) for index, one in enumerate(collectors)}
    for name, component in (("postgresql", at.postgres.process), ("broker", at.broker.process)):
        used[name] = 0.0
        for one in family(component):
            with suppress(psutil.NoSuchProcess):  # it has just ended, and counts as its parent's then
                used[name] += sum(one.cpu_times()[:4])
    return used
