"""Blessing traffic and going back: through the command, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch
from monitor.domain.window import HOUR, Window
from monitor.errors import NotEnoughData, StoreUnavailable
from monitor.services.bless import Actor, activate, bless
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.ingest import IngestService
from monitor.services.references import ReferenceOptions
from monitor.services.sketches import SketchService
from monitor.store import references as store
from monitor.store.engine import transaction
from monitor.store.queries import drift as queries
from tests.integration.vector_traffic import PER_HOUR, START, Hours, vector_hours

REFERENCE = ReferenceOptions(HOUR, 500, 16 * HOUR, slice_dimensions=("device",), max_slice_values=10)
OPTIONS = DriftOptions(REFERENCE, alpha=0.01)
BY = Actor("ann", START)
Rows = Callable[..., list[Any]]
SKETCHES = "SELECT dimension, value, hour, n, sums FROM embedding_sketches WHERE reference_id = :id ORDER BY 1, 2, 3"


@pytest.fixture
def hours(engine: Engine, ingest: IngestService, send: Callable[..., Batch]) -> Hours:
    return vector_hours(engine, ingest, send)


def verdicts(rows: Rows, stream: str = "image") -> dict[datetime, str]:
    query = """
        SELECT tick, verdict FROM drift_results JOIN drift_references ON id = reference_id
        WHERE stream = :stream AND dimension = ''
    """
    return dict(rows(query, stream=stream))


def test_blessed_traffic_takes_the_place_of_the_provisional_reference(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 20)
    evaluate_drift(engine, OPTIONS, START + 18 * HOUR)
    hours(20, 40, centre=1.0)
    evaluate_drift(engine, OPTIONS, START + 39 * HOUR)
    assert verdicts(rows)[START + 39 * HOUR] == "drift"

    made = bless(engine, REFERENCE, "m", Window(START + 20 * HOUR, START + 38 * HOUR), ["image"], BY)
    assert [(one.stream, one.reference is not None) for one in made] == [("image", True)]
    assert rows("SELECT blessed, active FROM drift_references WHERE stream = 'image' ORDER BY id") == [
        (False, False), (True, True),
    ]  # fmt: skip
    evaluate_drift(engine, OPTIONS, START + 40 * HOUR)
    assert verdicts(rows)[START + 40 * HOUR] == "no_drift"
    assert rows("SELECT actor, action FROM audit_log") == [("ann", "bless reference")]


def test_a_changed_reference_sketches_what_is_retained_and_so_does_going_back(
    engine: Engine, hours: Hours, rows: Rows
) -> None:
    hours(0, 18)
    evaluate_drift(engine, OPTIONS, START + 17 * HOUR)
    [first] = rows("SELECT id FROM drift_references WHERE stream = 'image'")
    [made] = bless(engine, REFERENCE, "m", Window(START, START + 18 * HOUR), ["image"], BY)
    assert made.reference is not None
    hours(18, 20)  # not sketched under the former one
    assert sum(n for part, _, _, n, _ in rows(SKETCHES, id=made.reference.id) if not part) == 20 * PER_HOUR
    assert sum(n for part, _, _, n, _ in rows(SKETCHES, id=first) if not part) == 18 * PER_HOUR
    activate(engine, REFERENCE, first, BY)
    assert sum(n for part, _, _, n, _ in rows(SKETCHES, id=first) if not part) == 20 * PER_HOUR
    assert rows("SELECT id FROM drift_references WHERE active AND stream = 'image'") == [first]
    before = rows(SKETCHES, id=first)
    activate(engine, REFERENCE, first, BY)
    assert rows(SKETCHES, id=first) == before


def test_what_cannot_be_blessed_is_told_and_changes_nothing(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 20)
    for fault, arguments in {
        r"of 15 h is too short: 16 windows of 1 h \(drift.window\) are needed, 16 h in all": (
            "m",
            Window(START, START + 15 * HOUR),
            [],
        ),
        "there is no stream": ("m", Window(START, START + 18 * HOUR), ["pictures"]),
        "no predictions of": ("other", Window(START, START + 18 * HOUR), []),
    }.items():
        with pytest.raises(NotEnoughData, match=fault):
            bless(engine, REFERENCE, *arguments, BY)
    with pytest.raises(NotEnoughData, match="no reference 99"):
        activate(engine, REFERENCE, 99, BY)
    assert rows("SELECT count(*) FROM drift_references") == [0]
    made = bless(engine, REFERENCE, "m", Window(START, START + 18 * HOUR), ["image", "confidence", "margin"], BY)
    assert {one.stream: bool(one.reference) for one in made} == {"image": True, "confidence": True, "margin": False}
    assert "no prediction has" in next(one.reason for one in made if one.stream == "margin")


def test_the_command_blesses_lists_and_activates(
    engine: Engine, hours: Hours, rows: Rows, database_url: str, tmp_path: Path
) -> None:
    hours(0, 25)
    config = tmp_path / "snellen.toml"
    config.write_text('[drift]\nwindow = "PT1H"\nreference_span = "PT16H"\n')
    environment = {**os.environ, "SNELLEN_CONFIG": str(config), "SNELLEN_DATABASE_URL": database_url}

    def snellen(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "monitor.cli", "reference", *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    span = ["--since", "2026-11-17T00:00:00Z", "--until", "2026-11-18T00:00:00Z"]
    status, said = snellen("create", "--model", "m", *span)
    assert status == 0, said
    assert "image            reference 1" in said
    assert "none: no prediction has what the stream needs" in said
    bless(engine, REFERENCE, "m", Window(START, START + 24 * HOUR), ["image"], BY)
    status, said = snellen("list")
    assert status == 0
    assert said.count("blessed") == rows("SELECT count(*) FROM drift_references WHERE active")[0]
    assert snellen("activate", "1", "--by", "bob")[0] == 0
    assert rows("SELECT id FROM drift_references WHERE stream = 'image' AND active") == [1]
    assert rows("SELECT actor FROM audit_log WHERE action = 'activate reference'") == ["bob"]


def test_a_season_is_learnt_from_blessed_days_and_is_no_drift(
    engine: Engine, ingest: IngestService, hours: Hours, rows: Rows
) -> None:
    """Nights differ from days by two standard deviations; the reference knows the hours."""
    for day in range(5):
        hours(24 * day, 24 * day + 12, per_hour=25)
        hours(24 * day + 12, 24 * day + 24, per_hour=25, centre=2.0)
    two_hours = replace(REFERENCE, window=2 * HOUR)
    made = bless(engine, two_hours, "m", Window(START, START + 96 * HOUR), ["image"], BY)
    assert made[0].reference is not None
    assert made[0].reference.fit.season is not None
    for hour in (102, 114):  # the middle of the fifth day's halves
        evaluate_drift(engine, DriftOptions(two_hours, alpha=0.01), START + hour * HOUR)
    assert set(verdicts(rows).values()) == {"no_drift"}


def test_a_new_encoder_is_a_new_baseline_and_says_so(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 20)
    evaluate_drift(engine, OPTIONS, START + 20 * HOUR)
    hours(20, 26, centre=3.0, embedder="clip@2")
    evaluate_drift(engine, OPTIONS, START + 26 * HOUR)
    found = rows(
        "SELECT verdict, detail ->> 'reason' FROM drift_results JOIN drift_references ON id = reference_id "
        "WHERE stream = 'image' AND dimension = '' AND tick = :tick",
        tick=START + 26 * HOUR,
    )
    [(verdict, reason)] = found
    assert verdict == "not_enough_reference"
    assert "clip@2" in reason
    assert "no drift" in reason
    hours(26, 40, centre=3.0, embedder="clip@2")
    evaluate_drift(engine, OPTIONS, START + 40 * HOUR)
    with transaction(engine) as connection:
        newest = next(one for one in queries.references(connection, "m") if one.stream == "image")
        [finding] = [
            one for one in queries.findings(connection, Window(START + 39 * HOUR, START + 41 * HOUR), "m")
            if one.stream == "image"
        ]  # fmt: skip
    assert (newest.embedder, newest.replaces) == ("clip@2", "clip@1")
    assert finding.reference_id == newest.id
    assert finding.verdict == "no_drift"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM drift_results WHERE verdict = 'drift'")).scalar_one() == 0


def test_only_batches_with_vectors_wait_while_references_change(
    engine: Engine,
    ingest: IngestService,
    hours: Hours,
    send: Callable[..., Batch],
    prediction: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.store.offsets.LOCK_LIMIT", "200ms")
    service = IngestService(engine, ingest._options, SketchService(engine, ("device",), 10).update)
    with transaction(engine) as connection:
        store.next_epoch(connection)
        found = service.write(send(prediction("r1")), datetime(2026, 11, 20, 12, tzinfo=UTC))
        assert found == {("t", "accepted"): 1}
        with pytest.raises(StoreUnavailable):
            hours(0, 1)
