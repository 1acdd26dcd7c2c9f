from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from monitor.embedding.encoder import Encoder
from monitor.embedding.loading import load
from monitor.errors import SettingsError

Write = Callable[..., str]
SMALLEST = "ViT-S-32-alt"
"""The smallest architecture that open_clip brings along; no weights are known for it."""


def test_a_checkpoint_file_and_a_folder_of_the_same_weights_make_the_same_vectors(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = open_clip.create_model(SMALLEST, load_weights=False)
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    torch.save(model.state_dict(), tmp_path / "mine.pt")
    del model
    picture = [Image.new("RGB", (50, 40), "navy")]
    first = Encoder(SMALLEST, str(tmp_path / "mine.safetensors"))
    vectors, fingerprint = first.encode_images(picture), first.fingerprint
    del first
    second = Encoder(SMALLEST, str(tmp_path / "mine.pt"))
    np.testing.assert_array_equal(second.encode_images(picture), vectors)
    assert second.fingerprint == fingerprint
    assert fingerprint.startswith(f"{SMALLEST}@")


def fault(model: str, pretrained: str | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(model, pretrained)
    return str(caught.value)


def test_an_unknown_architecture_is_told_with_those_near_it() -> None:
    message = fault("ViT-B-33", "openai")
    assert message.startswith("embedder.model: open_clip knows no 'ViT-B-33'; near it: ")
    assert "ViT-B-32" in message
    assert "local-dir:PATH" in message


def test_no_weights_are_never_replaced_by_random_ones() -> None:
    message = fault("ViT-B-32")
    assert message.startswith("embedder.pretrained: ViT-B-32 needs weights; give a tag (")
    assert "laion2b_s34b_b79k" in message
    assert "checkpoint file" in message


def test_weights_that_are_neither_a_tag_nor_a_file_are_told() -> None:
    message = fault("ViT-B-32", "/nowhere/model.pt")
    assert "'/nowhere/model.pt' is neither a tag of ViT-B-32 nor a file" in message


def test_weights_of_another_architecture_are_told(tiny: str) -> None:
    file = tiny.removeprefix("local-dir:") + "/open_clip_model.safetensors"
    message = fault(SMALLEST, file)
    assert message.startswith(f"embedder.pretrained: {file} does not fit {SMALLEST}")


def test_a_file_that_holds_no_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"hello")
    assert "does not fit" in fault(SMALLEST, str(tmp_path / "weights.pt"))


def test_a_download_that_fails_tells_how_to_do_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tag = {"url": "http://127.0.0.1:9/weights.pt"}  # a port that nobody listens at
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["ViT-B-32"], "nowhere", tag)
    monkeypatch.setenv("HOME", str(tmp_path))
    message = fault("ViT-B-32", "nowhere")
    assert message.startswith("embedder: the weights of ViT-B-32 (nowhere) could not be fetched")
    assert "name the file in embedder.pretrained" in message


def test_a_folder_without_its_parts_is_told(tmp_path: Path, write_model: Write) -> None:
    assert "open_clip_config.json is missing" in fault(f"local-dir:{tmp_path}")
    assert "open_clip_config.json is missing" in fault("local-dir:/nowhere")
    assert "no weights in" in fault(write_model(weights=False))
    assert "embedder.model: 'local-dir:'" in fault("local-dir:")


@pytest.mark.parametrize("config", ["{", "[]", '"text"', "{}", '{"model_cfg": {"embed_dim": 16}}'])
def test_a_folder_with_a_broken_configuration_is_told(write_model: Write, config: str) -> None:
    model = write_model()
    Path(model.removeprefix("local-dir:"), "open_clip_config.json").write_text(config)
    assert fault(model).startswith("embedder.model: ")


def test_weights_beside_a_folder_have_no_effect_and_are_told(tiny: str) -> None:
    assert "has no effect beside" in fault(tiny, "openai")


def test_weights_trained_with_quick_gelu_are_run_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """open_clip only warns, and then computes other vectors than the weights were trained for."""
    torch.manual_seed(3)
    file = tmp_path / "weights.safetensors"
    save_file(open_clip.create_model(SMALLEST, load_weights=False).state_dict(), file)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, SMALLEST, {"quick": {"file": str(file), "quick_gelu": True}})
    loaded = load(SMALLEST, "quick")
    assert loaded.architecture["quick_gelu"] is True
    assert any(type(module).__name__ == "QuickGELU" for module in loaded.model.modules())
