"""Streams of fields on a real PostgreSQL: sketched when they are needed, from what is stored, however late it came."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from monitor import bootstrap
from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.domain.window import HOUR, MINUTE, Window
from monitor.errors import NotEnoughData
from monitor.privacy import Subjects
from monitor.services.bless import Actor, bless
from monitor.services.erase import EraseService
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.ingest import IngestService
from monitor.services.references import ReferenceOptions
from monitor.services.report_drift import report_drift
from monitor.services.sketches import SketchService
from monitor.store import observations
from monitor.store.engine import transaction
from monitor.store.queries import drift

START = datetime(2026, 11, 18, tzinfo=UTC)
SPAN = 34
OPTIONS = DriftOptions(
    ReferenceOptions(timedelta(hours=2), 500, SPAN * HOUR, slice_dimensions=("device",), max_slice_values=10),
    alpha=0.01,
)
PER_HOUR = 60
FIELDS = {"answer_mix", "answer_text", "confidence", "margin", "metadata", "prompt_text"}
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
Hours = Callable[..., None]


@pytest.fixture
def hours(ingest: IngestService, send: Send) -> Hours:
    """Stores hours of traffic, in which the confidence or the wording may change."""
    rng = np.random.default_rng(3)

    def store(
        first: int, last: int, *, run: str = "a", sure: float = 0.7, longer: bool = False, masked: float | None = None
    ) -> None:
        events = []
        for number in range((last - first) * PER_HOUR):
            confidence = float(np.clip(rng.normal(sure, 0.1), 0, 1))
            prompt = f"How many {rng.choice(['mugs', 'cars', 'birds'])} are there"
            event = {
                "schema": "prediction/v1", "request_id": f"{run}-{first}-{number}", "task": "vqa", "status": "ok",
                "ts": (START + first * HOUR + number * HOUR / PER_HOUR).isoformat(),
                "model": {"name": "m", "version": "v1"},
                "slices": {"device": f"cam-{rng.integers(2)}"},
                "input": {"prompt": prompt + (", and please tell me in detail what they do?" if longer else "?")},
                "output": {
                    "answer": str(rng.choice(["one", "two", "three"])), "confidence": confidence,
                    "candidates": [
                        {"answer": "x", "score": confidence}, {"answer": "y", "score": float(rng.uniform(0, 0.2))},
                    ],
                },
            }  # fmt: skip
            events.append(event)
        if masked is not None:
            events[0]["output"]["candidates"][1]["score"] = masked
        ingest.write(send(*events), START + last * HOUR)

    return store


def drifted(rows: Rows, tick: datetime) -> set[str]:
    query = """
        SELECT DISTINCT stream FROM drift_results JOIN drift_references ON id = reference_id
        WHERE verdict = 'drift' AND tick = :tick
    """
    return set(rows(query, tick=tick))


def test_every_field_gets_a_provisional_reference_and_only_what_moved_drifts(
    engine: Engine, hours: Hours, rows: Rows
) -> None:
    hours(0, 38)
    evaluate_drift(engine, OPTIONS, START + 38 * HOUR)
    assert set(rows("SELECT stream FROM drift_references WHERE active AND NOT blessed")) == FIELDS
    assert drifted(rows, START + 38 * HOUR) == set()

    hours(38, 40, run="b", sure=0.5)
    evaluate_drift(engine, OPTIONS, START + 40 * HOUR)
    assert drifted(rows, START + 40 * HOUR) == {"confidence", "margin"}

    hours(40, 42, run="c", longer=True)
    evaluate_drift(engine, OPTIONS, START + 42 * HOUR)
    assert drifted(rows, START + 42 * HOUR) == {"prompt_text"}


@pytest.mark.parametrize("masked", [float(np.finfo(np.float32).min), -1e300], ids=["32 bits", "64 bits"])
def test_a_candidate_that_is_masked_out_stops_no_comparison(
    engine: Engine, hours: Hours, rows: Rows, masked: float
) -> None:
    hours(0, 36)
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    hours(36, 38, run="b", masked=masked)
    evaluate_drift(engine, OPTIONS, START + 38 * HOUR)
    compared = rows(
        "SELECT r.stream, d.n FROM drift_results d JOIN drift_references r ON r.id = reference_id "
        "WHERE d.dimension = '' AND d.tick = :tick",
        tick=START + 38 * HOUR,
    )
    assert dict(compared) == {stream: 2 * PER_HOUR - (stream == "margin") for stream in FIELDS}


def test_an_hour_is_sketched_again_when_more_has_come_and_not_otherwise(
    engine: Engine, hours: Hours, rows: Rows
) -> None:
    hours(0, 36)
    tick = START + 36 * HOUR
    evaluate_drift(engine, OPTIONS, tick)
    of_confidence = """
        SELECT n, sums FROM embedding_sketches JOIN drift_references r ON r.id = reference_id
        WHERE stream = 'confidence' AND dimension = '' ORDER BY hour
    """
    before = rows(of_confidence)
    assert [n for n, _ in before] == [PER_HOUR, PER_HOUR]
    evaluate_drift(engine, OPTIONS, tick)
    assert rows(of_confidence) == before
    hours(35, 36, run="late", sure=0.2)
    evaluate_drift(engine, OPTIONS, tick)
    after = rows(of_confidence)
    assert [n for n, _ in after] == [PER_HOUR, 2 * PER_HOUR]
    assert after[0] == before[0]


def test_a_hidden_field_makes_no_reference_and_one_that_comes_later_gets_its_own(
    engine: Engine, hours: Hours, rows: Rows
) -> None:
    hours(0, 36)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE predictions SET confidence = NULL WHERE ts < :until"), {"until": START + 20 * HOUR}
        )
        connection.execute(text("UPDATE predictions SET prompt = NULL"))
        connection.execute(text("UPDATE predictions SET answer = 'always the same'"))
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    assert set(rows("SELECT stream FROM drift_references")) == FIELDS - {"prompt_text", "answer_text", "answer_mix"}
    assert rows("SELECT rows FROM drift_references WHERE stream = 'confidence'") == [(SPAN - 20) * PER_HOUR]


def test_a_constant_stream_is_told_and_so_is_its_end(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 36)
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET prompt = 'Describe the picture.', answer = request_id"))
        connection.execute(text("UPDATE predictions SET confidence = 1"))
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    with engine.connect() as connection:
        found = {one.stream: one for one in drift.unfitted(connection, "m")}
        assert drift.unfitted(connection, "another") == []
    assert {name: (one.reason, one.constant_until) for name, one in found.items()} == {
        "prompt_text": ("constant in the reference: cannot be compared", START + SPAN * HOUR),
        "confidence": ("constant in the reference: cannot be compared", START + SPAN * HOUR),
        "answer_mix": ("nothing comes often enough to be counted by name: cannot be compared", None),
    }
    assert {(one.rows, one.compared_since) for one in found.values()} == {(SPAN * PER_HOUR, None)}

    hours(36, 48, run="b")
    midnight = START + 48 * HOUR
    evaluate_drift(engine, OPTIONS, midnight)
    with engine.connect() as connection:
        found = {one.stream: one for one in drift.unfitted(connection)}
    assert {name: (one.constant_until, one.compared_since) for name, one in found.items()} == {
        "prompt_text": (START + SPAN * HOUR, midnight),
        "confidence": (START + SPAN * HOUR, midnight),
    }, "answers are counted now, and were never constant"

    bless(engine, OPTIONS.reference, "m", Window(START, midnight), ["confidence"], Actor("ann", midnight))
    assert rows("SELECT stream FROM unfitted_streams") == ["prompt_text"], "somebody has looked at the other"


def test_the_command_names_streams_that_cannot_be_compared(
    engine: Engine, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(0, 36)
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET confidence = 1"))
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    monkeypatch.setenv("SNELLEN_CONFIG", os.devnull)
    monkeypatch.setattr(bootstrap, "open_store", lambda *_, **__: engine)
    said = CliRunner().invoke(app, ["reference", "list"]).output
    [line] = [one for one in said.splitlines() if "confidence" in one]
    reason, rows = "constant in the reference: cannot be compared", "2,040"
    assert re.split(r" {2,}", line) == ["none", "m", "confidence", reason, rows, "snellen/confidence@1"]


def test_categories_are_frozen_into_the_reference(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 36)
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    [answers] = rows("SELECT categories FROM drift_references WHERE stream = 'answer_mix'")
    assert sorted(answers) == ["one", "three", "two"]
    [metadata] = rows("SELECT categories FROM drift_references WHERE stream = 'metadata'")
    assert sorted(metadata) == ["device=cam-0", "device=cam-1", "task=vqa"]
    assert rows("SELECT categories FROM drift_references WHERE stream = 'confidence'") == [None]


def test_what_is_erased_leaves_the_sketches(engine: Engine, hours: Hours, rows: Rows) -> None:
    hours(0, 36)
    tick = START + 36 * HOUR
    evaluate_drift(engine, OPTIONS, tick)
    service = EraseService(engine, Subjects(()), SketchService(engine, ("device",), 10))
    last = rows("SELECT request_id FROM predictions WHERE ts >= '2026-11-19 11:00+00' ORDER BY ts LIMIT 25")
    assert service.requests(last, "ops", tick, dry_run=False).rows["embedding_sketches"] > 0
    evaluate_drift(engine, OPTIONS, tick)
    sketched = rows("SELECT DISTINCT n FROM embedding_sketches WHERE dimension = '' AND hour = '2026-11-19 11:00+00'")
    assert sketched == [PER_HOUR - 25]


def test_a_busy_hour_costs_no_more_and_is_drawn_from_all_of_its_minutes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS predictions_busy PARTITION OF predictions "
            "FOR VALUES FROM ('2026-11-18') TO ('2026-11-19')"
        )
        connection.exec_driver_sql(
            "INSERT INTO predictions (ts, request_id, model, version, variant, task, status, refused, safety_flagged, "
            "slices) SELECT timestamptz '2026-11-18 05:00+00' + n * interval '60 ms', 'r' || n, 'm', 'v', 'stable', "
            "'vqa', 'ok', false, false, '{}' FROM generate_series(0, 59999) AS n"
        )
    hour = START + 5 * HOUR
    with transaction(engine) as connection:
        found = observations.sample(connection, "m", hour, 60_000, 600)
        again = observations.sample(connection, "m", hour, 60_000, 600)
        few_are_stored = observations.sample(connection, "m", hour, 60_000_000, 600)
    assert found == again
    assert len(found) == len(few_are_stored) == 600
    per_minute = np.bincount([int((one.ts - hour) / MINUTE) for one in found], minlength=60)
    assert per_minute.min() >= 1  # 10 are expected of each
    assert per_minute.max() <= 25


def test_any_two_windows_are_reported_with_their_rows(
    engine: Engine, hours: Hours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(0, 2)
    hours(2, 3, run="b", longer=True)
    monkeypatch.setenv("SNELLEN_CONFIG", os.devnull)
    monkeypatch.setattr(bootstrap, "open_store", lambda *_, **__: engine)
    windows = [
        "--reference", "2026-11-18T00:00Z/2026-11-18T02:00Z", "--current", "2026-11-18T02:00Z/2026-11-18T03:00Z",
    ]  # fmt: skip
    out = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", "drift", "--model", "m", *windows, "--out", str(out)])
    assert done.exit_code == 0, done.output
    page = out.read_text()
    assert f"({2 * PER_HOUR} rows); current" in page
    assert f"({PER_HOUR} rows)" in page
    for column in ("confidence", "margin", "latency_ms", "slice device", "answer", "prompt: characters"):
        assert (f'"{column}"' in page) is (column != "latency_ms")  # which this traffic does not tell
    for wrong in ("2026-11-18T02:00Z", "2026-11-18T02:00/2026-11-18T03:00", "2026-11-18T04:00Z/2026-11-18T03:00Z"):
        windows[3] = wrong
        assert CliRunner().invoke(app, ["report", "drift", "--model", "m", *windows, "--out", str(out)]).exit_code == 2
    with pytest.raises(NotEnoughData):
        report_drift(engine, "other", Window(START, START + 2 * HOUR), Window(START + 2 * HOUR, START + 3 * HOUR))
