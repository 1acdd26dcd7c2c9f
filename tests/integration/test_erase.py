"""A person's data goes from everywhere, is accounted for, and does not come back."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from sqlalchemy import Engine, text

from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.domain.window import Window
from monitor.drift.fit import Fit, learn
from monitor.embedded.probes import to_libpq
from monitor.errors import SnellenError
from monitor.privacy import Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels
from monitor.services.sketches import SketchService
from monitor.store import audit, erasure, references
from monitor.store.embeddings import embedder_id, insert_embeddings
from monitor.store.halves import HalfArrival, wait
from monitor.store.vectors import Source
from tests.integration.conftest import make_eraser

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = b"a key of 16 bytes and more"
SUBJECTS = Subjects(("extra.user_id", "extra.user.id", "slices.user"), (KEY,))
ANN, BOB = "person-ann-4711", "person-bob-0815"


@pytest.fixture
def service(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


@pytest.fixture
def ingest(ingest: IngestService) -> IngestService:
    """That of the other tests, with the subjects of these."""
    ingest._options = replace(ingest._options, privacy=replace(ingest._options.privacy, subjects=SUBJECTS))
    return ingest


@pytest.fixture
def stored(
    ingest: Any, send: Callable[..., Any], prediction: Callable[..., Any], label: Callable[..., Any]
) -> list[Any]:
    """Two people's requests, labels, refused records; returns what was sent."""
    vector = b64encode(np.ones(4, "<f2").tobytes()).decode()
    embedding = {"kind": "image", "embedder": "e", "dtype": "f2", "data": vector}
    records = [
        prediction("ann-request-1", extra={"user_id": ANN}, embeddings=[embedding]),
        prediction("ann-request-2", extra={"user": {"id": ANN}}),
        prediction("ann-request-3", slices={"device": "cam-1", "user": ANN}),
        prediction("bob-request-1", extra={"user_id": BOB}, embeddings=[embedding]),
        label("ann-request-1", comment="ann is not amused", correction="ann's mug"),
        label("bob-request-1", comment="bob is fine"),
        label("bob-request-1", annotator={"id": "ann", "kind": "user"}, extra={"user_id": ANN}),
        {"schema": "prediction/v9", "prompt": f"I am {ANN}"},
        {"schema": "prediction/v9", "prompt": f"I am {BOB}"},
        prediction("ann-request-1", extra={"user_id": ANN, "changed": True}),
    ]
    ingest.write(send(*records), NOW)
    score_labels(ingest._engine)
    return records


def everything(engine: Engine) -> str:
    """All rows of all tables, as text."""
    with engine.connect() as connection:
        tables = connection.execute(
            text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace")
        ).scalars()
        found = []
        for table in tables:
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                cells = [bytes(one).decode("latin-1") if isinstance(one, bytes) else str(one) for one in row]
                found.append(f"{table}: {cells}")
    return "\n".join(found)


def test_everything_of_a_person_goes_and_nothing_else(
    service: EraseService, engine: Engine, stored: list[Any], rows: Callable[..., list[Any]]
) -> None:
    del stored
    assert ANN in everything(engine)
    done = service.subject(ANN, "ops", NOW, dry_run=False)
    assert done.requests == 3
    assert done.rows["predictions"] == 3
    assert done.rows["embeddings"] == 1
    assert done.rows["labels"] == 2
    assert done.rows["verdicts"] == 1
    assert done.rows["dead_letters"] == 2
    left = everything(engine)
    assert ANN not in left
    assert "ann is not amused" not in left
    assert "ann's mug" not in left
    assert BOB in left
    assert rows("SELECT request_id FROM predictions") == ["bob-request-1"]
    assert rows("SELECT comment FROM labels") == ["bob is fine"]
    assert rows("SELECT request_id FROM verdicts") == ["bob-request-1"]
    assert rows("SELECT reason, length(raw), detail FROM dead_letters WHERE raw = '' ORDER BY id") == [
        ("unknown_schema", 0, "erased"),
        ("contradictory", 0, "erased"),
    ]


def test_rows_of_the_last_release_are_read_one_by_one(
    service: EraseService, engine: Engine, stored: list[Any], rows: Callable[..., list[Any]]
) -> None:
    """They have no hash; what their JSON names is looked up at every place that the settings mean."""
    del stored
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET subject_hash = NULL"))
        connection.execute(text("UPDATE labels SET subject_hash = NULL"))
    done = service.subject(ANN, "ops", NOW, dry_run=False)
    assert (done.requests, done.rows["labels"]) == (3, 2)
    assert rows("SELECT request_id FROM predictions") == ["bob-request-1"]


def test_rows_with_a_hash_are_found_by_it_alone(
    service: EraseService, engine: Engine, stored: list[Any], rows: Callable[..., list[Any]]
) -> None:
    """So also those whose id was removed by redaction; and no row that names another person is read."""
    del stored
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE predictions SET subject_hash = :ann, detail = NULL, slices = '{}' WHERE request_id LIKE 'ann%'"
            ),
            {"ann": SUBJECTS.digests(ANN)[0]},
        )
        connection.execute(text("UPDATE predictions SET subject_hash = '' WHERE request_id LIKE 'bob%'"))
    assert service.subject(ANN, "ops", NOW, dry_run=True).requests == 3
    assert service.subject(BOB, "ops", NOW, dry_run=True).requests == 0, "its hash says that it names nobody"
    assert service.subject(BOB, "ops", NOW, dry_run=True, everywhere=True).requests == 1
    other_key = EraseService(engine, Subjects(("extra.x",), (b"another key of 16",)), service._sketches)
    assert not other_key.subject(ANN, "ops", NOW, dry_run=True).rows["predictions"]
    rotated = Subjects(("extra.x",), (b"another key of 16", KEY))
    assert EraseService(engine, rotated, service._sketches).subject(ANN, "ops", NOW, dry_run=True).requests == 3
    assert rows("SELECT count(*) FROM predictions") == [4]


def test_a_request_goes_with_all_that_hangs_on_it(
    service: EraseService, stored: list[Any], engine: Engine, rows: Callable[..., list[Any]]
) -> None:
    del stored
    done = service.requests(["bob-request-1", "never-seen-1"], "ops", NOW, dry_run=False)
    assert done.requests == 1
    assert (done.rows["predictions"], done.rows["embeddings"], done.rows["labels"]) == (1, 1, 2)
    assert "bob is fine" not in everything(engine)
    assert rows("SELECT count(*) FROM predictions") == [3]


def test_a_dry_run_says_the_same_and_changes_nothing(service: EraseService, stored: list[Any], engine: Engine) -> None:
    del stored
    before = everything(engine)
    dry = service.subject(ANN, "ops", NOW, dry_run=True)
    assert everything(engine) == before
    assert service.subject(ANN, "ops", NOW, dry_run=False) == dry


def test_doing_it_again_finds_nothing_and_says_that_it_was_done(service: EraseService, stored: list[Any]) -> None:
    del stored
    service.subject(ANN, "ops", NOW, dry_run=False)
    again = service.subject(ANN, "ops", NOW, dry_run=False)
    assert not again.found
    assert again.known_before
    assert not service.subject("nobody-at-all", "ops", NOW, dry_run=False).known_before
    service.requests(["bob-request-1"], "ops", NOW, dry_run=False)
    again = service.requests(["bob-request-1"], "ops", NOW, dry_run=False)
    assert not again.found
    assert again.known_before


def test_the_same_records_read_again_are_duplicates(
    service: EraseService, stored: list[Any], ingest: Any, send: Callable[..., Any], label: Callable[..., Any],
    engine: Engine, rows: Callable[..., list[Any]],
) -> None:  # fmt: skip
    before = everything(engine)
    with engine.connect() as connection:
        vectors = erasure.embedded(connection, [("ann-request-1", datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC))])
    assert len(vectors) == 1
    service.subject(ANN, "ops", NOW, dry_run=False)
    gone = everything(engine)
    again = [*stored[:3], *stored[4:7], label("ann-request-2", comment="said later")]
    assert ingest.write(send(*again), NOW) == {("t", "duplicate"): 7}
    half = HalfArrival(
        Half("ann-request-1", "request", NOW, {"x": ANN}), b"", Record(Partition("c", "t", "i", 0), 0, -1, b""), None
    )
    with engine.begin() as connection:
        assert insert_embeddings(connection, vectors) == []
        wait(connection, "g", [half], NOW)
    assert rows("SELECT request_id FROM predictions") == ["bob-request-1"]
    assert rows("SELECT comment FROM labels") == ["bob is fine"]
    assert rows("SELECT count(*) FROM embeddings") == [1]
    assert rows("SELECT count(*) FROM waiting_halves") == [0]
    assert ANN in before
    assert ANN not in gone


def test_the_audit_log_tells_who_when_and_how_much_but_not_whom(
    service: EraseService, stored: list[Any], engine: Engine
) -> None:
    del stored
    service.subject(ANN, "ops", NOW, dry_run=False)
    service.requests(["bob-request-1"], "sec", NOW + timedelta(hours=1), dry_run=False)
    with engine.connect() as connection:
        newest, oldest = audit.entries(connection, "erase")
    assert (oldest.actor, oldest.at) == ("ops", NOW)
    assert oldest.detail["subject"] == SUBJECTS.digests(ANN)[0].hex()
    assert oldest.detail["rows"]["predictions"] == 3
    assert newest.detail["request_ids"] == [SUBJECTS.digests("bob-request-1")[0].hex()]
    assert b"bob-request-1" not in msgspec.json.encode(newest.detail)


def test_one_that_fails_leaves_everything(
    service: EraseService, stored: list[Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But that the ids are remembered as erased."""
    del stored

    def kept() -> list[str]:
        return [row for row in everything(engine).split("\n") if not row.startswith("erased: ")]

    before = kept()

    def refuse(*_: object) -> None:
        raise SnellenError("the audit log is full")

    monkeypatch.setattr(audit, "record", refuse)
    with pytest.raises(SnellenError, match="full"):
        service.subject(ANN, "ops", NOW, dry_run=False)
    assert kept() == before


def test_sides_that_wait_go_too(service: EraseService, engine: Engine, rows: Callable[..., list[Any]]) -> None:
    with engine.begin() as connection:
        for pair, fields in (("ann-pair-1", "{}"), ("pair-2", f'{{"extra": "{ANN}"}}'), ("pair-3", "{}")):
            connection.execute(
                text(
                    "INSERT INTO waiting_halves (consumer_group, pair_id, side, ts, digest, fields, topic, topic_id, "
                    "partition, record_offset, due_at) VALUES ('g', :pair, 'request', :now, '', :fields, 't', 'i', 0, "
                    "0, :now)"
                ),
                {"pair": pair, "fields": fields.encode(), "now": NOW},
            )
    assert service.requests(["ann-pair-1"], "ops", NOW, dry_run=False).rows["waiting_halves"] == 1
    assert service.subject(ANN, "ops", NOW, dry_run=False).rows["waiting_halves"] == 1
    assert rows("SELECT pair_id FROM waiting_halves") == ["pair-3"]


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SNELLEN_CONFIG": os.devnull,
        "SNELLEN_HOME": str(tmp_path),
        "SNELLEN_DATABASE_URL": database_url,
    }


def test_the_command_tells_what_went_and_by_its_status_whether_it_was_known(
    stored: list[Any], environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    del stored

    def erase(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "monitor.cli", "erase", *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    ids = tmp_path / "ids"
    ids.write_text("ann-request-1\n\nann-request-2\n")
    status, said = erase("--ids-from", str(ids), "--request-id", "ann-request-3", "--dry-run")
    assert status == 0
    assert "would erase 3 requests" in said
    assert erase("--subject", ANN, "--by", "the officer")[0] == 0
    status, said = erase("--subject", ANN)
    assert status == 0
    assert "erased before" in said
    assert "privacy.keys" in said
    assert erase("--request-id", "never-seen-1")[0] == 3
    assert erase()[0] == 2
    assert erase("--request-id", "x", "--subject", "y")[0] == 2
    with psycopg.connect(to_libpq(database_url)) as connection:
        actors = connection.execute("SELECT actor FROM audit_log ORDER BY id").fetchall()
    assert [one for (one,) in actors] == ["the officer", getpass.getuser(), getpass.getuser()]


def test_sums_are_as_if_the_vectors_had_never_been(
    engine: Engine, service: EraseService, ingest: IngestService, prediction: Callable[..., Any],
    send: Callable[..., Any], rows: Callable[..., list[Any]],
) -> None:  # fmt: skip
    """The hourly sums of an active reference are those that the others alone would have made."""
    random = np.random.default_rng(11)
    records, vectors = [], random.normal(size=(60, 8)).astype("<f2")
    for index, vector in enumerate(vectors):
        embedding = {"kind": "image", "embedder": "e", "dtype": "f2", "data": b64encode(vector.tobytes()).decode()}
        moment = (NOW - timedelta(minutes=3 * index)).isoformat()
        who = ANN if index % 4 == 0 else BOB
        devices = {"device": f"cam-{index % 2}"}
        records.append(
            prediction(f"request-{index}", ts=moment, slices=devices, extra={"user_id": who}, embeddings=[embedding])
        )
    sums = "SELECT dimension, value, hour, n, sums FROM embedding_sketches WHERE n > 0 ORDER BY 1, 2, 3"
    ingest = IngestService(engine, ingest._options, SketchService(engine, ("device",), 3).update)
    _activate_reference(engine, learn(random.normal(size=(2000, 8)), "e"))

    ingest.write(send(*[one for one in records if one["extra"]["user_id"] == BOB]), NOW)
    of_the_others = rows(sums)
    ingest.write(send(*records), NOW)
    assert rows(sums) != of_the_others
    assert service.subject(ANN, "ops", NOW, dry_run=False).rows["embeddings"] == 15
    assert rows(sums) == of_the_others


def _activate_reference(engine: Engine, fit: Fit) -> None:
    with engine.begin() as connection:
        number = embedder_id(connection, fit.fingerprint, fit.dimension, None)
        source = Source("m", number, fit.fingerprint)
        window = Window(NOW - timedelta(days=2), NOW - timedelta(days=1))
        references.insert_reference(connection, source, "image", fit, window, 2000, blessed=True)
        references.next_epoch(connection)
