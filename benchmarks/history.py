"""Does what an insert costs grow with history? An empty store beside one that holds many rows in older partitions.

    python -m benchmarks.history [--rows N] [--days D] [--rounds R] [--shared-buffers S]

Two databases of one server (settings of `snellen up`, durable) take the same batches in turn through the shipped path,
`IngestService.write`. One of them holds N arrivals over the last D days, N/10 predictions there, and N/10 label tasks.
`claims` times the entering of ids alone; `one_key` does the same on the design that this one replaced, one key over
all ids in eight hash partitions, with N/4 ids. The filled rows are cheap: narrow, made by the server, indexed at once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from monitor import bootstrap
from monitor.domain.events import Model, Prediction
from monitor.domain.records import Batch, Partition, Record
from monitor.domain.window import DAY, floor
from monitor.embedded.postgres import SETTINGS, Postgres
from monitor.embedded.probes import to_libpq
from monitor.settings import Settings
from monitor.store.copy import raw, stage
from monitor.store.engine import make_engine, migrate, transaction
from monitor.store.partitions import attach, ensure_days, partition
from monitor.store.predictions import Arrival, claim

BATCH, BATCHES_A_ROUND = 4000, 3
LOG = Partition("bench", "snellen.predictions", "11111111-1111-1111-1111-111111111111", 0)
IDS = (("request_id", "text"), ("content_hash", "bytea"), ("ts", "timestamptz"))
OTHERS = """'m' AS model, 'v1' AS version, 'stable' AS variant, 'vqa' AS task, 'ok' AS status, false AS refused,
    false AS safety_flagged, '{}'::jsonb AS slices"""
ONE_KEY = """
    CREATE TABLE one_key (request_id text NOT NULL, content_hash bytea NOT NULL, ts timestamptz NOT NULL)
    PARTITION BY HASH (request_id)
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One batch is prepared, which is not timed, and then stored, which is."""

    prepare: Callable[[], Any]
    store: Callable[[Any], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--shared-buffers", default=SETTINGS["shared_buffers"], help="of the server; default: ours")
    options = parser.parse_args()
    print(json.dumps(measure(options.rows, options.days, options.rounds, options.shared_buffers), indent=2))


def measure(rows: int, days: int, rounds: int, shared_buffers: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home:
        server = Postgres(Path(home), settings={"shared_buffers": shared_buffers})
        try:
            server.start()
            empty, full = (database(server, name) for name in ("empty_store", "full_store"))
            began = time.monotonic()
            index_mb = fill(full, rows, days)
            filled_s = time.monotonic() - began
            result = {
                "rows": rows, "days": days, "shared_buffers": shared_buffers, "index_mb": index_mb,
                "filled_s": round(filled_s), "cores": os.cpu_count(), "load_at_start": round(os.getloadavg()[0], 2),
                "ingest": compare(server, writer(empty), writer(full), rounds),
                "claims": compare(server, claimer(empty), claimer(full), rounds),
                "one_key": compare(server, old_claimer(empty, 0), old_claimer(full, rows // 4), rounds),
            }  # fmt: skip
            for engine in (empty, full):
                engine.dispose()
        finally:
            server.stop()
    return result


def database(server: Postgres, name: str) -> Engine:
    with psycopg.connect(to_libpq(server.admin_url), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER snellen".encode())
    with psycopg.connect(to_libpq(server.admin_url.replace("/postgres?", f"/{name}?"))) as admin:
        admin.execute("CREATE EXTENSION vector")
    url = server.url.replace("/snellen?", f"/{name}?")
    migrate(url)
    return make_engine(url)


def fill(engine: Engine, rows: int, days: int) -> int:
    """History; returns the size of its indexes in MB."""
    today = floor(datetime.now(UTC), DAY)
    for number in range(1, days + 1):
        day = today - number * DAY
        ids = f"md5('{number}-' || n) AS request_id, timestamptz '{day.isoformat()}' + n * interval '1 ms' AS ts"
        fill_day(engine, day, "arrivals", "request_id", f"{ids}, '\\x{'0' * 32}'::bytea AS content_hash", rows // days)
        fill_day(engine, day, "predictions", "ts, request_id", f"{ids}, {OTHERS}", rows // days // 10)
        print(f"{number} of {days} days", file=sys.stderr)
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("SET LOCAL maintenance_work_mem = '1GB'")
        run("TRUNCATE label_tasks")  # so that the log of the transaction is skipped
        run("ALTER TABLE label_tasks DROP CONSTRAINT pk_label_tasks")
        run(f"INSERT INTO label_tasks SELECT md5(n::text), now(), 'all', 0.1 FROM generate_series(1, {rows // 10}) n")
        run("ALTER TABLE label_tasks ADD CONSTRAINT pk_label_tasks PRIMARY KEY (ts, request_id)")
        size = run("SELECT sum(pg_indexes_size(oid)) / 1e6 FROM pg_class WHERE relkind = 'r'").scalar_one()
    return round(size)


def fill_day(engine: Engine, day: datetime, table: str, key: str, values: str, rows: int) -> None:
    """One partition, indexed after it is filled, then attached."""
    name = partition(table, day.date())
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("SET LOCAL maintenance_work_mem = '1GB'")
        run(f"CREATE TABLE {name} (LIKE {table}) WITH (autovacuum_enabled = false)")
        selected = run(f"SELECT {values} FROM generate_series(1, 1) n")
        columns = ", ".join(selected.keys())
        run(f"INSERT INTO {name} ({columns}) SELECT {values} FROM generate_series(1, {rows}) n")
        run(f"ALTER TABLE {name} ADD PRIMARY KEY ({key})")
        attach(connection, table, day.date())


def writer(engine: Engine) -> Side:
    """Stores batches of predictions through the shipped service."""
    url = engine.url.render_as_string(hide_password=False)
    service = bootstrap.make_ingest(Settings().at(url, "127.0.0.1:1"), engine)
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset) "
                "VALUES ('snellen-ingest', :cluster_id, :topic_id, :number, :topic, 0)"
            ),
            LOG._asdict(),
        )
    return Side(prepared().__next__, lambda batch: service.write(batch, datetime.now(UTC)))


def prepared() -> Iterator[Batch]:
    """Batches of today, under random ids: what is worst for an index."""
    for start in range(0, sys.maxsize, BATCH):
        records = tuple(Record(LOG, start + index, -1, value()) for index in range(BATCH))
        end = {LOG: start + BATCH}
        yield Batch(records, {LOG: start}, dict(end), dict(end))


def value() -> bytes:
    return json.dumps(
        {
            "schema": "prediction/v1",
            "request_id": str(uuid.uuid4()),
            "ts": datetime.now(UTC).isoformat(),
            "model": {"name": "scene-vqa", "version": "v1", "variant": "stable"},
            "task": "vqa",
            "status": "ok",
            "latency_ms": 42.0,
            "input": {
                "image": {"ref": "s3://pictures/2026/000001.jpg", "width": 640, "height": 480},
                "prompt": "What colour is the mug that stands on the table next to the window?",
            },
            "output": {"answer": "a red mug", "confidence": 0.75},
            "slices": {"device": "camera-1", "region": "r1"},
        }
    ).encode()


def claimer(engine: Engine) -> Side:
    """Enters the ids of batches, as ingest does."""

    def prepare() -> list[Arrival]:
        now = datetime.now(UTC)
        events = (Prediction(str(uuid.uuid4()), now, Model("m"), "vqa", "ok") for _ in range(BATCH))
        return [Arrival(event, bytes(16), None) for event in events]

    def store(arrivals: list[Arrival]) -> None:
        with transaction(engine) as connection:
            claim(connection, arrivals)

    with transaction(engine) as connection:
        ensure_days(connection, [(datetime.now(UTC) + timedelta(days=ahead)).date() for ahead in (0, 1)])
    return Side(prepare, store)


def old_claimer(engine: Engine, rows: int) -> Side:
    """The same on one key over all ids."""
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("SET LOCAL maintenance_work_mem = '1GB'")
        run(ONE_KEY)
        for number in range(8):
            run(f"CREATE TABLE one_key_{number} PARTITION OF one_key FOR VALUES WITH (MODULUS 8, REMAINDER {number})")
        run(f"INSERT INTO one_key SELECT md5(n::text), '\\x{'0' * 32}', now() FROM generate_series(1, {rows}) n")
        run("ALTER TABLE one_key ADD PRIMARY KEY (request_id)")

    def prepare() -> list[tuple[object, ...]]:
        now = datetime.now(UTC)
        return sorted((str(uuid.uuid4()), bytes(16), now) for _ in range(BATCH))

    def store(ids: list[tuple[object, ...]]) -> None:
        with transaction(engine) as connection:
            staging = stage(connection, "one_key", IDS, ids)
            raw(connection).execute(
                f"INSERT INTO one_key SELECT * FROM {staging} ON CONFLICT DO NOTHING RETURNING request_id".encode()
            ).fetchall()

    return Side(prepare, store)


def compare(server: Postgres, empty: Side, full: Side, rounds: int) -> dict[str, Any]:
    """Ids per second on both, in turn, after a checkpoint: from there on, each page first touched is logged whole."""
    with psycopg.connect(to_libpq(server.admin_url), autocommit=True) as admin:
        admin.execute("CHECKPOINT")
    for side in (empty, full):
        rate(side)  # connections, plans
    pairs = [(rate(empty), rate(full)) for _ in range(rounds)]
    ratios = sorted(on_full / on_empty for on_empty, on_full in pairs)
    return {
        "empty_per_s": round(statistics.median(one for one, _ in pairs)),
        "full_per_s": round(statistics.median(one for _, one in pairs)),
        "ratio": round(statistics.median(ratios), 3),
        "quartiles": [round(one, 3) for one in statistics.quantiles(ratios)],
    }


def rate(side: Side) -> float:
    batches = [side.prepare() for _ in range(BATCHES_A_ROUND)]
    began = time.perf_counter()
    for one in batches:
        side.store(one)
    return BATCHES_A_ROUND * BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
