"""How a picture was taken and packed, measured where it is decoded."""

from __future__ import annotations

import numpy as np
from PIL import Image

from monitor.streams.image_quality import Origin, quality, quality_vector
from monitor.streams.stream import Vector

WHOLE = 128
"""Pixels of the longer side, about, in which light and colour are measured."""
DETAIL = 256
"""Pixels of each side of the middle part in which sharpness is measured, at the picture's own resolution."""


def measure(picture: Image.Image, encoded_bytes: int) -> Vector:
    """The features of `monitor.streams.image_quality` of an RGB picture that came in so many bytes, as stored."""
    width, height = picture.size
    left, top = max(0, (width - DETAIL) // 2), max(0, (height - DETAIL) // 2)
    middle = picture.crop((left, top, min(width, left + DETAIL), min(height, top + DETAIL)))
    smaller = picture.reduce(max(1, max(width, height) // WHOLE))
    origin = Origin(width, height, encoded_bytes)
    return quality_vector(quality(np.asarray(smaller), np.asarray(middle), origin))
