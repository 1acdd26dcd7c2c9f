"""What is made of a batch while the one before is being stored is right for whatever that one leaves new."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch
from monitor.sampling import LABEL_KEY, LabelPlan, selected
from monitor.services import ingest as service
from monitor.services.ingest import IngestService
from monitor.store.engine import make_engine, transaction
from monitor.store.sampling_plans import insert_plan

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TABLES = {
    "predictions": "ts, request_id", "embeddings": "request_id, kind", "arrivals": "request_id",
    "rollups_minute": "minute, dimension, value", "label_tasks": "request_id",
}  # fmt: skip
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]


def vectors(seed: int, *kinds: str) -> list[dict[str, Any]]:
    made = np.random.default_rng(seed).standard_normal((len(kinds), 16)).astype("<f2")
    return [
        {"kind": kind, "embedder": "clip@1", "dtype": "f2", "data": base64.b64encode(row.tobytes()).decode()}
        for kind, row in zip(kinds, made, strict=True)
    ]


@pytest.fixture
def warm(ingest: IngestService, send: Send, prediction: Build) -> IngestService:
    """Knows the embedder, so that rows are written ahead."""
    ingest.write(send(prediction("first", embeddings=vectors(0, "image"))), NOW)
    return ingest


def test_of_a_batch_that_was_read_ahead_only_what_is_still_new_is_stored(
    warm: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    a, b = (prediction(one, embeddings=vectors(n, "image", "prompt")) for n, one in enumerate("ab"))
    before = send(a, b)
    batch = send(
        prediction("c", latency_ms=7.0, slices={"device": "cam-2"}, embeddings=vectors(2, "image")), a,
        prediction("b", status="timeout"), prediction("d", embeddings=vectors(3, "image")[:0]),
    )  # fmt: skip
    ahead = warm.read(batch, NOW)
    assert ahead.ahead is not None
    assert ahead.ahead.packed is not None
    warm.write(before, NOW)
    assert warm.write(batch, NOW, ahead) == {
        ("t", "accepted"): 2, ("t", "duplicate"): 1, ("t", "contradictory"): 1,
    }  # fmt: skip
    assert rows("SELECT request_id, status FROM predictions ORDER BY 1") == [(one, "ok") for one in (*"abcd", "first")]
    assert rows("SELECT request_id, count(*) FROM embeddings GROUP BY 1 ORDER BY 1") == [
        ("a", 2), ("b", 2), ("c", 1), ("first", 1),
    ]  # fmt: skip
    assert rows("SELECT value, ok, timeout FROM rollups_minute ORDER BY 1") == [
        ("", 5, 0), ("cam-1", 4, 0), ("cam-2", 1, 0),
    ]  # fmt: skip
    drawn = [one for one in (*"abcd", "first") if selected(one, 0.5, LABEL_KEY)]
    assert rows("SELECT request_id FROM label_tasks ORDER BY 1") == drawn


def test_rows_that_are_written_ahead_are_those_that_are_written_while_they_are_sent(
    warm: IngestService, send: Send, prediction: Build, rows: Rows, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [
        prediction(
            f"r{n:03}\N{SNOWMAN}", ts=(NOW - timedelta(seconds=7 * n)).isoformat(), latency_ms=n / 3 if n % 3 else None,
            output={"answer": "a" * n, "confidence": n / 200, "candidates": [{"answer": "b", "score": 0.5}] * (n % 2)},
            slices={"device": f"cam-{n % 5}"}, embeddings=vectors(n, *("image", "prompt")[: n % 3]), new_field=n,
        )
        for n in range(200)
    ]  # fmt: skip

    def stored(*, ahead: bool) -> dict[str, list[Any]]:
        monkeypatch.setattr(service, "MAX_PACKED", 2**40 if ahead else -1)
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))
        batch = send(*several)
        read = warm.read(batch, NOW)
        assert read.ahead is not None
        assert (read.ahead.packed is not None) == ahead
        warm.write(batch, NOW, read)
        return {name: rows(f"SELECT * FROM {name} ORDER BY {key}") for name, key in TABLES.items()}

    written_ahead = stored(ahead=True)
    assert len(written_ahead["predictions"]) == 200
    assert len(written_ahead["embeddings"]) == 200 - 1
    assert repr(written_ahead) == repr(stored(ahead=False))


def test_coins_are_thrown_under_the_plans_of_the_moment_of_storing(
    warm: IngestService, send: Send, prediction: Build, rows: Rows, engine: Engine
) -> None:
    batch = send(*(prediction(f"r{n}", ts=NOW.isoformat()) for n in range(50)))
    ahead = warm.read(batch, NOW)
    with transaction(engine) as connection:
        insert_plan(connection, LabelPlan(1.0, version=7, effective_from=NOW - timedelta(hours=1)), {})
    warm.write(batch, NOW + timedelta(minutes=6), ahead)
    assert rows("SELECT count(*), min(inclusion_probability) FROM label_tasks WHERE plan > 0") == [(50, 1.0)]


def test_what_is_refused_uses_up_none_of_the_values_that_a_dimension_may_have(
    warm: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    short = {**vectors(1, "image")[0], "data": base64.b64encode(np.ones(4, dtype="<f2").tobytes()).decode()}
    refused = prediction("bad", slices={"device": "never stored"}, embeddings=[short])
    batch = send(prediction("good", slices={"device": "cam-7"}, embeddings=vectors(2, "image")), refused)
    warm.write(batch, NOW, warm.read(batch, NOW))
    assert rows("SELECT reason FROM dead_letters") == ["invalid"]
    assert rows("SELECT value FROM slice_values WHERE value IN ('cam-7', 'never stored')") == ["cam-7"]


def test_texts_are_stored_as_they_are_whatever_encoding_the_environment_asks_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    engine = make_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW client_encoding")).scalar() == "UTF8"
    engine.dispose()
