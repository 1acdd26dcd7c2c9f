"""A tiny model, in the layout that open_clip's `local-dir:` loader reads; sites with pictures, and their fetcher."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from monitor.embedding.fetching import Fetcher
from monitor.embedding.places import Places
from tests.certificates import Authority, server_side
from tests.unit.embedding.fetchers import HASTY, LOOPBACK, PATIENT, Names, close_all, make
from tests.unit.embedding.site import Site, serving

ARCHITECTURE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}
Write = Callable[..., str]


@pytest.fixture(scope="session")
def write_model(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a model folder and returns its name for the loader; equal arguments, equal contents."""

    def write(*, seed: int = 0, name: str | None = "tiny", weights: bool = True, **changes: dict[str, Any]) -> str:
        folder: Path = tmp_path_factory.mktemp("model")
        config: dict[str, Any] = {
            "model_cfg": ARCHITECTURE | changes.get("architecture", {}),
            "preprocess_cfg": PREPROCESS | changes.get("preprocess", {}),
        }
        if name:
            config["name"] = name
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        if weights:
            torch.manual_seed(seed)
            model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
            save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        return f"local-dir:{folder}"

    return write


@pytest.fixture(scope="session")
def tiny(write_model: Write) -> str:
    return write_model()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as plain:
        yield plain


@pytest.fixture
def secure(authority: Authority) -> Iterator[Site]:
    with serving(server_side(authority, "pictures.test", "127.0.0.1")) as encrypted:
        yield encrypted


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def places(site: Site, secure: Site) -> Places:
    """http://plain.test and https://pictures.test, which lie on loopback."""
    hosts = [f"http://plain.test:{site.port}", f"pictures.test:{secure.port}", f"http://*.below.test:{site.port}"]
    return Places(hosts, {"shots": f"http://plain.test:{site.port}/store"}, LOOPBACK)


@pytest.fixture
def fetcher(places: Places, authority: Authority, names: Names) -> Fetcher:
    return make(places, PATIENT, authority.file, names)


@pytest.fixture
def hasty(places: Places, authority: Authority, names: Names) -> Fetcher:
    """One that gives strangers up soon."""
    return make(places, HASTY, authority.file, names)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No test leaves a fetcher open."""
    yield
    close_all()
