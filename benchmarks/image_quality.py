"""The stream of image quality on real photographs: false alarms, corruptions found, and what a picture costs.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.image_quality --data FOLDER_OF_PHOTOGRAPHS --seed 0

Each row is a random crop of a random photograph, saved as a JPEG of quality 90. A look compares a window
of 100 rows with a reference of 24 such windows; in a corrupted window a share of the rows went through one change.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from monitor.drift.compare import compare
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.embedding.measuring import measure

WINDOWS, ROWS = 24, 100
POOL = 600
SHARES = (0.1, 0.2)
QUALITY = 90
LEVEL = 0.01
Vectors = NDArray[np.float32]
Change = Callable[[Image.Image], Image.Image]

CHANGES: dict[str, Change] = {
    "blur of 1 pixel": lambda photo: photo.filter(ImageFilter.GaussianBlur(1.0)),
    "noise of 10 levels": lambda photo: noisy(photo, 10.0),
    "darker by 30%": lambda photo: ImageEnhance.Brightness(photo).enhance(0.7),
    "contrast halved": lambda photo: ImageEnhance.Contrast(photo).enhance(0.5),
    "colder by 15%": lambda photo: cast(photo, (0.85, 1.0, 1.15)),
    "half the size": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "cropped to a square": lambda photo: photo.crop((0, 0, min(photo.size), min(photo.size))),
    "JPEG of quality 30": lambda photo: photo,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--references", type=int, default=10)
    parser.add_argument("--looks", type=int, default=40)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    files = sorted(path for path in options.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    photos = [Image.open(path).convert("RGB") for path in files]
    crops = [crop(photos[rng.integers(len(photos))], rng) for _ in range(POOL)]
    usual = np.stack([taken(photo, QUALITY) for photo in crops])
    changed = {
        name: np.stack([taken(change(photo), 30 if name.startswith("JPEG") else QUALITY) for photo in crops])
        for name, change in CHANGES.items()
    }
    references = [fit(usual, rng) for _ in range(options.references)]
    result = {
        "photographs": len(photos), "seed": options.seed, "looks": options.references * options.looks,
        "milliseconds_per_picture": cost(crops),
        "false_alarms_percent": rate(references, usual, usual, 0.0, options.looks, rng),
        "found_percent": {
            name: {f"{share:.0%}": rate(references, usual, other, share, options.looks // 4, rng) for share in SHARES}
            for name, other in changed.items()
        },
    }  # fmt: skip
    print(json.dumps(result, indent=2))


def crop(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """From 70% of each side up to all of it."""
    width, height = (int(side * rng.uniform(0.7, 1.0)) for side in photo.size)
    left, top = rng.integers(photo.width - width + 1), rng.integers(photo.height - height + 1)
    return photo.crop((int(left), int(top), int(left) + width, int(top) + height))


def taken(photo: Image.Image, quality: int) -> Vectors:
    """Saved, opened and measured."""
    buffer = BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as opened:
        return measure(opened.convert("RGB"), buffer.tell())


def noisy(photo: Image.Image, levels: float) -> Image.Image:
    pixels = np.asarray(photo, dtype=np.float32)
    noise = np.random.default_rng(photo.width).normal(0, levels, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def cast(photo: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(photo, dtype=np.float32) * gains, 0, 255).astype(np.uint8))


def fit(rows: Vectors, rng: np.random.Generator) -> Reference:
    return build(rows[rng.integers(0, len(rows), WINDOWS * ROWS)], np.repeat(np.arange(WINDOWS), ROWS), "bench")


def rate(
    references: list[Reference], usual: Vectors, changed: Vectors, share: float, looks: int, rng: np.random.Generator
) -> float:
    """Percent of windows called drift in which such a share of the rows is changed."""
    found = []
    for reference in references:
        for _ in range(looks):
            places, is_changed = rng.integers(0, len(usual), ROWS), rng.random(ROWS) < share
            rows = np.where(is_changed[:, None], changed[places], usual[places])
            result = compare(reference.fit, reference.baseline, sketch(rows, reference.fit), reference.dispersion)
            assert result.p_value is not None
            found.append(result.p_value < LEVEL)
    return round(100 * float(np.mean(found)), 1)


def cost(photos: list[Image.Image]) -> dict[str, float]:
    """Median of single pictures, as they are and enlarged to 12 megapixels."""
    large = [photo.resize((4000, 3000)) for photo in photos[:5]]

    def median(pictures: list[Image.Image]) -> float:
        times = []
        for picture in pictures:
            start = time.perf_counter()
            measure(picture, 1000)
            times.append(time.perf_counter() - start)
        return round(1000 * float(np.median(times)), 2)

    return {"as they are": median(photos[:200]), "12 megapixels": median(large)}


if __name__ == "__main__":
    main()
