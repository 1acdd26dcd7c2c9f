"""Predictions per second through broker, collector and PostgreSQL, beside the bare limit of the same run.

    python -m benchmarks.ingest [--records N] [--rounds R]

Both sides read the same bytes (1.9 kB records with a 512-d half-precision embedding) from the same broker and write the
same tables, with the same indexes, rows per commit and durability, on the same cores. The bare side only polls, decodes
and copies: no deduplication, no rollups, no sketches, no offsets. Rounds alternate, because machines are noisy.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import text

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.domain.events import Prediction
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.formats import native
from monitor.services.carried import CarriedEmbeddings
from monitor.store import predictions
from monitor.store.embeddings import copy_embeddings
from monitor.store.engine import make_engine, migrate, transaction
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival

TOPIC, PARTITIONS, BATCH = "bench.predictions", 4, 4000
DIMENSION = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bare", nargs=3, metavar=("SERVERS", "DATABASE", "RECORDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        servers, database, records = options.bare
        run_bare(servers, database, int(records))
        return
    print(json.dumps(measure(options.records, options.rounds), indent=2))


def measure(records: int, rounds: int) -> dict[str, Any]:
    """Run both sides in turn, each on a fresh server and broker."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(run_once(records, bare=False))
        bare.append(run_once(records, bare=True))
    ratios = [a["per_s"] / b["per_s"] for a, b in zip(ours, bare, strict=True)]
    return {
        "records": records,
        "record_bytes": ours[0]["record_bytes"],
        "cores": os.cpu_count(),
        "predictions_per_s": round(statistics.median(one["per_s"] for one in ours)),
        "bare_per_s": round(statistics.median(one["per_s"] for one in bare)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "collector_peak_mb": round(max(one["peak_mb"] for one in ours)),
    }


def run_once(records: int, *, bare: bool) -> dict[str, float]:
    """Fill a topic, start one side, and time it from its first to its last committed row."""
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home, servers(Path(home)) as (database, bootstrap):
        record_bytes = fill(bootstrap, records)
        engine = make_engine(database)
        command, env = side(database, bootstrap, records, bare=bare)
        process = subprocess.Popen(command, env={**os.environ, **env})
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                per_s, peak = watch(lambda: stored(connection), records, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(20)
            engine.dispose()
    return {"per_s": per_s, "peak_mb": peak / 1e6, "record_bytes": record_bytes}


@contextmanager
def servers(home: Path) -> Iterator[tuple[str, str]]:
    """PostgreSQL with the settings of `snellen up`, durable; and the embedded broker."""
    postgres, broker = Postgres(home), Broker(home, preferred_port=30_000 + os.getpid() % 10_000)
    try:
        postgres.start()
        broker.start()
        migrate(postgres.url)
        yield postgres.url, broker.bootstrap_servers
    finally:
        broker.stop()
        postgres.stop()


def fill(bootstrap: str, records: int) -> int:
    """Send the records; returns the size of one."""
    config = ClientConfig(bootstrap)
    ensure_topics(config, [TOPIC], PARTITIONS)
    sink = Sink(config)
    size = 0
    for value in values(records):
        sink.send(TOPIC, value)
        size = len(value)
    sink.flush()
    sink.close()
    return size


def values(records: int) -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    now = datetime.now(UTC)
    for index in range(records):
        vector = base64.b64encode(rng.standard_normal(DIMENSION).astype("<f2").tobytes()).decode()
        moment = now - timedelta(seconds=(records - index) / 100)
        yield json.dumps(
            {
                "schema": "prediction/v1",
                "request_id": f"{index:09d}-7e0c2f3a",
                "ts": moment.isoformat(),
                "model": {"name": "scene-vqa", "version": "v1", "variant": "stable"},
                "task": "vqa",
                "status": "ok",
                "latency_ms": 20 + index % 200,
                "input": {
                    "image": {"ref": f"s3://pictures/2026/{index:09d}.jpg", "width": 640, "height": 480},
                    "prompt": "What colour is the mug that stands on the table next to the window?",
                },
                "output": {"answer": "a red mug", "confidence": 0.5 + index % 50 / 100},
                "slices": {"device": f"camera-{index % 4}", "region": f"r{index % 10}"},
                "embeddings": [{"kind": "image", "embedder": "bench@1", "dtype": "f2", "data": vector}],
            }
        ).encode()


def side(database: str, bootstrap: str, records: int, *, bare: bool) -> tuple[list[str], dict[str, str]]:
    if bare:
        return [sys.executable, "-m", "benchmarks.ingest", "--bare", bootstrap, database, str(records)], {}
    env = {
        "SNELLEN_DATABASE_URL": database,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "SNELLEN_KAFKA__PREDICTIONS_TOPIC": TOPIC,
        "SNELLEN_INGEST__BATCH_RECORDS": str(BATCH),
    }
    ensure_topics(ClientConfig(bootstrap), ["snellen.labels", "snellen.deployments"], 1)
    return [sys.executable, "-m", "collectors", "ingest"], env


def stored(connection: Any) -> int:
    return int(connection.execute(text("SELECT count(*) FROM predictions")).scalar_one())


def watch(count: Any, records: int, process: psutil.Process) -> tuple[float, int]:
    """(rows per second from the first commit seen to the last, peak resident bytes)."""
    first: tuple[float, int] | None = None
    peak = 0
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        done, now = count(), time.monotonic()
        peak = max(peak, process.memory_info().rss)
        if done and first is None:
            first = (now, done)
        assert process.is_running() and process.status() != psutil.STATUS_ZOMBIE, "the process has ended"
        if done >= records:
            assert first is not None
            assert now > first[0], "too few records to time"
            return (done - first[1]) / (now - first[0]), peak
        time.sleep(0.1)
    raise TimeoutError(f"{count()} of {records} records after 300 s")


def run_bare(bootstrap: str, database: str, records: int) -> None:
    """Poll, decode, copy, commit: what no consumer of these records into these tables can do without."""
    engine = make_engine(database)
    days, carried = DayPartitions(engine), CarriedEmbeddings(engine)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024, fetch_max_bytes=16 * 1024 * 1024,
    )  # fmt: skip
    consumer.assign([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
    consumer.seek_to_beginning()
    done = 0
    while done < records:
        raw: list[bytes] = []
        while len(raw) < BATCH and done + len(raw) < records:
            for some in consumer.poll(timeout_ms=200, max_records=BATCH - len(raw)).values():
                raw.extend(record.value for record in some)
        events = [event for value in raw if isinstance(event := native.decode(value), Prediction)]
        vectors = carried.read(events).rows
        days.ensure(event.ts for event in events)
        with transaction(engine) as connection:
            predictions.insert(connection, [Arrival(event, b"", None) for event in events])
            copy_embeddings(connection, vectors)
        done += len(events)
    time.sleep(60)  # the watcher ends this process


if __name__ == "__main__":
    main()
