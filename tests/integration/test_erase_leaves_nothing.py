"""Every row of every table is read after an erasure, and what bytes hold in base64 or in NULs between, too."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.domain.halves import prelude
from monitor.domain.records import Batch, Partition, Record
from monitor.formats import FORMATS, FormatOptions
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.services.score_labels import score_labels
from monitor.store import halves
from monitor.store.halves import HalfArrival
from tests.integration.conftest import make_eraser

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TS = NOW - timedelta(seconds=30)
SUBJECTS = Subjects(("extra.user_id", "extra.metadata.user_id"), (b"a key of 16 bytes and more",))
ANN, BOB = "person-ann-4711", "person-bob-0815"
DIARY = "the diary of ann"
KEPT = ("arrivals", "erased", "audit_log")
"""Tables that keep the ids of requests, as they came or as hashes (docs/privacy.md)."""
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]
SETTINGS: dict[str, dict[str, str]] = {
    "redact": {},
    "keep": dict.fromkeys(("prompts", "contexts", "answers", "comments", "extra", "dead_letters"), "keep"),
    "hide": dict.fromkeys(("prompts", "contexts", "answers", "comments", "extra"), "hide"),
}


def everything(engine: Engine) -> dict[str, str]:
    """All rows of each table in every way that they can be read, as far as they hold text or bytes."""
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        return {one: "\n".join(_said(cell) for row in _rows(connection, one) for cell in row) for one in tables}


def _rows(connection: Any, table: str) -> Any:
    return connection.execute(text(f"SELECT *, t::text AS whole FROM {table} AS t"))


def _said(cell: object) -> str:
    content = bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
    forms = [content, content.replace(b"\0", b"")]
    for start in range(4 if b'"' in content else 0):
        words = content.split(b'"')[1::2]
        forms += [b64decode(word[start:][: len(word[start:]) // 4 * 4]) for word in words if word.isalnum()]
    return "\n".join(one.decode("latin-1") for one in forms)


@pytest.fixture(params=list(SETTINGS))
def stored(
    request: pytest.FixtureRequest, ingest: IngestService, send: Send, prediction: Build, label: Build, engine: Engine
) -> str:
    """Two people's data, wherever it can come to lie. Returns which settings it was stored under."""
    privacy = Privacy(Redactor(PrivacyOptions(**SETTINGS[request.param])), SUBJECTS)
    options = replace(ingest._options, privacy=privacy, labels=replace(ingest._options.labels, rate=1.0))
    native = IngestService(engine, options, lambda *_: None)
    for who, name in ((ANN, "ann"), (BOB, "bob")):
        _write_native(native, send, prediction, label, who, name)
        _write_refused(native, send, who, name)
        foreign = {"t": FORMATS["oip"](FormatOptions(task="vqa"))}
        _write_sides(IngestService(engine, replace(options, decoders=foreign), lambda *_: None), send, who, name)
        _write_by_hand(engine, who, name)
    score_labels(engine)
    return str(request.param)


def _write_native(service: IngestService, send: Send, prediction: Build, label: Build, who: str, name: str) -> None:
    vector = b64encode(np.ones(4, "<f2").tobytes()).decode()
    said = f"the diary of {name}"
    known = {"input": {"prompt": said, "context": said}, "extra": {"user_id": who, "note": said}}
    service.write(
        send(
            prediction(
                f"{name}-request-1", **known, output={"answer": said, "candidates": [{"answer": said, "score": 0.5}]},
                embeddings=[{"kind": "image", "embedder": "e", "dtype": "f2", "data": vector}],
            ),
            prediction(f"{name}-request-2", **known, trace_id=f"{name}-request-2-trace"),
            label(f"{name}-request-1", comment=said, correction=said),
            label(f"{name}-request-1", annotator={"id": "x", "kind": "user"}, extra={"user_id": who}),
            label("nobodys-request-1", annotator={"id": name, "kind": "user"}, extra={"user_id": who}, comment=who),
        ),
        NOW,
    )  # fmt: skip


def _write_refused(service: IngestService, send: Send, who: str, name: str) -> None:
    said = f"the diary of {name}"
    values = [
        msgspec.json.encode({"schema": "prediction/v9", "prompt": f"{who}: {said}"}),
        f'{{"user": "{who}", "prompt": "{said}'.encode(),
        f'{{"user": "{who}", "prompt": "{said}"}}'.encode("utf-16"),
        b"\x0a" + bytes([len(who)]) + who.encode() + b"\x12\x10" + said.encode(),
        msgspec.json.encode({"body": b64encode(f"{who} {said}".encode()).decode(), "prompt": said}),
        msgspec.json.encode({"schema": "prediction/v9", "image": f"s3://pictures/{who}.jpg", "prompt": said}),
    ]
    batch = send(*values, said.encode(), said.encode())
    *whole, keyed, headed = batch.records
    records = (*whole, replace(keyed, key=who.encode()), replace(headed, headers=(("x-user", who.encode()),)))
    service.write(replace(batch, records=records), NOW)


def _write_sides(service: IngestService, send: Send, who: str, name: str) -> None:
    tensors = [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": [f"the diary of {name}"]}]
    side = {"id": f"{name}-call-1", "ts": "2026-11-20T11:59:30Z", "model": "m", "request": {"inputs": tensors}}
    service.write(send({**side, "metadata": {"user_id": who}}), NOW)


def _write_by_hand(engine: Engine, who: str, name: str) -> None:
    """What jobs write, and what came ahead of a response that names nobody itself."""
    ahead = prelude(f"{name}-call-2", TS, {"extra": {"note": f"the diary of {name}"}})
    where = Record(Partition("c", "t", "i", 0), 0, -1, b"")
    digest = SUBJECTS.digest(who)
    with engine.begin() as connection:
        arrival = HalfArrival(ahead, b"d", where, None, subject_hash=digest)
        halves.wait(connection, "e", [arrival], NOW)
        for table, detail in (("drift_explanations", EXPLANATION), ("slice_discoveries", DISCOVERY)):
            number = connection.execute(text(f"INSERT INTO {table} {detail} RETURNING id"), {"now": NOW}).scalar_one()
            examples, columns, values = {
                "drift_explanations": ("explanation_examples", "explanation_id", ":number"),
                "slice_discoveries": ("discovery_examples", "discovery_id, slice", ":number, 0"),
            }[table]
            connection.execute(
                text(f"INSERT INTO {examples} ({columns}, place, ts, request_id) VALUES ({values}, 0, :ts, :id)"),
                {"number": number, "ts": TS, "id": f"{name}-request-1"},
            )
        connection.execute(
            text("UPDATE label_tasks SET skip_reason = :why, claimed_by = 'x' WHERE request_id = :id"),
            {"why": f"the diary of {name}", "id": f"{name}-request-2"},
        )


EXPLANATION = (
    "(model, dimension, value, reference_start, reference_end, window_start, window_end, n_reference, n_current, "
    "detail) VALUES ('m', '', '', :now, :now, :now, :now, 1, 1, '{}')"
)
DISCOVERY = "(model, window_start, window_end, labels, tried, detail) VALUES ('m', :now, :now, 1, 1, '{}')"


@pytest.fixture
def eraser(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


def test_nothing_of_a_person_is_left_in_any_table(stored: str, eraser: EraseService, engine: Engine) -> None:
    before = everything(engine)
    holders = {table for table, said in before.items() if "ann-" in said or DIARY in said}
    assert {"predictions", "embeddings", "labels", "label_tasks", "verdicts", "waiting_halves"} <= holders
    assert {"explanation_examples", "discovery_examples"} <= holders
    assert ("dead_letters" in holders) == (stored != "hide"), "where texts are hidden, none are kept"
    eraser.subject(ANN, "ops", NOW, dry_run=False)
    after = everything(engine)
    for table, said in after.items():
        assert ANN not in said, table
        assert DIARY not in said, table
        assert "ann-" not in said or table.startswith(KEPT), table
    assert _bobs(after) == _bobs(before)


def test_nothing_of_requests_is_left_in_any_table(stored: str, eraser: EraseService, engine: Engine) -> None:
    del stored
    ids = ["ann-request-1", "ann-request-2", "ann-call-1", "ann-call-2"]
    assert eraser.requests(ids, "ops", NOW, dry_run=False).unknown == ()
    for table, said in everything(engine).items():
        assert table.startswith(KEPT) or not any(one in said for one in ids), table


@pytest.mark.parametrize("by_id", [True, False], ids=["request", "person"])
def test_days_that_retention_has_detached_are_looked_through_too(
    stored: str, eraser: EraseService, engine: Engine, by_id: bool
) -> None:
    """A late record may attach them again."""
    del stored
    with engine.begin() as connection:
        for table in ("predictions", "embeddings", "arrivals"):
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {table}_20261120"))
    if by_id:
        done = eraser.requests(["ann-request-1", "ann-request-2"], "ops", NOW, dry_run=False)
    else:
        done = eraser.subject(ANN, "ops", NOW, dry_run=False)
    assert (done.rows["predictions"], done.rows["embeddings"]) == (2, 1)
    for table, said in everything(engine).items():
        assert table.startswith(KEPT) or "ann-request" not in said, table


def _bobs(rows: dict[str, str]) -> dict[str, int]:
    return {table: said.count("bob") for table, said in rows.items()}
