from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from monitor.embedding.encoder import Encoder
from monitor.embedding.fingerprint import weights_hash

Write = Callable[..., str]


def folder_of(model: str) -> Path:
    return Path(model.removeprefix("local-dir:"))


def test_it_is_the_name_and_twelve_hexadecimal_digits(tiny: str) -> None:
    assert re.fullmatch(r"tiny@[0-9a-f]{12}", Encoder(tiny).fingerprint)


def test_a_copy_elsewhere_in_another_process_has_the_same(tiny: str, tmp_path: Path) -> None:
    shutil.copytree(folder_of(tiny), tmp_path / "elsewhere")
    script = "import sys; from monitor.embedding.encoder import Encoder; print(Encoder(sys.argv[1]).fingerprint)"
    other = subprocess.run(
        [sys.executable, "-c", script, f"local-dir:{tmp_path / 'elsewhere'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == Encoder(tiny).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"name": "other"},
        {"preprocess": {"mean": [0.5, 0.5, 0.4]}},
        {"preprocess": {"interpolation": "bilinear"}},
        {"preprocess": {"resize_mode": "squash"}},
        {"architecture": {"quick_gelu": True}},
    ],
    ids=lambda changes: str(next(iter(changes.items()))),
)
def test_whatever_shapes_a_vector_changes_it(tiny: str, write_model: Write, changes: dict[str, object]) -> None:
    assert Encoder(write_model(**changes)).fingerprint != Encoder(tiny).fingerprint


def test_one_changed_weight_changes_it(tiny: str, write_model: Write) -> None:
    other = write_model()
    file = folder_of(other) / "open_clip_model.safetensors"
    weights = load_file(file)
    weights["visual.proj"][0, 0] += 1e-3
    save_file(weights, file)
    assert Encoder(other).fingerprint != Encoder(tiny).fingerprint


def test_half_precision_weights_are_known_by_what_they_load_as(tiny: str, write_model: Write) -> None:
    """A file of halves and the same numbers written in full make the same vectors, so they are one embedder."""
    halves, full = write_model(), write_model()
    weights = {
        name: tensor.half() for name, tensor in load_file(folder_of(tiny) / "open_clip_model.safetensors").items()
    }
    save_file(weights, folder_of(halves) / "open_clip_model.safetensors")
    save_file({name: one.float() for name, one in weights.items()}, folder_of(full) / "open_clip_model.safetensors")
    first, second = Encoder(halves), Encoder(full)
    assert first.fingerprint == second.fingerprint != Encoder(tiny).fingerprint
    picture = [Image.new("RGB", (40, 30), "red")]
    np.testing.assert_array_equal(first.encode_images(picture), second.encode_images(picture))


def test_a_model_without_a_name_of_its_own_is_called_local(write_model: Write) -> None:
    encoder = Encoder(write_model(name=None))
    assert encoder.fingerprint.startswith("local@")


def test_the_detail_names_the_parts_and_no_path(tiny: str) -> None:
    detail = Encoder(tiny).detail
    assert detail["name"] == "tiny"
    assert detail["weights"] == weights_hash(open_clip.create_model(tiny))
    assert detail["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    assert detail["preprocess"]["size"] in (32, [32, 32])
    assert detail["tokenizer"]["context_length"] == 20
    assert str(folder_of(tiny)) not in str(detail)


def test_the_weights_hash_tells_names_types_and_shapes_apart() -> None:
    def module(**tensors: torch.Tensor) -> torch.nn.Module:
        result = torch.nn.Module()
        for name, tensor in tensors.items():
            result.register_buffer(name, tensor)
        return result

    zeros = torch.zeros(4)
    hashes = {
        weights_hash(module(a=zeros)),
        weights_hash(module(b=zeros)),
        weights_hash(module(a=zeros.reshape(2, 2))),
        weights_hash(module(a=zeros.int())),
        weights_hash(module(a=torch.tensor(0.0))),
        weights_hash(module(a=zeros, b=zeros)),
    }
    assert len(hashes) == 6
    assert weights_hash(module(a=zeros, b=zeros + 1)) == weights_hash(module(b=zeros + 1, a=zeros))
