"""Ground textures: one large picture per background, made once and cropped for every scene."""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE: Final = 512
"""Pixels along an edge of a texture, in the supersampled resolution."""


def _plain(colour: tuple[int, int, int], spread: float, rng: np.random.Generator, blur: float) -> Image.Image:
    """Speckled ground: grey noise of `spread` on a colour, smoothed by `blur` pixels."""
    noise = rng.normal(0.0, 1.0, (SIDE, SIDE))
    grain = Image.fromarray(np.clip(noise * 40 + 128, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    level = np.asarray(grain, dtype=np.float64) - 128
    pixels = np.asarray(colour) + (level / level.std() * spread)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _strokes(
    image: Image.Image, colours: list[tuple[int, int, int]], slope: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    """Scatter short lines; `slope` is their typical (dx, dy) in pixels."""
    draw = ImageDraw.Draw(image)
    for x, y, shade, jitter in rng.integers(0, [SIDE, SIDE, len(colours), 7], (6000, 4)).tolist():
        draw.line((x, y, x + slope[0] + jitter - 3, y + slope[1] + jitter - 3), fill=colours[shade], width=2)
    return image


def _grass(rng: np.random.Generator) -> Image.Image:
    return _strokes(_plain((92, 150, 70), 9, rng, 2.0), [(70, 125, 52), (120, 178, 88), (84, 140, 60)], (1, -9), rng)


def _sand(rng: np.random.Generator) -> Image.Image:
    return _plain((214, 190, 140), 13, rng, 0.8)


def _water(rng: np.random.Generator) -> Image.Image:
    return _strokes(_plain((78, 142, 186), 8, rng, 5.0), [(62, 122, 170), (112, 172, 208)], (12, 0), rng)


def _snow(rng: np.random.Generator) -> Image.Image:
    return _plain((192, 206, 228), 9, rng, 7.0)


def _bricks(rng: np.random.Generator) -> Image.Image:
    image = _plain((188, 178, 170), 7, rng, 1.0)
    draw = ImageDraw.Draw(image)
    for row, top in enumerate(range(0, SIDE, 14)):
        for left in range(-(row % 2) * 14, SIDE, 28):
            tint = int(rng.integers(-16, 17))
            draw.rectangle((left, top, left + 25, top + 11), fill=(158 + tint, 98 + tint, 84 + tint))
    return image


BACKGROUNDS: Final[dict[str, Callable[[np.random.Generator], Image.Image]]] = {
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "snow": _snow,
    "bricks": _bricks,
}


@cache
def texture(background: str) -> NDArray[np.uint8]:
    """The picture of a background, uint8 [SIDE, SIDE, 3]; the same in every process."""
    seed = list(BACKGROUNDS).index(background)
    return np.asarray(BACKGROUNDS[background](np.random.default_rng(seed)))
