"""A stored reference that cannot be read stops what needs it, by name, and nothing else; and it can be made anew."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.domain.window import DAY, HOUR, Window
from monitor.drift.archive import pack, unpack
from monitor.errors import FingerprintMismatch, SnellenError, UnreadableState
from monitor.privacy import Subjects
from monitor.services import evaluation
from monitor.services.bless import Actor, activate, bless
from monitor.services.cold_start import make_provisional
from monitor.services.erase import EraseService
from monitor.services.evaluate_drift import evaluate_drift
from monitor.services.evaluation import Evaluation, evaluate_hour
from monitor.services.ingest import IngestService
from monitor.services.sketches import SketchService
from monitor.store import locks
from tests.integration.conftest import NOW, make_service
from tests.integration.test_evaluate_drift import OPTIONS, START, WATCHED, Traffic
from tests.integration.test_gathering import SUMS, expected
from tests.pace import wait_for

REFERENCE = OPTIONS.reference
BY = Actor("ann", START)
SPAN = Window(START, START + 32 * HOUR)
TICK = START + 36 * HOUR
Rows = Callable[..., list[Any]]
Build = Callable[..., dict[str, Any]]
ACTIVE = "SELECT model, stream FROM drift_references WHERE active ORDER BY 1, 2"
COMPARED = """
    SELECT DISTINCT model, stream FROM drift_results JOIN drift_references ON id = reference_id
    WHERE tick = :tick ORDER BY 1, 2
"""
DAMAGES = {
    "cut": lambda fit: fit[: len(fit) // 2],
    "turned": lambda fit: fit[:700] + bytes([fit[700] ^ 1]) + fit[701:],
    "empty": lambda _: b"",
}
"""What may have become of a fit's bytes."""


def of_another_version(fit: bytes) -> bytes:
    facts, arrays = unpack(fit, "snellen fit 2")
    del facts["kind"]
    return pack("snellen fit 3", facts, arrays)


@pytest.fixture
def traffic(engine: Engine) -> Traffic:
    return Traffic(engine)


def change(engine: Engine, model: str, stream: str, how: Callable[[bytes], bytes]) -> int:
    """Change the stored fit of the active reference; returns its number."""
    chosen = {"model": model, "stream": stream}
    with engine.begin() as connection:
        number, fit = connection.execute(
            text("SELECT id, fit FROM drift_references WHERE model = :model AND stream = :stream AND active"), chosen
        ).one()
        connection.execute(
            text("UPDATE drift_references SET fit = :fit WHERE id = :id"), {"id": number, "fit": how(bytes(fit))}
        )
    return int(number)


def refuses_to_activate(engine: Engine, number: int) -> None:
    with pytest.raises(UnreadableState, match=f"reference {number} "):
        activate(engine, REFERENCE, number, BY)
    with engine.connect() as connection:  # PostgreSQL ends the session that had it in a moment
        wait_for(lambda: not locks.is_held(connection, locks.REFERENCES), 30, "references may be changed again")


def watched(*models: str) -> list[tuple[str, str]]:
    return [(model, stream) for model in models for stream in WATCHED]


# ---- the scheduler --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stream", "how"), [("image", "cut"), ("metadata", "turned"), ("prompt", "empty")])
def test_only_what_is_compared_with_it_is_not_compared(
    engine: Engine,
    traffic: Traffic,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    stream: str,
    how: str,
) -> None:
    """The model's other streams are, so are other models; others get their first references, accuracy is estimated."""
    estimated: list[object] = []
    monkeypatch.setattr(evaluation, "estimate_last_day", lambda *_: estimated.append(1))
    for model in ("a", "m"):
        traffic.hours(0, 36, model=model)
    evaluate_drift(engine, OPTIONS, TICK)
    traffic.hours(0, 38, model="z")
    for model in ("a", "m"):
        traffic.hours(36, 38, model=model)
    number = change(engine, "a", stream, DAMAGES[how])
    with pytest.raises(UnreadableState, match=rf"reference {number} \(a, {stream}, .*`snellen reference create`"):
        evaluate_hour(Evaluation(engine, [], OPTIONS), TICK + 2 * HOUR)
    assert rows(ACTIVE) == watched("a", "m", "z")
    lacks = [("a", stream)]
    assert rows(COMPARED, tick=TICK + 2 * HOUR) == sorted({*watched("a", "m", "z")} - {*lacks})
    assert estimated == [1]
    assert f"failed: looking at reference {number} (a, {stream}, " in caplog.text


def test_no_other_reference_takes_its_place_unasked(engine: Engine, traffic: Traffic, rows: Rows) -> None:
    """Not at midnight either, when streams that have none are tried again."""
    traffic.hours(0, 48)
    evaluate_drift(engine, OPTIONS, TICK)
    number = change(engine, "m", "image", DAMAGES["cut"])
    change(engine, "m", "metadata", DAMAGES["cut"])
    before = rows("SELECT id FROM drift_references ORDER BY 1")
    assert make_provisional(engine, REFERENCE, START + 2 * DAY) == 0
    assert rows("SELECT id FROM drift_references ORDER BY 1") == before
    assert number in before


def test_it_is_told_also_where_nothing_came_that_it_could_be_compared_with(engine: Engine, traffic: Traffic) -> None:
    traffic.hours(0, 36)
    evaluate_drift(engine, OPTIONS, TICK)
    change(engine, "m", "image", DAMAGES["cut"])
    with pytest.raises(UnreadableState):
        evaluate_drift(engine, OPTIONS, TICK + 5 * HOUR)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("drift_baselines SET dispersion = substr(dispersion, 1, 200) WHERE value = 'cam-1'", UnreadableState),
        ("drift_baselines SET baseline = substr(baseline, 1, 40) WHERE value = 'cam-1'", UnreadableState),
        ("drift_baselines SET baseline = set_byte(baseline, 5, get_byte(baseline, 5) # 1)", FingerprintMismatch),
        ("embedding_sketches SET sums = sums[1:7] WHERE value = 'cam-1'", UnreadableState),
        ("embedding_sketches SET sums[7] = NULL WHERE value = 'cam-1'", UnreadableState),
    ],
    ids=["dispersion", "cut baseline", "baseline", "cut sums", "lost sum"],
)
def test_what_is_damaged_of_one_stream_hides_no_other(
    engine: Engine, traffic: Traffic, rows: Rows, damage: str, fault: type[SnellenError]
) -> None:
    for model in ("a", "m"):
        traffic.hours(0, 36, model=model)
    evaluate_drift(engine, OPTIONS, TICK - HOUR)
    table, condition = damage.split(" ", 1)
    of_stream = "(SELECT id FROM drift_references WHERE model = 'a' AND stream = 'image')"
    with engine.begin() as connection:
        joint = "AND" if "WHERE" in condition else "WHERE"
        connection.execute(text(f"UPDATE {table} {condition} {joint} reference_id = {of_stream}"))
    with pytest.raises(fault):
        evaluate_drift(engine, OPTIONS, TICK)
    assert rows(COMPARED, tick=TICK) == sorted({*watched("a", "m")} - {("a", "image")})


# ---- who looks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "drift_references SET fit = substr(fit, 1, 400) WHERE active AND model = 'a' AND stream = 'image'",
        "drift_baselines SET baseline = substr(baseline, 1, 40) WHERE reference_id = "
        "(SELECT id FROM drift_references WHERE model = 'a' AND stream = 'image')",
    ],
    ids=["fit", "slice"],
)
def test_the_list_shows_it_with_the_reason_and_what_to_do(
    engine: Engine,
    traffic: Traffic,
    rows: Rows,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    for model in ("a", "m"):
        traffic.hours(0, 36, model=model)
    evaluate_drift(engine, OPTIONS, TICK)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {damage}"))
    [number] = rows("SELECT id FROM drift_references WHERE model = 'a' AND stream = 'image'")
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(app, ["reference", "list"]).output.splitlines()
    assert [line.split()[:3] for line in listed if "damaged  " in line] == [[str(number), "a", "image"]]
    [told] = [line for line in listed if line.startswith(f"reference {number} is compared with nothing: ")]
    assert "`snellen reference create` makes it anew" in told
    plain = [json.loads(line) for line in CliRunner().invoke(app, ["reference", "list", "--json"]).output.splitlines()]
    assert [one["number"] for one in plain if one["damaged"]] == [number]


# ---- who stores vectors ---------------------------------------------------------------------------------------------


def test_vectors_are_stored_and_sketched_under_all_others(
    engine: Engine, traffic: Traffic, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """And what is taken up again in its place has counted all of them once; so has itself, when it is mended."""
    traffic.hours(0, 36)
    evaluate_drift(engine, OPTIONS, TICK)
    others = rows("SELECT id FROM drift_references WHERE stream IN ('agreement', 'prompt')")
    [former] = rows("SELECT id FROM drift_references WHERE stream = 'image'")
    bless(engine, REFERENCE, "m", SPAN, ["image"], BY)
    [fit] = rows("SELECT fit FROM drift_references WHERE stream = 'image' AND active")
    number = change(engine, "m", "image", DAMAGES["cut"])
    frozen = rows(SUMS, id=number)
    traffic.hours(36, 37)
    assert rows("SELECT count(*) FROM embeddings WHERE kind = 'image'") == rows("SELECT count(*) FROM predictions")
    for one in others:
        assert rows(SUMS, id=one) == expected(engine, one)
    assert rows(SUMS, id=number) == frozen
    told = [one.message for one in caplog.records if "nothing is sketched under" in one.message]
    assert len(told) == 1
    assert f"reference {number} (m, image, clip@1)" in told[0]
    traffic.hours(37, 38)
    assert sum("nothing is sketched under" in one.message for one in caplog.records) == 1

    refuses_to_activate(engine, number)
    activate(engine, REFERENCE, former, BY)
    assert rows(SUMS, id=former) == expected(engine, former)
    refuses_to_activate(engine, number)
    assert rows("SELECT id FROM drift_references WHERE stream = 'image' AND active") == [former]
    assert rows(SUMS, id=number) == frozen
    with engine.begin() as connection:
        connection.execute(text("UPDATE drift_references SET fit = :fit WHERE id = :id"), {"fit": fit, "id": number})
    activate(engine, REFERENCE, number, BY)
    assert rows(SUMS, id=number) == expected(engine, number)


@pytest.mark.parametrize("stream", ["image", "metadata"], ids=["of vectors", "of fields"])
def test_it_is_made_anew(engine: Engine, traffic: Traffic, rows: Rows, stream: str) -> None:
    traffic.hours(0, 36)
    evaluate_drift(engine, OPTIONS, TICK)
    change(engine, "m", stream, DAMAGES["cut"])
    traffic.hours(36, 37)
    [made] = [one for one in bless(engine, REFERENCE, "m", SPAN, [stream], BY) if one.stream == stream]
    assert made.reference is not None
    traffic.hours(37, 38)
    if stream == "image":
        assert rows(SUMS, id=made.reference.id) == expected(engine, made.reference.id)
    assert evaluate_drift(engine, OPTIONS, TICK + 2 * HOUR)
    assert rows(COMPARED, tick=TICK + 2 * HOUR) == watched("m")


def test_one_of_another_version_stops_who_stores_its_vectors_and_nobody_else(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    """That version compares with what we would leave out. Nothing is lost: it is read again."""
    for model in ("a", "m"):
        traffic.hours(0, 36, model=model)
    evaluate_drift(engine, OPTIONS, TICK)
    number = change(engine, "a", "image", of_another_version)
    traffic.hours(36, 37, model="m")
    before = rows("SELECT count(*) FROM predictions")
    with pytest.raises(UnreadableState, match=f"reference {number} "):
        traffic.hours(36, 37, model="a")
    assert rows("SELECT count(*) FROM predictions") == before
    with pytest.raises(UnreadableState, match=f"reference {number} "):
        evaluate_drift(engine, OPTIONS, TICK + HOUR)
    assert rows(COMPARED, tick=TICK + HOUR) == sorted({*watched("a", "m")} - {("a", "image")})


# ---- who erases -----------------------------------------------------------------------------------------------------


def test_who_is_not_in_its_sums_is_erased_and_who_may_be_is_not_before_it_is_made_anew(
    engine: Engine, send: Callable[..., Batch], prediction: Build, rows: Rows
) -> None:
    sketches = SketchService(engine, ("device",), 10)
    eraser = EraseService(engine, Subjects(("extra.user_id",)), sketches)
    service = IngestService(engine, make_service(engine)._options, sketches.update)
    traffic = Traffic(engine)
    for model in ("a", "m"):
        traffic.hours(0, 36, model=model)
    evaluate_drift(engine, OPTIONS, TICK)
    data = b64encode(np.ones(16, "<f2").tobytes()).decode()
    embeddings = [{"kind": "image", "embedder": "clip@1", "dtype": "f2", "data": data}]
    at = (TICK + timedelta(minutes=1)).isoformat()
    service.write(
        send(
            *(
                prediction(f"ann-of-{model}", model={"name": model}, ts=at, extra={"user_id": f"ann {model}"},
                           embeddings=embeddings)
                for model in ("a", "m")
            )
        ),
        NOW,
    )  # fmt: skip
    number = change(engine, "a", "image", DAMAGES["cut"])
    assert eraser.requests(["ann-of-m"], "ops", NOW, dry_run=False).rows["embeddings"] == 1
    with pytest.raises(UnreadableState, match=f"reference {number} "):
        eraser.requests(["ann-of-a"], "ops", NOW, dry_run=False)
    assert rows("SELECT request_id FROM embeddings WHERE request_id LIKE 'ann%'") == ["ann-of-a"]
    bless(engine, REFERENCE, "a", SPAN, ["image"], BY)
    assert eraser.requests(["ann-of-a"], "ops", NOW, dry_run=False).rows["embeddings"] == 1
    for one in rows("SELECT id FROM drift_references WHERE active AND model = 'm' AND stream = 'image'"):
        assert [cell for cell in rows(SUMS, id=one) if cell[3]] == expected(engine, one)
