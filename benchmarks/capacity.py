"""What a row of each kind costs on disk, indexes included, and what a month of traffic comes to.

    python -m benchmarks.capacity [--predictions N] [--per-second R] [--days D]

Two hours of traffic with a 512-d half-precision vector each, a tenth of it labelled, go through the shipped services
into an embedded PostgreSQL; each table's size over its rows is told. Rows that grow by updates (`rollups_minute`,
`embedding_sketches`) leave dead versions until autovacuum comes: `packed` is their size without. The month is the sum.
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, text

from monitor import bootstrap
from monitor.domain.records import Batch, Partition, Record
from monitor.domain.window import HOUR, MINUTE, Window, floor
from monitor.drift.fit import learn
from monitor.embedded.postgres import Postgres
from monitor.services.evaluation import evaluate_ticks, minutes
from monitor.settings import Settings
from monitor.store import references
from monitor.store.embeddings import embedder_id
from monitor.store.engine import make_engine, migrate, transaction
from monitor.store.vectors import Source

BATCH, HOURS, DIMENSION, CAMERAS, EMBEDDER = 2000, 2, 512, 10, "bench@1"
LOG = Partition("bench", "snellen.predictions", "11111111-1111-1111-1111-111111111111", 0)
TABLES = {
    "prediction": "predictions", "vector": "embeddings", "arrival": "arrivals", "slice_minute": "rollups_minute",
    "sketch_hour": "embedding_sketches", "label": "labels", "verdict": "verdicts", "label_task": "label_tasks",
    "slo_minute": "slo_evaluations",
}  # fmt: skip
SIZE = """
    SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c LEFT JOIN pg_inherits ON inhrelid = c.oid
    WHERE relkind = 'r' AND '{0}'::regclass IN (c.oid, inhparent)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=60_000)
    parser.add_argument("--per-second", type=float, default=100.0)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    measured = measure(options.predictions)
    print(json.dumps({**measured, "example": example(measured, options.per_second, options.days)}, indent=2))


def measure(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home:
        server = Postgres(Path(home))
        try:
            server.start()
            migrate(server.url)
            engine = make_engine(server.url)
            written = fill(engine, server.url, count)
            result = {"predictions": count, **written, "bytes": sizes(engine)}
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM FULL rollups_minute, embedding_sketches, slo_evaluations"))
            packed = sizes(engine)
            result["packed"] = {name: packed[name] for name in ("slice_minute", "sketch_hour", "slo_minute")}
            engine.dispose()
        finally:
            server.stop()
    return result


def fill(engine: Engine, url: str, count: int) -> dict[str, Any]:
    """Traffic through the shipped services; returns what it weighed before it was stored."""
    settings = Settings().at(url, "127.0.0.1:1")
    ingest = bootstrap.make_ingest(settings, engine)
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset) "
                "VALUES ('snellen-ingest', :cluster_id, :topic_id, :number, :topic, 0)"
            ),
            LOG._asdict(),
        )
        before = connection.execute(text("SELECT pg_current_wal_lsn()")).scalar_one()
    now = floor(datetime.now(UTC), HOUR)
    add_reference(engine, now)
    offset = size = 0
    for values in batches(now - HOURS * HOUR, count):
        size += sum(map(len, values))
        records = tuple(Record(LOG, offset + index, -1, one) for index, one in enumerate(values))
        following = {LOG: offset + len(records)}
        ingest.write(Batch(records, {LOG: offset}, following, dict(following)), now)
        offset += len(records)
    evaluate_ticks(bootstrap.make_evaluation(settings), minutes(now - HOUR, now - MINUTE), backfilled=False)
    with transaction(engine) as connection:
        logged = connection.execute(text("SELECT pg_current_wal_lsn() - :before"), {"before": before}).scalar_one()
    return {"record_bytes": round(size / count), "wal_bytes_per_prediction": round(logged / count)}


def add_reference(engine: Engine, now: datetime) -> None:
    vectors = np.random.default_rng(1).normal(size=(1500, DIMENSION)).astype(np.float32)
    fit = learn(vectors, EMBEDDER)
    with transaction(engine) as connection:
        number = embedder_id(connection, EMBEDDER, DIMENSION, None)
        references.next_epoch(connection)
        source = Source("scene-vqa", number, EMBEDDER)
        references.insert_reference(connection, source, "image", fit, Window(now, now), len(vectors), blessed=True)


def batches(start: datetime, count: int) -> Iterator[list[bytes]]:
    """Predictions in order of time, and the label of every tenth."""
    rng = np.random.default_rng(0)
    waiting: list[bytes] = []
    for index in range(count):
        event = prediction(index, start + HOURS * HOUR * (index / count), rng)
        waiting.append(json.dumps(event).encode())
        if index % 10 == 0:
            waiting.append(json.dumps(label(event)).encode())
        if len(waiting) >= BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def prediction(index: int, moment: datetime, rng: np.random.Generator) -> dict[str, Any]:
    vector = rng.standard_normal(DIMENSION).astype("<f2").tobytes()
    return {
        "schema": "prediction/v1",
        "request_id": str(uuid.uuid4()),
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
        "slices": {"device": f"camera-{index % CAMERAS}", "region": f"r{index % 10}"},
        "embeddings": [
            {"kind": "image", "embedder": EMBEDDER, "dtype": "f2", "data": base64.b64encode(vector).decode()}
        ],
    }


def label(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": "label/v1",
        "request_id": event["request_id"],
        "ts": (datetime.fromisoformat(event["ts"]) + timedelta(minutes=5)).isoformat(),
        "annotator": {"id": "annotator-1", "kind": "human"},
        "verdict": "correct",
    }


def sizes(engine: Engine) -> dict[str, int]:
    """Bytes per row of each table, with its indexes."""
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        return {
            name: round(run(SIZE.format(table)).scalar_one() / run(f"SELECT count(*) FROM {table}").scalar_one())
            for name, table in TABLES.items()
        }


def example(measured: dict[str, Any], per_second: float, days: int) -> dict[str, Any]:
    """GB of each part after so many days: one vector per prediction, a tenth drawn and 1% labelled, 11 slices with the
    total in three groups (model, version, variant), 5 SLOs."""
    one, packed = measured["bytes"], measured["packed"]
    predictions = per_second * 86_400 * days
    cells = CAMERAS + 1
    parts = {
        "predictions": predictions * one["prediction"],
        "vectors": predictions * one["vector"],
        "arrivals": predictions * one["arrival"],
        "rollups": days * 1440 * cells * packed["slice_minute"],
        "sketches": days * 24 * (cells + 2) * packed["sketch_hour"],
        "label_tasks": predictions * 0.1 * one["label_task"],
        "labels_and_verdicts": predictions * 0.01 * (one["label"] + one["verdict"]),
        "slo_evaluations": days * 1440 * 5 * packed["slo_minute"],
    }
    gb = {name: round(size / 1e9, 2) for name, size in parts.items()}
    return {"per_second": per_second, "days": days, "gb": gb, "total_gb": round(sum(parts.values()) / 1e9, 1)}


if __name__ == "__main__":
    main()
