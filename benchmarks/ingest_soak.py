"""Collectors under steady traffic for minutes, and through an outage of PostgreSQL: memory, lag, and nothing lost.

    python -m benchmarks.ingest_soak [--minutes M] [--rate R] [--outage S] [--collectors K]

A producer (`benchmarks.steady`) sends R records of 1.9 kB per second, at the time at which they happen, each with an id
of its own and a vector. The embedded broker keeps everything in memory, so two topics take turns: while one is written,
the other, once all of it is stored, is deleted and made anew. Past a third of the time PostgreSQL is stopped for S
seconds, while records keep coming. At the end every record must be stored once, with its vector: counted by the
collectors and in the tables.

`cores_busy` is processor time over wall time of each process, before the outage, from its end until the collectors have
caught up, and in the last fifth of the time; `machine` is of all processes that there are, and `stolen` what the host
of a virtual machine kept for others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaAdminClient
from sqlalchemy import text

from benchmarks.pipeline import PARTITIONS, Servers, collector, cpu_seconds, end, family, servers
from benchmarks.steady import Producer
from monitor.broker import ClientConfig, ensure_topics
from monitor.domain.events import Taken
from monitor.errors import StoreUnavailable
from monitor.store.engine import make_engine, transaction

TOPICS = ("bench.a", "bench.b")
TURN_S = 60.0
"""How long a topic is written before the other one is. Collectors join their group anew then, which takes seconds."""
WARM_UP_S, DRAIN_S = 10.0, 300.0
_STORED = text(
    f"SELECT topic, sum(records)::int FROM ingest_counters WHERE outcome = '{Taken.ACCEPTED}' GROUP BY topic"
)
_ROWS = text("SELECT count(*), count(DISTINCT request_id), (SELECT count(*) FROM embeddings) FROM predictions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=15_000)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds")
    parser.add_argument("--collectors", type=int, default=1, help="of one group, which share out the partitions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snellen-soak-") as home, servers(Path(home)) as at:
        soak = Soak(at, options.rate, options.collectors)
        try:
            soak.run(60 * options.minutes, options.outage)
            records, stored = soak.sent(), set(soak.rows())
        finally:
            soak.close()
    whole = {"cores": os.cpu_count(), **vars(options), "records": records, "stored_once": stored == {records}}
    print(json.dumps(whole | report(soak.samples), indent=2))
    sys.exit(0 if whole["stored_once"] else 1)


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    sent: int
    stored: int
    collector_mb: float
    """Resident, of the largest."""
    broker_mb: float
    cpu_s: dict[str, float]
    """Processor time so far; of nobody while PostgreSQL is stopped."""

    @property
    def lag(self) -> int:
        return self.sent - self.stored

    @property
    def is_up(self) -> bool:
        """Whether PostgreSQL answers."""
        return bool(self.cpu_s)


class Soak:
    """Servers, producer and collectors, and what is seen of them every second."""

    def __init__(self, at: Servers, rate: int, collectors: int) -> None:
        ensure_topics(ClientConfig(at.bootstrap), TOPICS, PARTITIONS)
        other = json.dumps({TOPICS[1]: {}})
        self.samples: list[Sample] = []
        self._at, self._engine = at, make_engine(at.database)
        self._collectors = [collector(at, TOPICS[0], INGEST__TOPICS=other) for _ in range(collectors)]
        self._stored = dict.fromkeys(TOPICS, 0)
        self._turn, self._turned_at = 0, 0.0
        self._producer = Producer(at.bootstrap, TOPICS, rate)
        self._began = time.monotonic()

    def run(self, seconds: float, outage_s: float) -> None:
        """Until the time is over and everything is stored."""
        self._watch(seconds / 3)
        if outage_s:
            self._at.postgres.stop()
            self._watch(self._now() + outage_s, is_up=False)
            self._at.postgres.start()
        self._watch(seconds)
        self._producer.stop()
        while self._stored != self._producer.sent() and self._now() < seconds + DRAIN_S:
            time.sleep(1)
            self._look()

    def sent(self) -> int:
        return sum(self._producer.sent().values())

    def rows(self) -> tuple[int, int, int]:
        """Stored predictions, their different ids, and vectors."""
        with transaction(self._engine) as connection:
            predictions, ids, vectors = connection.execute(_ROWS).one()
            return predictions, ids, vectors

    def close(self) -> None:
        self._producer.stop()
        end(self._collectors)
        self._engine.dispose()

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _watch(self, until: float, *, is_up: bool = True) -> None:
        """A sample per second."""
        while self._now() < until:
            sent = self._producer.sent()
            if is_up:
                self._look()
            self._take_turns(sent)
            self.samples.append(self._sample(sum(sent.values()), is_up=is_up))
            time.sleep(1)

    def _look(self) -> None:
        with suppress(StoreUnavailable), transaction(self._engine) as connection:  # it may just have been started
            self._stored |= {topic: int(records) for topic, records in connection.execute(_STORED)}

    def _take_turns(self, sent: dict[str, int]) -> None:
        """Delete a topic that is stored, to free the broker's memory, make it anew, and have it written."""
        following = TOPICS[(self._turn + 1) % len(TOPICS)]
        if self._now() < self._turned_at + TURN_S or self._stored[following] < sent[following]:
            return
        admin = KafkaAdminClient(bootstrap_servers=self._at.bootstrap)
        admin.delete_topics([following])
        admin.close()
        ensure_topics(ClientConfig(self._at.bootstrap), [following], PARTITIONS)
        self._producer.write_to(following)
        self._turn, self._turned_at = self._turn + 1, self._now()

    def _sample(self, sent: int, *, is_up: bool) -> Sample:
        return Sample(
            at=self._now(),
            sent=sent,
            stored=sum(self._stored.values()),
            collector_mb=max(one.memory_info().rss for one in self._collectors) / 1e6,
            broker_mb=sum(one.memory_info().rss for one in family(self._at.broker.process)) / 1e6,
            cpu_s=self._cpu_seconds() if is_up else {},
        )

    def _cpu_seconds(self) -> dict[str, float]:
        others = {"producer": psutil.Process(self._producer.process.pid), "benchmark": psutil.Process()}
        machine = psutil.cpu_times()
        return {
            **cpu_seconds(self._at, self._collectors),
            **{name: sum(one.cpu_times()[:2]) for name, one in others.items()},
            "machine": sum(machine[:7]) - machine.idle - machine.iowait,
            "stolen": machine.steal,
        }


def report(samples: Sequence[Sample]) -> dict[str, Any]:
    """What the samples come to, in all and in each phase. The collectors have caught up once less than what comes in
    a second is missing."""
    working = [one for one in samples if one.at >= WARM_UP_S]
    down = [one for one in working if not one.is_up]
    before = [one for one in working if not down or one.at < down[0].at]
    after = [one for one in working if down and one.at > down[-1].at]
    sent_per_s = (working[-1].sent - working[0].sent) / (working[-1].at - working[0].at)
    settled = next((one.at for one in after[1:] if one.lag < sent_per_s), None)
    phases = {
        "before": before,
        "catching_up": [one for one in after if settled is None or one.at <= settled],
        "late": [one for one in working if one.at > 0.8 * working[-1].at],
    }
    return {
        "sent_per_s": round(sent_per_s),
        "outage_s": round(after[0].at - down[0].at) if after else None,
        "largest_lag": max(one.lag for one in samples),
        "caught_up_after_s": None if settled is None else round(settled - after[0].at),
        "collector_peak_mb": round(max(one.collector_mb for one in samples)),
        "broker_peak_mb": round(max(one.broker_mb for one in samples)),
        "phases": {name: phase(part) for name, part in phases.items() if len(part) > 1},
    }


def phase(samples: Sequence[Sample]) -> dict[str, Any]:
    """Rates, lag, memory and processor time of a part of the time."""
    first, last = samples[0], samples[-1]
    seconds = last.at - first.at
    return {
        "seconds": round(seconds),
        "sent_per_s": round((last.sent - first.sent) / seconds),
        "stored_per_s": round((last.stored - first.stored) / seconds),
        "lag": round(statistics.median(one.lag for one in samples)),
        "collector_mb": round(statistics.median(one.collector_mb for one in samples)),
        "cores_busy": {name: round((used - first.cpu_s[name]) / seconds, 2) for name, used in last.cpu_s.items()},
    }


if __name__ == "__main__":
    main()
