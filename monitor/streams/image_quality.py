"""The stream of image quality: how pictures were taken and packed, whatever they show.

Features follow common definitions: luma of ITU-R BT.601; contrast as its root mean square (Peli, 1990, "Contrast in
complex images", section 2); sharpness as the variance of the Laplacian (Pech-Pacheco et al., 2000, "Diatom autofocusing
in brightfield microscopy", LAPV); the colour cast as means along the opponent axes R-G and (R+G)/2-B of Hasler and
Suesstrunk (2003), "Measuring colourfulness in natural images", whose mean length is `colourfulness` here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.streams.stream import OWN, Vector, VectorStream

Pixels = NDArray[np.uint8]

KIND: Final = "image_quality"
"""Kind of the stored vectors."""
FINGERPRINT: Final = f"{OWN}image_quality@1"

QUALITY_UNITS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "brightness": 0.1,
        "contrast": 0.05,
        "sharpness": 1.0,
        "red_green": 0.05,
        "yellow_blue": 0.05,
        "colourfulness": 0.05,
        "aspect": 0.25,
        "size": 1.0,
        "compression": 0.5,
    }
)
"""Feature -> how much of it is one unit of the stored vectors, about its spread in traffic of one kind.

`brightness`, `contrast`, the two casts and `colourfulness` are in full scale (black 0, white 1); `sharpness` is the
natural logarithm of the Laplacian's variance, `aspect` that of width over height, `size` that of the number of pixels,
`compression` that of encoded bits per pixel.
"""

_BLACK: Final = 1e-6
"""Added to the Laplacian's variance, which is 0 in a picture of one colour: a thousandth of a level, squared."""
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Origin:
    """A picture as it came: its sides, and the bytes of the file."""

    width: int
    height: int
    encoded_bytes: int


def quality(whole: Pixels, detail: Pixels, origin: Origin) -> dict[str, float]:
    """The features of `QUALITY_UNITS`.

    Args:
        whole: the picture, made smaller if need be: uint8 [h, w, 3], RGB.
        detail: a part of it in its own resolution, for `sharpness`: uint8 [h, w, 3], at least 3 x 3, else it is taken
            to be without any detail.

    Raises:
        NotEnoughData: another shape or type, no pixel, or an origin without any.
    """
    _check(whole, "whole")
    _check(detail, "detail")
    if min(origin.width, origin.height, origin.encoded_bytes) < 1:
        raise NotEnoughData(f"there is no picture of {origin}")
    colours = whole.reshape(-1, 3).astype(np.float32) / 255
    luma = colours @ _LUMA
    red_green = colours[:, 0] - colours[:, 1]
    yellow_blue = (colours[:, 0] + colours[:, 1]) / 2 - colours[:, 2]
    area = origin.width * origin.height
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "sharpness": math.log(_laplacian_variance(detail) + _BLACK),
        "red_green": float(red_green.mean()),
        "yellow_blue": float(yellow_blue.mean()),
        "colourfulness": float(np.hypot(red_green, yellow_blue).mean()),
        "aspect": math.log(origin.width / origin.height),
        "size": math.log(area),
        "compression": math.log(8 * origin.encoded_bytes / area),
    }


def quality_vector(features: Mapping[str, float]) -> Vector:
    """The features in their units, as they are stored."""
    return np.array([features[name] / unit for name, unit in QUALITY_UNITS.items()], dtype=np.float32)


def _laplacian_variance(pixels: Pixels) -> float:
    """Variance of the luma's discrete Laplacian (four neighbours) inside the picture; 0 where it has no inside."""
    if min(pixels.shape[:2]) < 3:
        return 0.0
    luma = pixels.astype(np.float32) @ (_LUMA / 255)
    inner = luma[1:-1, 1:-1]
    return float(np.var(luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner))


def _check(pixels: Pixels, name: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise NotEnoughData(f"{name} must be uint8 [h, w, 3] with a pixel, not {pixels.dtype} {pixels.shape}")


IMAGE_QUALITY = VectorStream(
    "image_quality",
    "How pictures are taken and packed: light, focus, colour cast, shape, size, compression.",
    (KIND,),
    lambda vectors: vectors.get(KIND),
    embedder=FINGERPRINT,
    features=tuple(QUALITY_UNITS),
)
