"""Collectors under steady traffic for minutes, and through an outage of PostgreSQL: memory, lag, and nothing lost.

    python -m benchmarks.ingest_soak [--minutes M] [--rate R] [--outage S] [--collectors K]

A producer writes R records of 1.9 kB per second (`0`: as many as are taken, at most 100,000 ahead of the collector).
The embedded broker keeps everything in memory, so two topics take turns: while one is written, the other, once all of
it is stored, is deleted and made anew. Past a third of the time PostgreSQL is stopped for S seconds. At the end every
record must be stored once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaAdminClient
from sqlalchemy import Engine, text

from benchmarks.ingest import values
from benchmarks.pipeline import PARTITIONS, Servers, collector, end, servers
from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.errors import StoreUnavailable
from monitor.store.engine import make_engine, transaction

TOPICS = ("bench.a", "bench.b")
TURN_S = 30.0
"""How long a topic is written before the other one is."""
AHEAD = 100_000
DRAIN_S = 300.0
_STORED = text("SELECT topic, sum(records)::int FROM ingest_counters WHERE outcome = 'accepted' GROUP BY topic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds")
    parser.add_argument("--collectors", type=int, default=1, help="of one group, which share out the partitions")
    options = parser.parse_args()
    print(json.dumps(run(60 * options.minutes, options.rate, options.outage, options.collectors), indent=2))


@dataclass(slots=True)
class Count:
    """What was sent and stored so far, by topic."""

    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    stored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))

    @property
    def lag(self) -> int:
        return sum(self.sent.values()) - sum(self.stored.values())


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    lag: int
    resident_mb: float
    """Of the largest collector."""
    is_up: bool
    """Whether PostgreSQL answers."""


def run(seconds: float, rate: int, outage_s: float, collectors: int) -> dict[str, Any]:
    """Produce, look every second, and say what was seen."""
    with tempfile.TemporaryDirectory(prefix="snellen-soak-") as home, servers(Path(home)) as at:
        ensure_topics(ClientConfig(at.bootstrap), TOPICS, PARTITIONS)
        processes = [collector(at, TOPICS[0], INGEST__TOPICS=json.dumps({TOPICS[1]: {}})) for _ in range(collectors)]
        engine, count, stop = make_engine(at.database), Count(), threading.Event()
        producer = threading.Thread(target=produce, args=(at, rate, count, stop))
        try:
            samples = watch(seconds, outage_s, at, engine, count, processes, producer, stop)
            return {"collectors": collectors, **report(samples, count, seconds, outage_s)}
        finally:
            stop.set()
            producer.join()
            end(processes)
            engine.dispose()


def produce(at: Servers, rate: int, count: Count, stop: threading.Event) -> None:
    """Send until told to stop, to one topic after the other."""
    sink, records = Sink(ClientConfig(at.bootstrap)), endless()
    began, turn = time.monotonic(), 0
    while not stop.is_set():
        total, now = sum(count.sent.values()), time.monotonic()
        if (rate and total > rate * (now - began)) or (not rate and count.lag > AHEAD):
            time.sleep(0.005)
            continue
        if int((now - began) / TURN_S) > turn and is_drained(count, TOPICS[(turn + 1) % 2]):
            sink.flush()
            turn += 1
            remake(at, TOPICS[turn % 2])
        topic = TOPICS[turn % 2]
        for _ in range(100):
            sink.send(topic, next(records))
        count.sent[topic] += 100
    sink.flush()
    sink.close()


def is_drained(count: Count, topic: str) -> bool:
    return count.stored[topic] == count.sent[topic]


def remake(at: Servers, topic: str) -> None:
    """Delete a topic that is stored, to free the broker's memory, and make it anew."""
    admin = KafkaAdminClient(bootstrap_servers=at.bootstrap)
    admin.delete_topics([topic])
    admin.close()
    ensure_topics(ClientConfig(at.bootstrap), [topic], PARTITIONS)


def endless() -> Iterator[bytes]:
    """Records with ids and times of their own; the rest repeats."""
    pool = [re.split(rb'"request_id": "[^"]+", "ts": "[^"]+"', one) for one in values(2000)]
    number = 0
    while True:
        stamp = datetime.now(UTC).isoformat().encode()
        for before, after in pool:
            number += 1
            yield b'%s"request_id": "%012d", "ts": "%s"%s' % (before, number, stamp, after)


def watch(
    seconds: float, outage_s: float, at: Servers, engine: Engine, count: Count, processes: list[psutil.Popen],
    producer: threading.Thread, stop: threading.Event,
) -> list[Sample]:  # fmt: skip
    """A sample per second until the time is over and everything is stored."""
    samples: list[Sample] = []
    began = time.monotonic()
    producer.start()
    down_at: float | None = None
    was_down = False
    while True:
        now = time.monotonic() - began
        if down_at is None and not was_down and now > seconds / 3 and outage_s:
            at.postgres.stop()
            down_at, was_down = now, True
        elif down_at is not None and now > down_at + outage_s:
            at.postgres.start()
            down_at = None
        if down_at is None:
            look(engine, count)
        resident = max(one.memory_info().rss for one in processes) / 1e6
        samples.append(Sample(now, count.lag, resident, down_at is None))
        if now > seconds:
            stop.set()
            if not producer.is_alive() and count.lag == 0:
                return samples
        assert now < seconds + outage_s + DRAIN_S, f"{count.lag} records are not stored"
        time.sleep(1)


def look(engine: Engine, count: Count) -> None:
    with suppress(StoreUnavailable), transaction(engine) as connection:  # it may just have been started
        count.stored |= {topic: int(records) for topic, records in connection.execute(_STORED)}


def report(samples: list[Sample], count: Count, seconds: float, outage_s: float) -> dict[str, Any]:
    """What the samples come to. Memory is compared between the second and the last fifth of the time; the collector has
    caught up once less than what comes in two seconds is missing."""
    working = [one for one in samples if one.at <= seconds]
    fifth = len(working) // 5
    per_s = sum(count.sent.values()) / seconds
    back = next((index for index, one in enumerate(samples) if index and one.is_up and not samples[index - 1].is_up), 0)
    settled = next((one.at - samples[back].at for one in samples[back:] if one.lag < 2 * per_s), None)
    return {
        "cores": os.cpu_count(),
        "minutes": round(seconds / 60, 1),
        "records": sum(count.sent.values()),
        "records_per_s": round(per_s),
        "stored_once": count.lag == 0,
        "collector_peak_mb": round(max(one.resident_mb for one in samples)),
        "collector_mb_early": round(statistics.median(one.resident_mb for one in working[fifth : 2 * fifth])),
        "collector_mb_late": round(statistics.median(one.resident_mb for one in working[-fifth:])),
        "outage_s": outage_s,
        "largest_lag": max(one.lag for one in samples),
        "caught_up_after_s": None if settled is None else round(settled),
    }


if __name__ == "__main__":
    main()
