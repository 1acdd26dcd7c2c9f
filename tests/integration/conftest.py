"""Batches as a collector would hand them over, an ingest service on a fresh database, and a broker that may stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import REPLAY_HEADER, Batch, Partition, Record
from monitor.embedded.broker import Broker
from monitor.errors import StoreUnavailable
from monitor.formats import FormatOptions, native
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestOptions, IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.services.sketches import SketchService
from monitor.store import replays
from monitor.store.engine import make_engine

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PRIVACY = Privacy(Redactor(PrivacyOptions()), Subjects(()))
TOPIC = "t"
PARTITION = Partition("cluster", TOPIC, "11111111-1111-1111-1111-111111111111", 0)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that the test may stop."""
    server = Broker(tmp_path, preferred_port=30000 + os.getpid() % 10000)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ingest(engine: Engine) -> IngestService:
    return make_service(engine)


def make_service(engine: Engine, label_rate: float = 0.5, **changes: Any) -> IngestService:
    """`changes` are of its options."""
    options = IngestOptions(
        group="g",
        decoders={TOPIC: native.decoder(FormatOptions())},
        limits=Limits(max_record_bytes=1024 * 1024, max_future=timedelta(minutes=5), max_age=timedelta(days=30)),
        slice_dimensions=("device",),
        max_slice_values=3,
        labels=LabelDesign(rate=label_rate),
        pair_patience=timedelta(minutes=5),
        privacy=PRIVACY,
        store_rate=1.0,
        max_models=200,
        max_embedders=100,
    )
    return IngestService(engine, replace(options, **changes), _no_sketch)


def make_eraser(engine: Engine, subjects: Subjects) -> EraseService:
    return EraseService(engine, subjects, SketchService(engine, ("device",), 3))


def write_at_once(
    database_url: str, make: Callable[[Engine], IngestService], batches: Collection[Sequence[Batch]]
) -> int:
    """Let each list be written by a collector of its own, batch by batch at the same moment, on real transactions.

    Whoever comes second is told to look again, and does as the consumer does. Returns how often that was.
    """
    start = threading.Barrier(len(batches))

    def run(own: Sequence[Batch]) -> int:
        engine = make_engine(database_url)
        service, again = make(engine), 0
        for batch in own:
            start.wait(60)
            while not _is_written(service, batch):
                again += 1
        engine.dispose()
        return again

    with ThreadPoolExecutor(len(batches)) as pool:
        return sum(pool.map(run, batches))


def _is_written(service: IngestService, batch: Batch) -> bool:
    try:
        service.write(batch, NOW)
    except StoreUnavailable:
        return False
    return True


def _no_sketch(*_: object) -> None:
    """Sketches have tests of their own."""


@pytest.fixture
def send(engine: Engine) -> Callable[..., Batch]:
    """Builds the next batch of a partition from raw values, registering the partition at its first use."""
    next_offset: dict[Partition, int] = {}

    def build(*values: bytes | dict[str, Any], partition: Partition = PARTITION, replay: str | None = None) -> Batch:
        if partition not in next_offset:
            next_offset[partition] = 0
            register(engine, partition)
        if replay:
            enter(engine, replay)
        start = next_offset[partition]
        headers = ((REPLAY_HEADER, replay.encode()),) if replay else ()
        records = tuple(
            Record(partition, start + index, -1, one if isinstance(one, bytes) else msgspec.json.encode(one), headers)
            for index, one in enumerate(values)
        )
        next_offset[partition] = start + len(records)
        end = {partition: start + len(records)}
        return Batch(records, {partition: start}, dict(end), dict(end))

    return build


def register(engine: Engine, partition: Partition) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset) "
                "VALUES ('g', :cluster, :id, :number, :topic, 0)"
            ),
            {"cluster": partition.cluster_id, "id": partition.topic_id, "number": partition.number, "topic": "t"},
        )


def enter(engine: Engine, replay: str) -> None:
    """As `snellen replay` does before it sends."""
    with engine.begin() as connection:
        replays.register(connection, replay, f"{replay}.jsonl", NOW, 1)


@pytest.fixture
def prediction() -> Callable[..., dict[str, Any]]:
    def build(request_id: str, **changes: Any) -> dict[str, Any]:
        return {
            "schema": "prediction/v1",
            "request_id": request_id,
            "ts": "2026-11-20T11:59:30Z",
            "model": {"name": "m", "version": "v1"},
            "task": "vqa",
            "status": "ok",
            "latency_ms": 42.0,
            "input": {"image": {"ref": "file:///x.jpg"}, "prompt": "What is it?"},
            "output": {"answer": "a mug", "confidence": 0.93},
            "slices": {"device": "cam-1"},
            **changes,
        }

    return build


@pytest.fixture
def label() -> Callable[..., dict[str, Any]]:
    def build(request_id: str, **changes: Any) -> dict[str, Any]:
        return {
            "schema": "label/v1",
            "request_id": request_id,
            "ts": "2026-11-20T11:59:50Z",
            "annotator": {"id": "ann", "kind": "human"},
            "verdict": "correct",
            **changes,
        }

    return build


@pytest.fixture
def rows(engine: Engine) -> Callable[..., list[Any]]:
    """Rows of a query; a single column comes as plain values."""

    def query(sql: str, **values: Any) -> list[Any]:
        with engine.connect() as connection:
            found = connection.execute(text(sql), values).all()
        return [row[0] if len(row) == 1 else tuple(row) for row in found]

    return query
