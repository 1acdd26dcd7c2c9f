"""What the embed service does with a batch, on a real PostgreSQL and a real open_clip model."""

from __future__ import annotations

import base64
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import torch
from pgvector import HalfVector
from safetensors.torch import save_file
from sqlalchemy import Connection, Engine, text

from monitor.domain.records import Batch, Partition
from monitor.embedding.embedder import Embedder
from monitor.embedding.encoder import Encoder
from monitor.embedding.images import ImageOpener
from monitor.errors import Fenced, FingerprintMismatch, StoreError
from monitor.formats import FormatOptions, native
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.sampling import selected
from monitor.services.draw_labels import LabelDesign
from monitor.services.embed import EMBED_KEY, EmbedOptions, EmbedOutcome, EmbedService
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.store.embeddings import EmbeddedPrediction, embedder_id, insert_embeddings
from monitor.store.partitions import MAX_DAYS, ensure_days
from monitor.streams import image_quality

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ARCHITECTURE = Path(__file__).parents[2] / "demo/clip/model/open_clip_config.json"
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Make = Callable[..., EmbedService]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The demo's architecture with random weights: these tests ask what becomes of vectors, not what they mean."""
    folder = tmp_path_factory.mktemp("model")
    shutil.copy(ARCHITECTURE, folder)
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return Encoder(f"local-dir:{folder}")


@pytest.fixture
def sketched() -> list[EmbeddedPrediction]:
    """What was handed to the sketches."""
    return []


@pytest.fixture
def make(engine: Engine, encoder: Encoder, tmp_path: Path, sketched: list[EmbeddedPrediction]) -> Make:
    opener = ImageOpener([tmp_path], max_bytes=100_000, max_pixels=100_000)

    def build(sketch: Any = None, **changes: Any) -> EmbedService:
        options = EmbedOptions(
            group="g",
            decoders={"t": native.decoder(FormatOptions())},
            limits=Limits(max_record_bytes=1024 * 1024, max_future=timedelta(minutes=5), max_age=timedelta(days=30)),
            sample_rate=1.0,
            pair_patience=timedelta(minutes=5),
            privacy=Privacy(Redactor(PrivacyOptions()), Subjects(())),
            store_rate=1.0,
            max_models=200,
            labels=LabelDesign(),
        )
        options = replace(options, **changes)
        return EmbedService(
            engine, Embedder(encoder, opener.open), options, sketch or (lambda _, rows: sketched.extend(rows))
        )

    return build


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Saves a picture and returns the `input` that names it."""

    def save(colour: str) -> dict[str, Any]:
        PIL.Image.new("RGB", (80, 60), colour).save(tmp_path / f"{colour}.png")
        return {"image": {"ref": f"{colour}.png"}, "prompt": "What colour is it?"}

    return save


def stored(rows: Rows) -> dict[tuple[str, str], np.ndarray]:
    found = rows("SELECT request_id, kind, vector::text FROM embeddings")
    return {(name, kind): HalfVector.from_text(vector).to_numpy().astype(np.float32) for name, kind, vector in found}


def test_picture_prompt_and_answer_are_stored_under_the_fingerprint(
    make: Make, send: Send, prediction: Build, picture: Any, rows: Rows, encoder: Encoder, tmp_path: Path
) -> None:
    outcome = make().write(send(prediction("a", input=picture("red"))), NOW)
    assert outcome == EmbedOutcome(carried=0, unsampled=0, embedded=1, vectors=3, refused_images=outcome.refused_images)
    assert not outcome.refused_images
    assert rows("SELECT fingerprint, dimension, detail->>'weights' FROM embedders") == [
        (encoder.fingerprint, 128, encoder.detail["weights"]),
        (image_quality.FINGERPRINT, 9, None),
    ]
    moment = datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
    assert rows("SELECT DISTINCT ts, embedder_id FROM embeddings ORDER BY 2") == [(moment, 1), (moment, 2)]
    vectors = stored(rows)
    measured = vectors.pop(("a", image_quality.KIND))
    names = list(image_quality.QUALITY_UNITS)
    assert measured[names.index("size")] == pytest.approx(math.log(80 * 60), abs=5e-3)
    assert measured[names.index("brightness")] * 0.1 == pytest.approx(0.299, abs=1e-3)
    with PIL.Image.open(tmp_path / "red.png") as red:
        expected = {"image": encoder.encode_images([red])[0]}
    expected["prompt"], expected["answer"] = encoder.encode_texts(["What colour is it?", "a mug"])
    assert vectors.keys() == {("a", kind) for kind in expected}
    for kind, vector in expected.items():
        np.testing.assert_allclose(vectors["a", kind], vector, atol=2e-3)
        assert np.linalg.norm(vectors["a", kind]) == pytest.approx(1, abs=1e-3)


def test_the_offset_moves_in_the_same_transaction(make: Make, send: Send, prediction: Build, rows: Rows) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no sketch today")

    batch = send(prediction("a"))
    with pytest.raises(StoreError):
        make(fail).write(batch, NOW)
    assert rows("SELECT next_offset FROM stream_offsets") == [0]
    assert rows("SELECT count(*) FROM embeddings") == [0]
    make().write(batch, NOW)
    assert rows("SELECT next_offset FROM stream_offsets") == [1]
    assert rows("SELECT count(*) FROM embeddings") == [2]


def test_a_batch_that_was_stored_is_fenced(
    make: Make, send: Send, prediction: Build, sketched: list[EmbeddedPrediction]
) -> None:
    batch = send(prediction("a"))
    make().write(batch, NOW)
    with pytest.raises(Fenced):
        make().write(batch, NOW)
    assert len(sketched) == 1


def test_the_same_predictions_again_change_nothing_and_are_not_sketched_again(
    make: Make, send: Send, prediction: Build, rows: Rows, sketched: list[EmbeddedPrediction]
) -> None:
    events = [prediction("a"), prediction("b"), prediction("a")]
    assert make().write(send(*events), NOW).embedded == 2
    before = rows("SELECT *, vector::text FROM embeddings ORDER BY 2, 3")
    assert make().write(send(*events), NOW).embedded == 0
    assert rows("SELECT *, vector::text FROM embeddings ORDER BY 2, 3") == before
    assert [row.request_id for row in sketched] == ["a", "b"]


def test_sketches_get_the_vectors_as_they_are_stored_and_the_slices(
    make: Make,
    send: Send,
    prediction: Build,
    picture: Any,
    rows: Rows,
    sketched: list[EmbeddedPrediction],
    encoder: Encoder,
) -> None:
    make().write(
        send(prediction("a", input=picture("red"), model={"name": "m", "version": "v2", "variant": "canary"})), NOW
    )
    row, measured = sketched
    assert (measured.fingerprint, set(measured.vectors)) == (image_quality.FINGERPRINT, {image_quality.KIND})
    assert (row.model, row.version, row.variant, row.task, row.slices) == (
        "m",
        "v2",
        "canary",
        "vqa",
        {"device": "cam-1"},
    )
    assert (row.fingerprint, row.embedder_id) == (encoder.fingerprint, 1)
    vectors = {**row.vectors, **measured.vectors}
    for (_, kind), vector in stored(rows).items():
        np.testing.assert_array_equal(vectors[kind], vector)
        assert vectors[kind].dtype == np.float32


def test_other_content_under_a_known_id_leaves_the_first(
    make: Make, ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """Contradictions, within a batch or with what ingest stored, also under another time, are dead letters there."""
    other = Partition("cluster", "t", "22222222-2222-2222-2222-222222222222", 0)
    first = prediction("a")
    ingest.write(send(first, partition=other), NOW)
    changed = prediction("a", output={"answer": "a dog"})
    moved = prediction("a", ts="2026-11-20T11:58:00Z")
    service = make()
    assert service.write(send(changed, moved), NOW).embedded == 0
    assert service.write(send(first, changed, moved), NOW).vectors == 2
    assert rows("SELECT count(*) FROM embeddings") == [2]


def test_predictions_that_carry_embeddings_are_left_to_ingest(
    make: Make, send: Send, prediction: Build, rows: Rows
) -> None:
    data = base64.b64encode(np.ones(4, "<f2").tobytes()).decode()
    carried = [{"kind": "prompt", "embedder": "theirs@1", "dtype": "f2", "data": data}]
    outcome = make().write(send(prediction("a", embeddings=carried), prediction("b")), NOW)
    assert (outcome.carried, outcome.embedded) == (1, 1)
    assert rows("SELECT DISTINCT request_id FROM embeddings") == ["b"]


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_that_the_sampler_selects_is_embedded(
    make: Make, send: Send, prediction: Build, rows: Rows, rate: float
) -> None:
    names = [f"request-{number}" for number in range(400)]
    outcome = make(sample_rate=rate).write(send(*map(prediction, names)), NOW)
    expected = {name for name in names if selected(name, rate, EMBED_KEY)}
    assert set(rows("SELECT request_id FROM embeddings")) == expected
    assert (outcome.embedded, outcome.unsampled) == (len(expected), 400 - len(expected))
    assert abs(len(expected) - 400 * rate) < 40


def test_records_that_are_no_acceptable_prediction_are_passed_over(
    make: Make, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    outcome = make().write(
        send(
            b"{",
            b"",
            {"schema": "prediction/v2"},
            label("a"),
            prediction("future", ts="2026-11-20T12:05:01Z"),
            prediction("old", ts="2026-10-01T00:00:00Z"),
            prediction("large", extra={"x": "y" * 1024 * 1024}),
            prediction("good"),
        ),
        NOW,
    )
    assert outcome.embedded == 1
    assert rows("SELECT DISTINCT request_id FROM embeddings") == ["good"]
    assert rows("SELECT next_offset FROM stream_offsets") == [8]
    assert rows("SELECT count(*) FROM dead_letters") == [0]


def test_what_the_ingest_group_refuses_because_of_its_model_is_not_embedded(
    make: Make, send: Send, prediction: Build, rows: Rows
) -> None:
    events = [prediction("a"), prediction("b", model={"name": "one more"}), prediction("c")]
    assert make(max_models=1).write(send(*events), NOW).embedded == 2
    assert rows("SELECT DISTINCT request_id FROM embeddings ORDER BY 1") == ["a", "c"]


def test_replays_may_be_of_any_age(make: Make, send: Send, prediction: Build, rows: Rows) -> None:
    make().write(send(prediction("old", ts="1999-12-31T23:30:00-02:00"), replay="file"), NOW)
    assert rows("SELECT tableoid::regclass::text, kind FROM embeddings ORDER BY 2") == [
        ("embeddings_20000101", "answer"),
        ("embeddings_20000101", "prompt"),
    ]


def test_a_batch_of_more_days_than_a_transaction_takes_is_embedded_in_parts(
    make: Make, send: Send, prediction: Build, rows: Rows
) -> None:
    days = 2 * MAX_DAYS
    old = datetime(1999, 1, 1, tzinfo=UTC)
    values = [prediction(f"r{n}", ts=(old + timedelta(days=n)).isoformat(), input={"prompt": "?"}) for n in range(days)]
    assert make().write(send(*values, replay="old log"), NOW).embedded == days
    assert rows("SELECT count(DISTINCT request_id) FROM embeddings") == [days]
    assert rows("SELECT next_offset FROM stream_offsets") == [days]


def test_refused_pictures_are_counted_and_the_texts_stored(
    make: Make, send: Send, prediction: Build, picture: Any, rows: Rows, tmp_path: Path
) -> None:
    picture("red")
    (tmp_path / "text.png").write_text("no picture")
    PIL.Image.new("1", (2000, 2000)).save(tmp_path / "bomb.png")
    references = {
        "good": "red.png",
        "up": "../red.png",
        "system": "file:///etc/passwd",
        "remote": "https://example.org/x.jpg",
        "absent": "green.png",
        "text": "text.png",
        "bomb": "bomb.png",
        "other": {"ref": "red.png", "sha256": "0" * 64},
    }
    events = [
        prediction(name, input={"image": ref if isinstance(ref, dict) else {"ref": ref}, "prompt": "What?"})
        for name, ref in references.items()
    ]
    outcome = make().write(send(*events), NOW)
    assert outcome.refused_images == {
        "malformed_reference": 1, "outside_roots": 1, "host_not_allowed": 1, "missing": 1, "unreadable": 1,
        "too_large": 1, "other_content": 1,
    }  # fmt: skip
    assert outcome.embedded == 8
    assert rows("SELECT request_id FROM embeddings WHERE kind = 'image'") == ["good"]
    assert rows("SELECT count(*) FROM embeddings WHERE kind = 'prompt'") == [8]


def test_a_prediction_with_nothing_to_embed_stores_and_sketches_nothing(
    make: Make, send: Send, prediction: Build, rows: Rows
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("there is nothing to sketch")

    outcome = make(fail).write(send(prediction("a", input={}, output={}, status="error")), NOW)
    assert (outcome.embedded, outcome.vectors) == (0, 0)
    assert rows("SELECT count(*) FROM embeddings") == [0]
    assert rows("SELECT next_offset FROM stream_offsets") == [1]


# ---- the store itself -------------------------------------------------------------------------------------------


def row(request_id: str, number: int, **vectors: np.ndarray) -> EmbeddedPrediction:
    return EmbeddedPrediction(NOW, request_id, "m", "v", "stable", "vqa", {}, number, "f@1", vectors)


@pytest.fixture
def connection(engine: Engine) -> Any:
    with engine.begin() as connection:
        ensure_days(connection, [NOW.date()])
        yield connection


def test_only_vectors_that_were_new_come_back(connection: Connection) -> None:
    number = embedder_id(connection, "f@1", 3, None)
    ones, twos = np.ones(3, np.float32), np.full(3, 2, np.float32)
    [first] = insert_embeddings(connection, [row("a", number, prompt=ones)])
    assert first.vectors.keys() == {"prompt"}
    again = insert_embeddings(
        connection,
        [
            row("a", number, prompt=twos, image=ones),
            row("b", number, prompt=ones),
            row("b", number, prompt=twos),
            row("c", number),
        ],
    )
    assert [(one.request_id, set(one.vectors)) for one in again] == [("a", {"image"}), ("b", {"prompt"})]
    found = connection.execute(text("SELECT request_id, kind, vector::text FROM embeddings ORDER BY 1, 2")).all()
    assert found == [("a", "image", "[1,1,1]"), ("a", "prompt", "[1,1,1]"), ("b", "prompt", "[1,1,1]")]


def test_halves_arrive_bit_for_bit(connection: Connection) -> None:
    """Every finite half there is: 63,488 of them, in vectors of 248."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    matrix = halves[np.isfinite(halves)].reshape(-1, 248)
    number = embedder_id(connection, "f@1", 248, None)
    names = [f"{index:03d}" for index in range(len(matrix))]
    rows = [row(name, number, image=vector.astype(np.float32)) for name, vector in zip(names, matrix, strict=True)]
    returned = insert_embeddings(connection, rows)
    found = connection.execute(text("SELECT request_id, vector::text FROM embeddings ORDER BY request_id")).all()
    assert [name for name, _ in found] == names
    assert len(returned) == len(names)
    for index, (_, vector) in enumerate(found):
        np.testing.assert_array_equal(HalfVector.from_text(vector).to_numpy(), matrix[index])
        np.testing.assert_array_equal(returned[index].vectors["image"], matrix[index].astype(np.float32))


def test_an_embedder_keeps_its_number_and_asking_uses_none_up(connection: Connection) -> None:
    numbers = [embedder_id(connection, "f@1", 3, {"name": "f"}) for _ in range(5)]
    assert numbers == [1] * 5
    assert embedder_id(connection, "g@1", 3, None) == 2
    found = connection.execute(text("SELECT fingerprint, dimension, detail FROM embedders ORDER BY id")).all()
    assert found == [("f@1", 3, {"name": "f"}), ("g@1", 3, None)]


def test_a_fingerprint_with_vectors_of_another_length_is_a_mismatch(connection: Connection) -> None:
    embedder_id(connection, "f@1", 3, None)
    with pytest.raises(FingerprintMismatch, match=r"'f@1' makes vectors of length 3, not 4"):
        embedder_id(connection, "f@1", 4, None)
