"""Predictions per second through broker, collector and PostgreSQL, beside the bare limit of the same run.

    python -m benchmarks.ingest [--records N] [--rounds R] [--collectors K] [--store-rate S] [--label-rate L]
                                [--reference]

Both sides read the same bytes (1.9 kB records with a 512-d half-precision embedding) from the same broker and write the
same tables, with the same indexes, rows per commit and durability, on the same cores. The bare side only polls, decodes
and copies: no deduplication, no rollups, no sketches, no offsets. Rounds alternate, because machines are noisy.

With `--store-rate` ours counts all of them and stores that share, and whatever is drawn for labelling: a tenth and
more, or `--label-rate`. The bare side stores all of them still. With `--reference` there is one, under which ours
sketches every vector. With `--collectors` ours is so many processes of one group, which share out the partitions; the
bare side is one.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import Engine, text

from benchmarks.pipeline import BATCH, PARTITIONS, TOPIC, Pace, Servers, collector, end, fill, servers, watch
from collectors.memory import collect_by_the_clock, keep_freed_pages
from monitor.domain.events import Prediction, Taken
from monitor.domain.window import DAY, Window, floor
from monitor.drift.fit import learn
from monitor.formats import native
from monitor.services.carried import Embedders, unpack
from monitor.store import predictions, references
from monitor.store.dead_letters import count_outcomes
from monitor.store.embeddings import copy_embeddings, embedder_id
from monitor.store.engine import make_engine, transaction
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival
from monitor.store.vectors import Source

DIMENSION = 512
MODEL, EMBEDDER = "scene-vqa", "bench@1"
REFERENCE_ROWS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--store-rate", type=float, default=1.0)
    parser.add_argument("--label-rate", type=float)
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--collectors", type=int, default=1)
    parser.add_argument("--bare", nargs=3, metavar=("SERVERS", "DATABASE", "RECORDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bootstrap, database, records = options.bare
        run_bare(bootstrap, database, int(records))
        return
    plan = Plan(options.records, _settings(options), options.reference, options.collectors)
    print(json.dumps(measure(plan, options.rounds), indent=2))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    records: int
    settings: dict[str, str]
    """Of our side."""
    with_reference: bool
    collectors: int


@dataclass(frozen=True, slots=True)
class Run:
    """One side, once."""

    pace: Pace
    record_bytes: float
    stored: float
    """Share of the predictions that has rows."""


def _settings(options: argparse.Namespace) -> dict[str, str]:
    """Of our side."""
    rates = {"INGEST__STORE_RATE": options.store_rate, "LABELS__SAMPLE_RATE": options.label_rate}
    return {name: str(rate) for name, rate in rates.items() if rate is not None}


def measure(plan: Plan, rounds: int) -> dict[str, Any]:
    """Run both sides in turn, each on a fresh server and broker."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(run_once(plan, is_bare=False))
        bare.append(run_once(plan, is_bare=True))
    ratios = [a.pace.per_s / b.pace.per_s for a, b in zip(ours, bare, strict=True)]
    return {
        "records": plan.records,
        "record_bytes": round(ours[0].record_bytes),
        "settings": plan.settings,
        "reference": plan.with_reference,
        "collectors": plan.collectors,
        "stored_share": round(ours[0].stored, 3),
        "cores": os.cpu_count(),
        "predictions_per_s": round(statistics.median(one.pace.per_s for one in ours)),
        "bare_per_s": round(statistics.median(one.pace.per_s for one in bare)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "collector_peak_mb": round(max(one.pace.peak_mb for one in ours)),
    }


def run_once(plan: Plan, *, is_bare: bool) -> Run:
    """Fill a topic, start one side, and time it."""
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home, servers(Path(home)) as at:
        record_bytes = fill(at.bootstrap, TOPIC, ((value, ()) for value in values(plan.records)))
        engine = make_engine(at.database)
        if plan.with_reference:
            bless(engine)
        processes = [bare_side(at, plan.records)] if is_bare else _ours(plan, at)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                pace = watch(connection, plan.records, processes)
                stored = connection.execute(text("SELECT count(*) FROM predictions")).scalar_one()
                return Run(pace, record_bytes, stored / plan.records)
        finally:
            end(processes)
            engine.dispose()


def _ours(plan: Plan, at: Servers) -> list[psutil.Popen]:
    return [collector(at, **plan.settings) for _ in range(plan.collectors)]


def bless(engine: Engine) -> None:
    """A reference of the vectors that these records bring."""
    day, rng = datetime.now(UTC) - timedelta(days=2), np.random.default_rng(1)
    fit = learn(rng.standard_normal((REFERENCE_ROWS, DIMENSION), np.float32), EMBEDDER)
    with transaction(engine) as connection:
        source = Source(MODEL, embedder_id(connection, EMBEDDER, DIMENSION, None), EMBEDDER)
        window = Window(floor(day, DAY), floor(day, DAY) + DAY)
        references.insert_reference(connection, source, "image", fit, window, REFERENCE_ROWS, blessed=True)
        references.next_epoch(connection)


def values(records: int) -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    now = datetime.now(UTC)
    for index in range(records):
        moment = now - timedelta(seconds=(records - index) / 100)
        yield json.dumps(event(index, moment, embeddings=carried(rng))).encode()


def carried(rng: np.random.Generator) -> list[dict[str, str]]:
    """The embedding of one picture."""
    vector = base64.b64encode(rng.standard_normal(DIMENSION).astype("<f2").tobytes()).decode()
    return [{"kind": "image", "embedder": EMBEDDER, "dtype": "f2", "data": vector}]


def event(index: int, moment: datetime, **more: Any) -> dict[str, Any]:
    """A prediction as a serving system would log it."""
    return {
        "schema": "prediction/v1",
        "request_id": f"{index:09d}-7e0c2f3a",
        "ts": moment.isoformat(),
        "model": {"name": MODEL, "version": "v1", "variant": "stable"},
        "task": "vqa",
        "status": "ok",
        "latency_ms": 20 + index % 200,
        "input": {
            "image": {"ref": f"s3://pictures/2026/{index:09d}.jpg", "width": 640, "height": 480},
            "prompt": "What colour is the mug that stands on the table next to the window?",
        },
        "output": {"answer": "a red mug", "confidence": 0.5 + index % 50 / 100},
        "slices": {"device": f"camera-{index % 4}", "region": f"r{index % 10}"},
        **more,
    }


def bare_side(at: Servers, records: int) -> psutil.Popen:
    return psutil.Popen([sys.executable, "-m", "benchmarks.ingest", "--bare", at.bootstrap, at.database, str(records)])


def run_bare(bootstrap: str, database: str, records: int) -> None:
    """Poll, decode, copy, commit: what no consumer of these records into these tables can do without."""
    keep_freed_pages()
    collect_by_the_clock()
    engine = make_engine(database)
    days, embedders = DayPartitions(engine), Embedders(engine, 1)
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
        vectors, _ = embedders.assign(unpack(events))
        days.ensure(event.ts for event in events)
        with transaction(engine) as connection:
            predictions.insert(connection, [Arrival(event, b"", None) for event in events])
            copy_embeddings(connection, vectors)
            count_outcomes(connection, Counter({(TOPIC, Taken.ACCEPTED): len(events)}), datetime.now(UTC))
        done += len(events)
    time.sleep(60)  # the watcher ends this process


if __name__ == "__main__":
    main()
