"""What is embedded of a call in two records is the same however its sides come, and no text waits that was to go."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from sqlalchemy import Engine

from monitor.domain.halves import Half, Side
from monitor.domain.records import Batch, Record
from monitor.embedding.embedder import Embedder
from monitor.embedding.images import ImageOpener
from monitor.formats import FORMATS, FormatOptions
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.embed import EmbedOptions, EmbedService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from tests.integration.conftest import make_eraser

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SUBJECTS = Subjects(("extra.metadata.user_id",), (b"a key of 16 bytes and more",))
MAIL = "jane@example.com"
PROMPT, ANSWER = f"Write to {MAIL}: what is it?", f"A mug of {MAIL}"
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]


class PlainEncoder:
    """Its vector of a text says which text it was: whatever is embedded can be told from what is stored."""

    fingerprint, dimension, detail, batch_size = "plain@1", 16, {"name": "plain"}, 8

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode_texts(self, texts: Iterable[str]) -> np.ndarray:
        said = list(texts)
        self.seen += said
        return np.array([vector_of(one) for one in said])

    def prepare(self, picture: PIL.Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(picture.convert("RGB").resize((4, 4)), dtype=np.float32))

    def encode_prepared(self, pixels: Iterable[torch.Tensor]) -> np.ndarray:
        seen = [one.numpy().reshape(-1)[:16] / np.float32(256) for one in pixels]
        self.seen += ["picture"] * len(seen)
        return np.array(seen)


def vector_of(text: str) -> np.ndarray:
    return np.frombuffer(blake2b(text.encode(), digest_size=16).digest(), np.uint8).astype(np.float32) / 256


def picture() -> str:
    content = io.BytesIO()
    PIL.Image.linear_gradient("L").resize((40, 30)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def sides(pair: str) -> list[dict[str, Any]]:
    """A request with prompt, picture and person, and its response."""
    call = {"id": pair, "ts": "2026-11-20T11:59:30Z", "model": "m"}
    request = {"instances": [{"prompt": PROMPT, "image": {"b64": picture()}}]}
    return [
        {**call, "request": request, "metadata": {"user_id": MAIL}},
        {**call, "response": {"predictions": [ANSWER]}},
    ]


Make = Callable[..., EmbedService]


@pytest.fixture
def make(engine: Engine) -> Make:
    def build(encoder: Any, rate: float = 1.0, store_rate: float = 1.0, **options: Any) -> EmbedService:
        opener = ImageOpener([], max_bytes=100_000, max_pixels=100_000)
        embed_options = EmbedOptions(
            group="g",
            decoders={"t": FORMATS["oip"](FormatOptions(task="vqa"))},
            limits=Limits(max_record_bytes=1024 * 1024, max_future=timedelta(minutes=5), max_age=timedelta(days=30)),
            sample_rate=rate,
            store_rate=store_rate,
            max_models=200,
            labels=LabelDesign(),
            pair_patience=timedelta(minutes=5),
            privacy=Privacy(Redactor(PrivacyOptions(**options)), SUBJECTS),
        )
        return EmbedService(engine, Embedder(encoder, opener.open), embed_options, lambda *_: None)

    return build


HANDLINGS = [{}, {"prompts": "hide", "answers": "hide"}, {"pictures": "drop"}]


@pytest.mark.parametrize("options", HANDLINGS, ids=str)
def test_vectors_are_the_same_whether_the_sides_came_together_or_apart(
    make: Make, send: Send, rows: Rows, options: dict[str, str]
) -> None:
    request, response = sides("apart")
    for batch in ([request], [response], list(reversed(sides("late")))[:1], sides("late")[:1], sides("together")):
        make(PlainEncoder(), **options).write(send(*batch), NOW)  # a new service each time: nothing is in memory
        waiting = b"".join(bytes(part) for row in rows("SELECT fields, vectors FROM waiting_halves") for part in row)
        for secret in (MAIL, picture()) if options.get("pictures") == "drop" else (MAIL,):
            assert secret.encode() not in waiting
    found = {
        pair: dict(rows("SELECT kind, CAST(vector AS text) FROM embeddings WHERE request_id = :pair", pair=pair))
        for pair in ("apart", "late", "together")
    }
    assert set(found["together"]) == {"image", "prompt", "answer", "image_quality"}
    assert found["apart"] == found["late"] == found["together"]
    for kind, said in (("prompt", PROMPT), ("answer", ANSWER)):
        stored = np.array(found["apart"][kind].strip("[]").split(","), dtype=np.float16)
        np.testing.assert_array_equal(stored, vector_of(said).astype(np.float16))
    assert rows("SELECT count(*) FROM waiting_halves") == [0]


@pytest.mark.parametrize("waits", ["request", "response"])
def test_where_both_sides_say_it_the_response_is_embedded_whichever_waited(
    make: Make, send: Send, rows: Rows, waits: str
) -> None:
    """As `join` has it."""
    model = {"model": {"name": "m"}, "task": "vqa", "status": "ok"}

    def decode(record: Record) -> list[Half]:
        side: Side = "request" if b"request" in record.value else "response"
        return [Half("x", side, NOW, {**model, "input": {"prompt": f"{side} of {MAIL}"}})]

    service = make(PlainEncoder())
    service._options = replace(service._options, decoders={"t": decode})
    order = ["request", "response"] if waits == "request" else ["response", "request"]
    for side in order:
        service.write(send(side.encode()), NOW)
    [(kind, vector)] = rows("SELECT kind, CAST(vector AS text) FROM embeddings")
    stored = np.array(vector.strip("[]").split(","), dtype=np.float16)
    assert kind == "prompt"
    np.testing.assert_array_equal(stored, vector_of(f"response of {MAIL}").astype(np.float16))


def test_each_text_and_picture_is_encoded_once_and_calls_that_are_not_chosen_never(make: Make, send: Send) -> None:
    encoder = PlainEncoder()
    request, response = sides("a")
    for batch in ([request], [response]):
        make(encoder).write(send(*batch), NOW)
    assert sorted(encoder.seen) == sorted([PROMPT, ANSWER, "picture"])
    encoder.seen.clear()
    for pair in ("b", "c", "d"):
        for one in sides(pair):
            make(encoder, rate=0.0).write(send(one), NOW)
            make(encoder, store_rate=0.0).write(send({**one, "id": f"{pair}-unstored"}), NOW)
    assert encoder.seen == []


def test_vectors_that_wait_go_with_their_side_when_a_person_is_erased(
    make: Make, send: Send, rows: Rows, engine: Engine
) -> None:
    request, response = sides("a")
    make(PlainEncoder(), extra="hide").write(send(request), NOW)
    assert rows("SELECT count(vectors) FROM waiting_halves") == [1]
    eraser = make_eraser(engine, SUBJECTS)
    assert dict(eraser.subject(MAIL, "ops", NOW, dry_run=False).rows) == {"waiting_halves": 1}
    make(PlainEncoder()).write(send(response), NOW)
    assert rows("SELECT count(*) FROM waiting_halves") == [0]
    assert rows("SELECT count(*) FROM embeddings") == [0]


def test_what_another_encoder_made_of_a_side_is_left_out(make: Make, send: Send, rows: Rows) -> None:
    request, response = sides("a")
    make(PlainEncoder()).write(send(request), NOW)
    other = PlainEncoder()
    other.fingerprint = "other@1"
    make(other).write(send(response), NOW)
    assert rows("SELECT fingerprint, kind FROM embeddings JOIN embedders ON id = embedder_id ORDER BY 2") == [
        ("other@1", "answer"),
        ("snellen/image_quality@1", "image_quality"),
    ]
