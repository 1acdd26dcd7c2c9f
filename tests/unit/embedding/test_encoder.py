from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from monitor.embedding import encoder as encoder_module
from monitor.embedding.encoder import Encoder
from monitor.embedding.precision import multiplies_bfloat16
from monitor.errors import SettingsError
from tests.pace import cost

Write = Callable[..., str]
needs_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(torch.device("cpu")), reason="this processor does not multiply bfloat16"
)
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
    # Each alone: the rows beside one in its batch may change its last bit.
    first, spaced, other = (encoder.encode_texts([one])[0] for one in ("a red cube", "a red  cube", "a blue ball"))
    np.testing.assert_array_equal(first, spaced)
    assert first @ other < 0.999


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 16)


@pytest.mark.parametrize("changes", [{}, {"resize_mode": "longest"}, {"resize_mode": "squash"}])
def test_preparing_in_two_steps_is_what_open_clip_does_in_one(write_model: Write, changes: dict[str, str]) -> None:
    model = write_model(preprocess=changes)
    _, _, preprocess = open_clip.create_model_and_transforms(model)
    encoder = Encoder(model)
    pixels = torch.stack([encoder.prepare(one) for one in PICTURES])
    assert pixels.dtype == torch.uint8
    expected = torch.stack([preprocess(one) for one in PICTURES])
    assert torch.equal(encoder._preparation.normalised(pixels), expected)


def test_of_pictures_that_come_lazily_only_a_few_batches_are_held(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(tiny, batch_size=4, threads=2)
    read = encoded = most = 0
    lock = threading.Lock()

    def pictures() -> Iterator[Image.Image]:
        nonlocal read, most
        for number in range(60):
            with lock:
                read += 1
                most = max(most, read - encoded)
            yield PICTURES[number % 7]

    features = encoder._image_features

    def counted(pixels: list[torch.Tensor]) -> torch.Tensor:
        nonlocal encoded
        time.sleep(0.01)
        result = features(pixels)
        with lock:
            encoded += len(pixels)
        return result

    monkeypatch.setattr(encoder, "_image_features", counted)
    assert encoder.encode_images(pictures()).shape == (60, 16)
    assert 4 <= most <= 2 * 4


def test_a_word_of_a_hundred_thousand_letters_takes_no_longer_than_its_beginning(encoder: Encoder) -> None:
    """The tokeniser alone needs minutes for it: its time grows with the square of a word's length."""

    def encode() -> None:
        letters = RNG.integers(ord("a"), ord("z") + 1, 100_000, dtype=np.uint8).tobytes().decode()  # it remembers words
        encoder.encode_texts([letters, " " * 1_000_000])

    assert cost(encode) < 100


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


def test_as_many_batches_are_encoded_at_once_as_it_has_threads(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(tiny, batch_size=4, threads=2)
    expected = encoder.encode_images(PICTURES[:4])
    meeting = threading.Barrier(2)
    features = encoder._image_features
    monkeypatch.setattr(encoder, "_image_features", lambda pixels: (meeting.wait(10), features(pixels))[1])
    np.testing.assert_array_equal(encoder.encode_images(PICTURES[:4]), expected)


@needs_bfloat16
def test_bfloat16_is_close_to_float32_and_another_embedder(tiny: str, encoder: Encoder) -> None:
    half = Encoder(tiny, precision="bfloat16")
    assert half.fingerprint != encoder.fingerprint
    assert half.detail == encoder.detail | {"precision": "bfloat16"}
    images, texts = half.encode_images(PICTURES), half.encode_texts(TEXTS)
    assert images.dtype == texts.dtype == np.float32
    assert (images * encoder.encode_images(PICTURES)).sum(axis=1).min() > 0.999
    assert (texts * encoder.encode_texts(TEXTS)).sum(axis=1).min() > 0.999
    assert not np.array_equal(images, encoder.encode_images(PICTURES))


@needs_bfloat16
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(tiny: str) -> None:
    assert Encoder(tiny, precision="auto").detail["precision"] == "bfloat16"


def test_without_such_a_processor_auto_is_float32_and_bfloat16_a_settings_fault(
    tiny: str, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "avx512_bf16": False})
    assert Encoder(tiny, device="cpu", precision="auto").fingerprint == encoder.fingerprint
    with pytest.raises(SettingsError, match=r"embedder\.precision: this cpu does not multiply bfloat16 .* say float32"):
        Encoder(tiny, device="cpu", precision="bfloat16")


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
