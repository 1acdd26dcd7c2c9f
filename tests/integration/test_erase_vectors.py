"""Vectors go by their request's id: also those whose record the ingest group refused, or has not read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch
from monitor.privacy import Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.store import erasure
from monitor.store.embeddings import EmbeddedPrediction, embedder_id, insert_embeddings
from monitor.store.partitions import DayPartitions
from tests.integration.conftest import make_eraser

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = NOW - timedelta(seconds=30)
SUBJECTS = Subjects(("extra.user_id",), (b"a key of 16 bytes and more",))
ANN = "person-ann-4711"
DIMENSION = 512
LEFT = "SELECT request_id, ts FROM embeddings ORDER BY ts"
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Build = Callable[..., dict[str, Any]]


@pytest.fixture
def eraser(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


def embed(engine: Engine, *predictions: tuple[str, datetime]) -> None:
    """As the embed group does, which may be ahead of the ingest group and knows nothing else of them."""
    DayPartitions(engine).ensure(ts for _, ts in predictions)
    with engine.begin() as connection:
        number = embedder_id(connection, "e", DIMENSION, None)
        vectors = {kind: np.ones(DIMENSION, "<f4") for kind in ("image", "prompt")}
        of = [EmbeddedPrediction(ts, one, "m", "v1", "", "vqa", {}, number, "e", vectors) for one, ts in predictions]
        assert len(insert_embeddings(connection, of)) == len(predictions)


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(days=9), -timedelta(days=3)])
def test_vectors_of_a_record_that_was_refused_for_its_time_go(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, eraser: EraseService,
    later: timedelta,
) -> None:  # fmt: skip
    embed(engine, ("request-0001", SENT), ("request-0001", SENT + later), ("request-0001b", SENT + later))
    ingest.write(send(prediction("request-0001", ts=SENT.isoformat())), NOW)
    assert eraser.requests(["request-0001"], "ops", NOW, dry_run=False).rows["embeddings"] == 4
    assert set(rows(LEFT)) == {("request-0001b", SENT + later)}


def test_they_go_with_the_person_of_the_record_that_was_stored(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows, eraser: EraseService
) -> None:
    embed(engine, ("request-0001", SENT), ("request-0001", SENT + timedelta(seconds=1)), ("request-0002", SENT))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM embeddings WHERE request_id = 'request-0002' AND kind = 'image'"))
    ingest.write(send(prediction("request-0001", extra={"user_id": ANN}), prediction("request-0002")), NOW)
    with engine.begin() as connection:
        found = text("UPDATE predictions SET subject_hash = :hash WHERE request_id = 'request-0001'")
        connection.execute(found, {"hash": SUBJECTS.digest(ANN)})
    assert eraser.subject(ANN, "ops", NOW, dry_run=False).rows["embeddings"] == 4
    assert rows(LEFT) == [("request-0002", SENT)]


def test_vectors_of_what_the_ingest_group_has_not_read_go_and_make_their_id_known(
    engine: Engine, rows: Rows, eraser: EraseService
) -> None:
    embed(engine, ("request-0001", SENT), ("request-0002", SENT - timedelta(days=20)))
    done = eraser.requests(["request-0002", "request-0003"], "ops", NOW, dry_run=False)
    assert (done.requests, dict(done.rows), done.unknown) == (0, {"embeddings": 2}, ("request-0003",))
    assert set(rows(LEFT)) == {("request-0001", SENT)}


def test_they_are_found_in_the_keys_and_no_vector_is_read(engine: Engine, rows: Rows) -> None:
    """A day may hold a gigabyte of vectors."""
    embed(engine, *((f"request-{number:04}", SENT - timedelta(seconds=number)) for number in range(2000)))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE embeddings"))
    with engine.connect() as connection:
        assert len(erasure.keys_of_vectors(connection, ["request-1000", "x"])) == 1
    plan = "\n".join(rows("EXPLAIN " + erasure.KEYS_OF_VECTORS % "'{request-1000,x}'"))
    assert "Index Only Scan" in plan
    assert "Seq Scan" not in plan
