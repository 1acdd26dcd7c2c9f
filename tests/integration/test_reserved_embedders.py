"""Names of embedders that are Snellen's own: what records claim under them keeps nobody from work."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch
from monitor.domain.window import HOUR
from monitor.errors import SnellenError, StoreError
from monitor.formats import FORMATS, FormatOptions
from monitor.services import cold_start, evaluation
from monitor.services.evaluate_drift import evaluate_drift
from monitor.services.evaluation import Evaluation, evaluate_hour
from monitor.services.ingest import IngestService
from monitor.services.references import make_of_vectors
from monitor.store.engine import downgrade, migrate
from monitor.streams import FIELD_STREAMS, OWN, VECTOR_STREAMS, fingerprint, image_quality
from tests.integration.conftest import NOW
from tests.integration.plain_embedding import embed_service
from tests.integration.test_embed_pairs import PlainEncoder, sides
from tests.integration.test_evaluate_drift import OPTIONS, START, WATCHED, Traffic

Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
OIP = FORMATS["oip"](FormatOptions(task="vqa"))
CONFIDENCE = fingerprint(FIELD_STREAMS["confidence"])


def vector(embedder: str, length: int) -> list[dict[str, Any]]:
    data = base64.b64encode(np.ones(length, "<f2").tobytes()).decode()
    return [{"kind": "image", "embedder": embedder, "dtype": "f2", "data": data}]


def claim(engine: Engine, *names: str, length: int = 77) -> None:
    """As records did before these names were refused."""
    with engine.begin() as connection:
        for name in names:
            values = {"name": name, "length": length}
            connection.execute(text("INSERT INTO embedders (fingerprint, dimension) VALUES (:name, :length)"), values)


def test_all_that_is_our_own_and_no_encoder_has_a_name_that_records_may_not_use() -> None:
    own = [stream.embedder for stream in VECTOR_STREAMS.values() if stream.embedder]
    assert all(name.startswith(OWN) for name in (*own, *map(fingerprint, FIELD_STREAMS.values())))


@pytest.mark.parametrize("name", [image_quality.FINGERPRINT, CONFIDENCE, f"{OWN}anything"])
@pytest.mark.parametrize("replay", [None, "old log"])
def test_a_record_that_names_one_of_ours_is_refused_and_its_neighbours_are_stored(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, name: str, replay: str | None
) -> None:
    theirs = vector("clip@1", 4)
    several = vector("clip@1", 4) + vector(name, 9)
    events = [prediction("a", embeddings=theirs), prediction("b", embeddings=several), prediction("c")]
    ingest.write(send(*events, replay=replay), NOW)
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["a", "c"]
    assert rows("SELECT fingerprint FROM embedders") == ["clip@1"]
    [(reason, detail)] = rows("SELECT reason, detail FROM dead_letters")
    assert reason == "invalid"
    assert f"embedder '{name}' has a name of Snellen's own (snellen/...)" in detail


def test_names_like_ours_are_not_ours(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    names = ["snellen-small@f2e60d86f5b6", "my-snellen/1", "Snellen"]
    events = [prediction(name, embeddings=vector(name, 4)) for name in names]
    ingest.write(send(*events), NOW)
    assert rows("SELECT count(*) FROM embeddings") == [3]


def test_a_name_that_records_claimed_before_keeps_no_picture_from_being_embedded(
    engine: Engine,
    send: Send,
    rows: Rows,
) -> None:
    """Neither that of the encoder, which records may use, nor one that they may not."""
    claim(engine, image_quality.FINGERPRINT, PlainEncoder.fingerprint)
    outcome = embed_service(engine, OIP).write(send(*sides("a")), NOW)
    assert outcome.vectors == 3
    query = "SELECT fingerprint, dimension, kind FROM embeddings JOIN embedders ON id = embedder_id ORDER BY 3"
    assert rows(query) == [
        (PlainEncoder.fingerprint, PlainEncoder.dimension, "answer"),
        (PlainEncoder.fingerprint, PlainEncoder.dimension, "image"),
        (image_quality.FINGERPRINT, len(image_quality.QUALITY_UNITS), image_quality.KIND),
        (PlainEncoder.fingerprint, PlainEncoder.dimension, "prompt"),
    ]


def test_records_are_held_to_the_length_that_is_known_beside_ours(
    engine: Engine,
    ingest: IngestService,
    send: Send,
    prediction: Build,
    rows: Rows,
) -> None:
    """What claimed the encoder's name goes on under a number of its own: no vector of ours is among them."""
    first, again, other, ours = (
        prediction(name, embeddings=vector(PlainEncoder.fingerprint, length))
        for name, length in [("first", 77), ("again", 77), ("other", 5), ("ours", PlainEncoder.dimension)]
    )
    ingest.write(send(first), NOW)
    embed_service(engine, OIP).write(send(*sides("a")), NOW)
    IngestService(engine, ingest._options, ingest._sketch).write(send(again, other, ours), NOW)
    query = "SELECT request_id, embedder_id, vector_dims(vector) FROM embeddings WHERE request_id <> 'a' ORDER BY 1"
    assert rows(query) == [
        ("again", 1, 77), ("first", 1, 77), ("ours", 2, PlainEncoder.dimension),
    ]  # fmt: skip
    assert "length 77, not 5" in rows("SELECT detail FROM dead_letters")[0]


def test_a_name_that_records_claimed_before_keeps_no_model_from_its_references(
    engine: Engine, send: Send, rows: Rows
) -> None:
    traffic = Traffic(engine)
    claim(engine, *map(fingerprint, FIELD_STREAMS.values()), image_quality.FINGERPRINT)
    traffic.hours(0, 34)
    assert evaluate_drift(engine, OPTIONS, START + 33 * HOUR)
    assert rows("SELECT stream FROM drift_references WHERE active ORDER BY 1") == list(WATCHED)
    number, length = rows("SELECT max(id), min(dimension) FROM embedders WHERE fingerprint = 'snellen/metadata@1'")[0]
    assert length == FIELD_STREAMS["metadata"].dimension != 77
    assert rows("SELECT embedder_id FROM drift_references WHERE stream = 'metadata'") == [number]


def test_a_source_of_which_no_reference_can_be_made_hides_no_other(
    engine: Engine, rows: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of another model, of the same model's fields, and what is compared and estimated after them."""
    traffic = Traffic(engine)
    for model in ("a", "m", "z"):
        traffic.hours(0, 34, model=model)

    def only_others(engine: Engine, options: Any, source: Any, *rest: Any, **more: Any) -> Any:
        if source.model == "a":
            raise SnellenError("no reference of this one")
        return make_of_vectors(engine, options, source, *rest, **more)

    estimated: list[object] = []
    monkeypatch.setattr(cold_start, "make_of_vectors", only_others)
    monkeypatch.setattr(evaluation, "estimate_last_day", lambda *_: estimated.append(1))
    with pytest.raises(SnellenError, match="no reference of this one"):
        evaluate_hour(Evaluation(engine, [], OPTIONS), START + 33 * HOUR)
    made = [("a", "metadata"), *((model, stream) for model in "mz" for stream in WATCHED)]
    assert rows("SELECT model, stream FROM drift_references WHERE active ORDER BY 1, 2") == made
    compared = (
        "SELECT DISTINCT model, stream FROM drift_results JOIN drift_references ON id = reference_id ORDER BY 1, 2"
    )
    assert rows(compared) == made
    assert estimated == [1]
    assert "failed: references of a's vectors by clip@1: no reference of this one" in caplog.text


def test_labels_that_cannot_be_scored_hide_no_drift_and_nothing_is_estimated_of_them(
    engine: Engine, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Traffic(engine).hours(0, 34)
    estimated: list[object] = []

    def fail(*_: object) -> None:
        raise StoreError("no scores today")

    monkeypatch.setattr(evaluation, "score_labels", fail)
    monkeypatch.setattr(evaluation, "estimate_last_day", lambda *_: estimated.append(1))
    with pytest.raises(StoreError, match="no scores today"):
        evaluate_hour(Evaluation(engine, [], OPTIONS), START + 33 * HOUR)
    assert rows("SELECT count(*) FROM drift_results WHERE dimension = ''") == [len(WATCHED)]
    assert not estimated


def test_going_back_to_the_schema_before_keeps_both(engine: Engine, database_url: str, rows: Rows) -> None:
    claim(engine, CONFIDENCE)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO embedders (fingerprint, dimension, detail) VALUES (:name, 1, '{}')"), {"name": CONFIDENCE}
        )
    downgrade(database_url, "0023")
    assert rows("SELECT fingerprint FROM embedders ORDER BY id") == [f"{CONFIDENCE} of length 77", CONFIDENCE]
    migrate(database_url)
