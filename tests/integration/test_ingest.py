"""What the ingest service does with a batch, on a real PostgreSQL."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from sqlalchemy import Engine, event, text

from monitor.domain.records import REPLAY_HEADER, Batch, Partition
from monitor.errors import Fenced, StoreUnavailable
from monitor.sampling import LABEL_KEY, selected
from monitor.services.ingest import IngestService

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]


def vector(kind: str, values: np.ndarray, embedder: str = "clip@1") -> dict[str, Any]:
    data = base64.b64encode(values.astype("<f2").tobytes()).decode()
    return {"kind": kind, "embedder": embedder, "dtype": "f2", "data": data}


def test_it_stores_rows_rollups_and_the_offset(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    outcome = ingest.write(send(prediction("a"), prediction("b", status="error", latency_ms=None)), NOW)
    assert outcome == {("t", "accepted"): 2}
    assert rows("SELECT request_id, status FROM predictions ORDER BY 1") == [("a", "ok"), ("b", "error")]
    assert rows("SELECT dimension, value, ok, error FROM rollups_minute ORDER BY 1") == [
        ("", "", 1, 1),
        ("device", "cam-1", 1, 1),
    ]
    assert rows("SELECT next_offset, end_offset FROM stream_offsets") == [(2, 2)]


def test_a_batch_that_was_stored_cannot_be_stored_again(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    batch = send(prediction("a"))
    ingest.write(batch, NOW)
    with pytest.raises(Fenced):
        ingest.write(batch, NOW)
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [1]


def test_the_same_event_again_is_a_duplicate_however_it_is_written(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    event = prediction("a")
    reordered = dict(reversed(event.items()))
    ingest.write(send(event, reordered), NOW)
    assert ingest.write(send(event), NOW) == {("t", "duplicate"): 1}
    assert rows("SELECT count(*) FROM predictions") == [1]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [1]
    assert rows("SELECT outcome, records FROM ingest_counters ORDER BY 1") == [("accepted", 1), ("duplicate", 2)]


@pytest.mark.parametrize("same_batch", [True, False])
def test_other_content_under_a_known_id_is_a_dead_letter(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, same_batch: bool
) -> None:
    first, second = prediction("a"), prediction("a", status="timeout")
    if same_batch:
        ingest.write(send(first, second), NOW)
    else:
        ingest.write(send(first), NOW)
        ingest.write(send(second), NOW)
    assert rows("SELECT reason, record_offset FROM dead_letters") == [("contradictory", 1)]
    assert rows("SELECT status FROM predictions") == ["ok"]


def test_what_is_stored_stands_whatever_comes_before_its_repetition_in_a_batch(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    first, second = prediction("a"), prediction("a", status="timeout")
    ingest.write(send(first), NOW)
    outcome = ingest.write(send(second, first, prediction("b"), second), NOW)
    assert outcome == {("t", "contradictory"): 1, ("t", "duplicate"): 2, ("t", "accepted"): 1}
    assert rows("SELECT reason, record_offset FROM dead_letters") == [("contradictory", 1)]


def test_other_content_beside_a_refused_prediction_is_a_dead_letter(
    ingest: IngestService, send: Send, prediction: Build
) -> None:
    unusable = prediction("a", embeddings=[vector("image", np.zeros(4))])
    assert ingest.write(send(unusable, prediction("a")), NOW) == {("t", "invalid"): 1, ("t", "contradictory"): 1}


BAD = {
    "empty": (b"", "unreadable"),
    "garbage": (b"\xff\xfe\x00", "unreadable"),
    "truncated": (b'{"schema":"prediction/v1","request_id":"x"', "unreadable"),
    "an array": (b"[1, 2]", "unreadable"),
    "unknown schema": (b'{"schema":"prediction/v9"}', "unknown_schema"),
    "no schema": (b"{}", "unknown_schema"),
    "missing fields": (b'{"schema":"prediction/v1"}', "invalid"),
    "oversized": (b"x" * (5 * 1024 * 1024), "oversized"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("position", [0, 1, 2])
def test_bad_bytes_become_dead_letters_and_the_rest_goes_on(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, raw: bytes, reason: str, position: int
) -> None:
    values: list[Any] = [prediction("a"), prediction("b")]
    values.insert(position, raw)
    ingest.write(send(*values), NOW)
    assert rows("SELECT reason, record_offset, raw = :raw FROM dead_letters", raw=raw) == [(reason, position, True)]
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ts": "2026-11-20T12:06:00Z"}, "future_dated"),
        ({"ts": "2026-10-01T00:00:00Z"}, "too_old"),
        ({"ts": "2026-11-20T11:59:30"}, "invalid"),
        ({"request_id": "x" * 129}, "invalid"),
        ({"status": "fine"}, "invalid"),
        ({"latency_ms": -1}, "invalid"),
        ({"output": {"confidence": 1.5}}, "invalid"),
        ({"input": {"prompt": "a\x00b"}}, "unstorable"),
        ({"embeddings": [{"kind": "image", "embedder": "e", "dtype": "f2", "data": "AAA="}]}, "invalid"),
        ({"embeddings": [vector("image", np.full(4, np.nan))]}, "invalid"),
        ({"embeddings": [vector("image", np.zeros(4))]}, "invalid"),
    ],
)
def test_bad_fields_become_dead_letters(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, change: dict[str, Any], reason: str
) -> None:
    ingest.write(send(prediction("good"), {**prediction("bad"), **change}), NOW)
    assert rows("SELECT reason FROM dead_letters") == [reason]
    assert rows("SELECT request_id FROM predictions") == ["good"]


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1, 2**62, -(2**62)])
def test_a_dead_letter_may_carry_any_timestamp(
    ingest: IngestService, send: Send, rows: Rows, timestamp_ms: int
) -> None:
    batch = send(b"garbage")
    ingest.write(replace(batch, records=(replace(batch.records[0], timestamp_ms=timestamp_ms),)), NOW)
    assert rows("SELECT record_ts FROM dead_letters") == [
        EPOCH + timedelta(milliseconds=1) if timestamp_ms == 1 else None
    ]


@pytest.mark.parametrize("raw", [b"garbage", None])
def test_a_replay_may_be_named_by_any_bytes(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, raw: bytes | None
) -> None:
    batch = send(raw or prediction("a"), replay="a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}")
    ingest.write(replace(batch, records=(replace(batch.records[0], headers=((REPLAY_HEADER, b"a\x00\xff"),)),)), NOW)
    table = "dead_letters" if raw else "predictions"
    assert rows(f"SELECT replay FROM {table}") == ["a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"]


def test_deep_nesting_is_refused_before_it_meets_the_stack_end(
    ingest: IngestService, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    """Reading takes less of the stack than writing: there are depths that can be read only."""
    deep = [msgspec.Raw(b"[" * depth + b"]" * depth) for depth in range(930, 970, 2)]
    events = [prediction(f"p{index}", extra={"x": one}) for index, one in enumerate(deep)]
    events += [label(f"l{index}", extra={"x": one}) for index, one in enumerate(deep)]
    ingest.write(send(*events), NOW)
    assert rows("SELECT count(*) FROM dead_letters") == [len(events)]


def test_no_measure_can_make_a_sum_infinite(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    ingest.write(
        send(*(prediction(f"r{index}", cost_usd=cost) for index, cost in enumerate([1e15, 1e15, 1e308, 1e308]))), NOW
    )
    assert rows("SELECT cost_usd FROM rollups_minute WHERE dimension = ''") == [2e15]
    assert rows("SELECT reason FROM dead_letters") == ["invalid", "invalid"]


def test_an_embedder_counts_as_known_only_when_its_number_is_committed(
    engine: Engine, ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    batch = send(prediction("a", embeddings=[vector("image", np.ones(4))]))

    def break_off(_: object) -> None:
        event.remove(engine, "commit", break_off)
        raise psycopg.OperationalError("the connection was closed")

    event.listen(engine, "commit", break_off)
    with pytest.raises(StoreUnavailable):
        ingest.write(batch, NOW)
    ingest.write(batch, NOW)
    assert rows("SELECT fingerprint FROM embeddings LEFT JOIN embedders ON id = embedder_id") == ["clip@1"]


def test_an_embedder_that_cannot_be_numbered_makes_a_dead_letter_and_stops_nothing(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE embedders ALTER COLUMN id RESTART WITH 32767"))
    embedded = [prediction(name, embeddings=[vector("image", np.ones(4), name)]) for name in ("e1", "e2", "e3")]
    ingest.write(send(prediction("a"), *embedded, prediction("b")), NOW)
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["a", "b", "e1"]
    assert rows("SELECT reason, record_offset FROM dead_letters ORDER BY 2") == [("unstorable", 2), ("unstorable", 3)]


def test_texts_as_long_as_they_may_be_fit_every_index(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    rng = random.Random(1)

    def of(length: int) -> str:
        return "".join(chr(rng.randrange(0x10000, 0x10FFFF)) for _ in range(length))

    model = {"name": of(128), "version": of(128), "variant": "stable"}
    event = prediction(of(128), model=model, task=of(128), slices={"device": of(256)})
    assert ingest.write(send(event), NOW) == {("t", "accepted"): 1}
    assert len(rows("SELECT 1 FROM rollups_minute")) == 2


def test_a_replay_may_span_many_days(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    days = [prediction(f"r{index}", ts=(NOW - timedelta(days=7 * index)).isoformat()) for index in range(150)]
    ingest.write(send(*days, replay="years"), NOW)
    assert rows("SELECT count(*), count(DISTINCT tableoid) FROM predictions") == [(150, 150)]


def test_replays_may_be_old(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    ingest.write(send(prediction("a", ts="2015-03-01T00:00:00Z"), replay="r1"), NOW)
    assert rows("SELECT replay FROM predictions") == ["r1"]
    assert rows("SELECT count(*) FROM label_tasks") == [0]


def test_a_value_that_only_postgresql_refuses_is_found_and_set_aside(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.domain.storable._ESCAPED_NUL", __import__("re").compile(b"$^"))
    events = [prediction(f"r{index}") for index in range(9)]
    events[4]["output"] = {"answer": "nul \x00 inside"}
    ingest.write(send(*events), NOW)
    assert rows("SELECT reason, record_offset FROM dead_letters") == [("unstorable", 4)]
    assert rows("SELECT count(*) FROM predictions") == [8]
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [8]


def test_slice_values_beyond_the_cap_are_counted_together(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(*(prediction(f"r{n}", slices={"device": f"cam-{n}", "other": "x"}) for n in range(5))), NOW)
    found = rows("SELECT value, ok FROM rollups_minute WHERE dimension = 'device' ORDER BY 1")
    assert found == [("__other__", 2), ("cam-0", 1), ("cam-1", 1), ("cam-2", 1)]


def test_rollups_of_two_batches_add_up(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    ingest.write(send(prediction("a", latency_ms=4)), NOW)
    ingest.write(send(prediction("b", latency_ms=4, cost_usd=0.5)), NOW)
    [(ok, latency, confidence, cost)] = rows(
        "SELECT ok, latency, confidence, cost_usd FROM rollups_minute WHERE dimension = ''"
    )
    assert (ok, latency[4], sum(latency), confidence[18], cost) == (2, 2, 2, 2, 0.5)


def test_unknown_fields_are_kept(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    ingest.write(send(prediction("a", colour="red", model={"name": "m", "owner": "us"})), NOW)
    assert rows("SELECT detail->'extra' FROM predictions") == [{"colour": "red", "model.owner": "us"}]


def test_labels_are_kept_before_their_prediction_and_once(
    ingest: IngestService, send: Send, label: Build, rows: Rows
) -> None:
    assert ingest.write(send(label("unknown"), label("unknown")), NOW) == {("t", "accepted"): 1, ("t", "duplicate"): 1}
    assert rows("SELECT request_id, scored FROM labels") == [("unknown", False)]


def test_carried_embeddings_are_stored_in_half_precision(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    values = np.linspace(-1, 1, 8)
    ingest.write(send(prediction("a", embeddings=[vector("image", values), vector("prompt", values)])), NOW)
    assert rows("SELECT kind, vector_dims(vector) FROM embeddings ORDER BY 1") == [("image", 8), ("prompt", 8)]
    [stored] = rows("SELECT vector::text FROM embeddings WHERE kind = 'image'")
    assert np.allclose(np.fromstring(stored.strip("[]"), sep=","), values.astype("f2"), atol=1e-3)


def test_a_vector_of_another_length_than_its_embedder_makes_is_refused(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(prediction("a", embeddings=[vector("image", np.ones(8))])), NOW)
    ingest.write(send(prediction("b", embeddings=[vector("image", np.ones(4))]), prediction("c")), NOW)
    assert rows("SELECT reason FROM dead_letters") == ["invalid"]
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["a", "c"]


def test_a_deployment_is_stored_once(ingest: IngestService, send: Send, rows: Rows) -> None:
    event = {
        "schema": "deployment/v1",
        "model": "m",
        "version": "v2",
        "ts": "2026-11-20T11:00:00Z",
        "action": "rollout",
    }
    ingest.write(send(event, event), NOW)
    assert rows("SELECT version, action FROM deployments") == [("v2", "rollout")]


def test_the_sampler_draws_label_tasks(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    ids = [f"r{n}" for n in range(100)]
    ingest.write(send(*(prediction(one) for one in ids)), NOW)
    drawn = rows("SELECT request_id FROM label_tasks ORDER BY 1")
    assert drawn == sorted(one for one in ids if selected(one, 0.5, LABEL_KEY))
    assert rows("SELECT DISTINCT inclusion_probability FROM label_tasks") == [0.5]


def test_two_partitions_of_one_batch_move_together(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    other = Partition("cluster", "t", "11111111-1111-1111-1111-111111111111", 1)
    one, two = send(prediction("a")), send(prediction("b"), partition=other)
    both = Batch(one.records + two.records, one.expected | two.expected, one.following | two.following, one.end_offsets)
    with engine.begin() as connection:
        connection.execute(text("UPDATE stream_offsets SET next_offset = 7 WHERE partition = 1"))
    with pytest.raises(Fenced):
        ingest.write(both, NOW)
    assert rows("SELECT count(*) FROM predictions") == [0]
    assert rows("SELECT partition, next_offset FROM stream_offsets ORDER BY 1") == [(0, 0), (1, 7)]
