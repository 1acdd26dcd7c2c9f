from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import PIL.Image
import pytest

from monitor.domain.events import Image, Input, Model, Output, Prediction
from monitor.embedding.embedder import Embedder
from monitor.embedding.encoder import Encoder
from monitor.embedding.images import Opened
from monitor.embedding.recent import RecentVectors
from monitor.embedding.refusals import Refusal
from monitor.errors import ImageRefused
from monitor.streams.image_quality import QUALITY_UNITS


class CountingEncoder(Encoder):
    """The real one, which also notes what it was asked for."""

    def __init__(self, model: str) -> None:
        self.texts: list[str] = []
        self.pictures = 0
        super().__init__(model)
        self.forget()

    def forget(self) -> None:
        self.texts, self.pictures = [], 0

    def encode_texts(self, texts: Iterable[str]) -> Any:
        texts = list(texts)
        self.texts += texts
        return super().encode_texts(texts)

    def prepare(self, image: PIL.Image.Image) -> Any:
        self.pictures += 1
        return super().prepare(image)


@pytest.fixture
def encoder(tiny: str) -> CountingEncoder:
    return CountingEncoder(tiny)


def colour(image: Image) -> Opened:
    """Opens references that name a colour."""
    try:
        return Opened(PIL.Image.new("RGB", (40, 40), (image.ref or "").removeprefix("data:")), 100)
    except ValueError:
        raise ImageRefused(Refusal.MISSING, f"{image.ref} is no colour") from None


def prediction(
    ref: str | None = None, prompt: str | None = None, answer: str | None = None, **image: str
) -> Prediction:
    return Prediction(
        request_id="r",
        ts=datetime(2026, 11, 20, tzinfo=UTC),
        model=Model(name="m"),
        task="vqa",
        status="ok",
        input=Input(image=Image(ref=ref, **image) if ref or image else None, prompt=prompt),
        output=Output(answer=answer),
    )


def test_each_side_that_is_there_gets_its_vector(encoder: CountingEncoder) -> None:
    events = [
        prediction("red", "what?", "a cube"),
        prediction(prompt="what?"),
        prediction("blue"),
        prediction(),
        prediction(answer=""),
    ]
    embedded = Embedder(encoder, colour).embed(events)
    assert [set(one) for one in embedded.vectors] == [
        {"image", "prompt", "answer"},
        {"prompt"},
        {"image"},
        set(),
        {"answer"},
    ]
    assert not embedded.refused_images
    texts = encoder.encode_texts(["what?", "a cube"])
    np.testing.assert_allclose(embedded.vectors[0]["prompt"], texts[0], atol=1e-6)
    np.testing.assert_allclose(embedded.vectors[0]["answer"], texts[1], atol=1e-6)
    blue = encoder.encode_images([PIL.Image.new("RGB", (40, 40), "blue")])[0]
    np.testing.assert_allclose(embedded.vectors[2]["image"], blue, atol=1e-6)


def test_what_repeats_within_a_batch_is_encoded_once(encoder: CountingEncoder) -> None:
    events = [
        prediction("red", "same", "same"),
        prediction("red", "same", "other"),
        prediction("blue", sha256="a" * 64),
        prediction("green", sha256="a" * 64),
    ]
    embedded = Embedder(encoder, colour).embed(events)
    assert sorted(encoder.texts) == ["other", "same"]
    assert encoder.pictures == 2
    assert all("image" in one for one in embedded.vectors)


def test_texts_and_pictures_of_known_content_are_remembered_across_batches(encoder: CountingEncoder) -> None:
    embedder = Embedder(encoder, colour)
    events = [prediction("data:red", "what?"), prediction("blue", sha256=sha256(b"blue").hexdigest())]
    first = embedder.embed(events).vectors
    encoder.forget()
    again = embedder.embed(events).vectors
    assert (encoder.texts, encoder.pictures) == ([], 0)
    for one, other in zip(first, again, strict=True):
        assert one.keys() == other.keys()
        for kind in one:
            np.testing.assert_array_equal(one[kind], other[kind])


def test_a_file_is_opened_anew_in_each_batch_since_it_may_have_been_overwritten(encoder: CountingEncoder) -> None:
    colours = iter(["red", "blue"])
    embedder = Embedder(encoder, lambda _: Opened(PIL.Image.new("RGB", (40, 40), next(colours)), 100))
    first, second = (embedder.embed([prediction("latest.jpg")]).vectors[0]["image"] for _ in range(2))
    assert first @ second < 0.999


def test_equal_pictures_are_encoded_once_whatever_they_are_called(
    encoder: CountingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def counted(pixels: Iterable[Any]) -> Any:
        pixels = list(pixels)
        encoded.append(len(pixels))
        return Encoder.encode_prepared(encoder, pixels)

    monkeypatch.setattr(encoder, "encode_prepared", counted)
    embedder = Embedder(encoder, colour)
    first = embedder.embed([prediction("red"), prediction("#ff0000"), prediction("blue")]).vectors
    second = embedder.embed([prediction("#f00"), prediction("#00f"), prediction("lime")]).vectors
    assert encoded == [2, 1]
    for one, other in ((first[0], first[1]), (first[0], second[0]), (first[2], second[1])):
        np.testing.assert_array_equal(one["image"], other["image"])
    lime = Embedder(encoder, colour).embed([prediction("lime")]).vectors[0]["image"]
    np.testing.assert_allclose(second[2]["image"], lime, atol=1e-6)


def test_the_quality_of_each_picture_is_measured_and_remembered_with_its_vector(encoder: CountingEncoder) -> None:
    embedder = Embedder(encoder, colour)
    events = [prediction("data:white", "what?"), prediction(prompt="what?"), prediction("no colour"), prediction("red")]
    first = embedder.embed(events).quality
    encoder.forget()
    again = embedder.embed(events).quality
    assert encoder.pictures == 1  # the one whose file may have changed
    brightness = [None if one is None else float(one[0]) * QUALITY_UNITS["brightness"] for one in first]
    assert brightness == [pytest.approx(1.0), None, None, pytest.approx(0.299)]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_refused_picture_is_counted_and_costs_no_other_vector(
    encoder: CountingEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    events = [
        prediction("nothing", "what?"),
        prediction("red"),
        prediction("nothing"),
        prediction("none"),
        prediction("blue"),
    ]
    with caplog.at_level(logging.WARNING):
        embedded = Embedder(encoder, colour).embed(events)
    assert embedded.refused_images == {"missing": 3}
    assert [set(one) for one in embedded.vectors] == [{"prompt"}, {"image"}, set(), set(), {"image"}]
    np.testing.assert_allclose(
        embedded.vectors[4]["image"], encoder.encode_images([PIL.Image.new("RGB", (40, 40), "blue")])[0], atol=1e-6
    )
    assert len([one for one in caplog.records if one.name == "monitor.embedding.embedder"]) == 1


def test_pictures_keep_their_order_however_many_threads_decode_them(encoder: CountingEncoder) -> None:
    shades = [f"#{shade:02x}0000" for shade in range(0, 250, 5)]
    delays = np.random.default_rng(1).uniform(0, 0.005, len(shades))

    def slow(image: Image) -> Opened:
        threading.Event().wait(delays[shades.index(image.ref or "")])
        return colour(image)

    events = [prediction(shade) for shade in shades]
    one = Embedder(encoder, colour).embed(events).vectors
    many = Embedder(encoder, slow, threads=4).embed(events).vectors
    for expected, found in zip(one, many, strict=True):
        np.testing.assert_array_equal(expected["image"], found["image"])


def test_only_a_few_pictures_are_decoded_ahead(encoder: CountingEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    opened_at_first: list[int] = []

    def note(image: Image) -> Opened:
        opened.append(image.ref or "")
        return colour(image)

    def encode(tensors: Iterable[Any]) -> Any:
        iterator = iter(tensors)
        first = next(iterator)
        opened_at_first.append(len(opened))
        return Encoder.encode_prepared(encoder, [first, *iterator])

    monkeypatch.setattr(encoder, "encode_prepared", encode)
    Embedder(encoder, note, threads=2).embed([prediction(f"#{shade:06x}") for shade in range(200)])
    assert len(opened) == 200
    assert opened_at_first[0] <= encoder.batch_size + 2 * 2 + 1


def test_the_vector_that_was_not_asked_for_the_longest_is_forgotten_first() -> None:
    recent = RecentVectors(2)
    rows = np.eye(3, dtype=np.float32)
    recent.put("a", rows[0])
    recent.put("b", rows[1])
    assert recent.get("a") is not None
    recent.put("c", rows[2])
    assert recent.get("b") is None
    np.testing.assert_array_equal(recent.get("a"), rows[0])
    np.testing.assert_array_equal(recent.get("c"), rows[2])


def test_a_remembered_vector_does_not_hold_its_matrix() -> None:
    recent = RecentVectors(2)
    recent.put("a", np.ones((1000, 4), np.float32)[0])
    assert recent.get("a").base is None


def test_the_ingest_collector_does_not_load_torch() -> None:
    script = "import sys, monitor.services.embed, monitor.services.ingest; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
