"""The shipped model: small, loadable without a network, and right about scenes it was never trained on."""

from collections.abc import Callable, Iterator

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from demo.clip.batches import NAMES, Scenes, Texts, captions, questions
from demo.clip.encoder import MODEL_DIR, Encoder, pixels_to_tensor
from demo.clip.evaluate import Vectors, classification, pairing, vqa, zero_shot
from demo.scenes import Scene

SCENES = 600


@pytest.fixture(scope="module")
def encoder() -> Iterator[Encoder]:
    # One thread: where other work shares the cores, waiting for a second thread costs far more than it saves.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Encoder()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def held_out() -> Scenes:
    return Scenes(SCENES, np.random.default_rng(11), held_out=True)


@pytest.fixture(scope="module")
def images(encoder: Encoder, held_out: Scenes) -> Vectors:
    return encoder.images(held_out.pixels)


def test_model_folder_is_at_most_12_mb() -> None:
    assert sum(file.stat().st_size for file in MODEL_DIR.iterdir()) <= 12_000_000


def test_open_clip_loads_it_by_folder_without_a_network(
    monkeypatch: pytest.MonkeyPatch, encoder: Encoder, held_out: Scenes
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{MODEL_DIR}")
    tokens = open_clip.get_tokenizer(f"local-dir:{MODEL_DIR}")(["a photo of a mug"])
    picture = preprocess(Image.fromarray(held_out.pixels[0]))[None]
    np.testing.assert_allclose(picture, pixels_to_tensor(held_out.pixels[:1]), atol=1e-6)
    vector = model.eval().encode_image(picture, normalize=True).detach().numpy()
    np.testing.assert_allclose(vector, encoder.images(held_out.pixels[:1]), atol=1e-4)
    text = model.encode_text(tokens, normalize=True).detach().numpy()
    np.testing.assert_allclose(text, encoder.texts(["a photo of a mug"]), atol=1e-4)


def test_vectors_have_length_one(encoder: Encoder, images: Vectors) -> None:
    vectors = np.concatenate([images, encoder.texts(["a red mug", "How many cars are there?"])])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_long_prompts_are_cut_not_refused(encoder: Encoder) -> None:
    assert encoder.texts(["mug " * 200]).shape == (1, 128)


@pytest.mark.parametrize("name", NAMES)
def test_zero_shot_is_right_on_unseen_combinations(
    name: str, encoder: Encoder, held_out: Scenes, images: Vectors
) -> None:
    assert classification(zero_shot(encoder, held_out, images)[name], encoder.scale)["accuracy"] >= 0.95


def test_questions_are_answered_on_unseen_combinations(encoder: Encoder, held_out: Scenes, images: Vectors) -> None:
    for scored in vqa(encoder, held_out, images, np.random.default_rng(0)).values():
        figures = classification(scored, encoder.scale)
        assert figures["accuracy"] >= 0.94
        assert figures["ece"] < 0.05


@pytest.mark.parametrize("write", [captions, questions])
def test_texts_agree_more_with_their_own_picture(
    write: Callable[[list[Scene], np.random.Generator], Texts], encoder: Encoder, held_out: Scenes, images: Vectors
) -> None:
    figures = pairing(encoder, held_out, images, write(held_out.scenes, np.random.default_rng(0)))
    assert figures["match"] > figures["mismatch"] + 0.1
    assert figures["auc_false"] > 0.95


def test_model_card_is_beside_the_model() -> None:
    assert MODEL_DIR.with_name("README.md").is_file()
