from __future__ import annotations

import time

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from monitor.embedding import encoder as encoder_module
from monitor.embedding.encoder import Encoder
from monitor.errors import SettingsError

RNG = np.random.default_rng(7)
PICTURES = [Image.fromarray(RNG.integers(0, 256, (30 + 5 * i, 60, 3), dtype=np.uint8)) for i in range(7)]
TEXTS = ["a red cube", "Wie viele Würfel?", "", "几个", "one two three " * 40, "x" * 50, "a red  cube"]


@pytest.fixture(scope="module")
def encoder(tiny: str) -> Encoder:
    return Encoder(tiny, batch_size=3)


def test_vectors_are_float32_of_unit_length(encoder: Encoder) -> None:
    for vectors in (encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (7, encoder.dimension) == (7, 16)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_they_are_those_of_open_clip_itself(encoder: Encoder, tiny: str) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(tiny)
    model.eval()
    with torch.no_grad():
        images = model.encode_image(torch.stack([preprocess(one) for one in PICTURES]), normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer(tiny)(TEXTS), normalize=True)
    np.testing.assert_allclose(encoder.encode_images(PICTURES), images, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-6)


def test_the_batch_size_does_not_matter(encoder: Encoder, tiny: str) -> None:
    alone = Encoder(tiny, batch_size=1)
    np.testing.assert_allclose(alone.encode_images(PICTURES), encoder.encode_images(PICTURES), atol=1e-6)
    np.testing.assert_allclose(alone.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-6)


def test_white_space_does_not_matter_and_words_do(encoder: Encoder) -> None:
    first, _, _, _, _, _, spaced = encoder.encode_texts(TEXTS)
    np.testing.assert_array_equal(first, spaced)
    assert first @ encoder.encode_texts(["a blue ball"])[0] < 0.999


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 16)


def test_pictures_may_come_lazily_and_are_read_batch_by_batch(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def pictures() -> object:
        for one in PICTURES[:4]:
            events.append("read")
            yield one

    encode = encoder._model.encode_image
    monkeypatch.setattr(encoder._model, "encode_image", lambda batch: (events.append("encode"), encode(batch))[1])
    encoder.encode_images(pictures())
    assert events == ["read", "read", "read", "encode", "read", "encode"]


def test_a_word_of_a_hundred_thousand_letters_takes_no_longer_than_its_beginning(encoder: Encoder) -> None:
    """The tokeniser alone needs minutes for it: its time grows with the square of a word's length."""
    letters = RNG.integers(ord("a"), ord("z") + 1, 100_000, dtype=np.uint8).tobytes().decode()
    started = time.monotonic()
    encoder.encode_texts([letters, " " * 1_000_000])
    assert time.monotonic() - started < 5


def test_the_tokeniser_forgets_words_but_not_its_special_tokens(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "REMEMBERED_WORDS", 50)
    encoder = Encoder(tiny)
    special = "a <end_of_text> b"
    before = encoder.encode_texts([special])
    for number in range(40):
        encoder.encode_texts(
            ["".join(chr(ord("a") + int(digit)) for digit in f"{number * 7919:09d}"), "some more words"]
        )
    assert len(encoder._tokenizer.cache) < 60
    np.testing.assert_array_equal(encoder.encode_texts([special]), before)


def test_it_uses_as_many_threads_as_it_is_given(tiny: str) -> None:
    threads = torch.get_num_threads()
    try:
        Encoder(tiny, threads=2)
        assert torch.get_num_threads() == 2
        Encoder(tiny, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_a_settings_fault(tiny: str) -> None:
    with pytest.raises(SettingsError, match=r"embedder\.device: torch sees no GPU; say auto or cpu"):
        Encoder(tiny, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_makes_the_same_vectors_under_the_same_fingerprint(tiny: str, encoder: Encoder) -> None:
    gpu = Encoder(tiny, device="cuda")
    assert gpu.fingerprint == encoder.fingerprint
    np.testing.assert_allclose(gpu.encode_images(PICTURES), encoder.encode_images(PICTURES), atol=1e-3)


def test_weights_that_make_no_finite_vectors_are_refused(tiny: str, write_model: object) -> None:
    from pathlib import Path

    from safetensors.torch import load_file, save_file

    broken = write_model()
    file = Path(broken.removeprefix("local-dir:")) / "open_clip_model.safetensors"
    weights = load_file(file)
    weights["visual.proj"][:] = float("nan")
    save_file(weights, file)
    with pytest.raises(SettingsError, match="finite"):
        Encoder(broken)
