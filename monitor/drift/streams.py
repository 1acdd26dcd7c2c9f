"""The streams that are watched for drift: what becomes of a prediction's vectors in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = Mapping[str, Vector]
"""By kind: image, prompt, answer."""


def agreement(vectors: Vectors) -> Vector | None:
    """Cosine of image and prompt, as a vector [1] in [-1, 1]; None when one of them is missing."""
    image, prompt = vectors.get("image"), vectors.get("prompt")
    if image is None or prompt is None or image.shape != prompt.shape:
        return None
    lengths = float(np.linalg.norm(image)) * float(np.linalg.norm(prompt))
    return np.array([float(image @ prompt) / lengths], dtype=np.float32) if lengths else None


STREAMS: dict[str, Callable[[Vectors], Vector | None]] = {
    "image": lambda vectors: vectors.get("image"),
    "prompt": lambda vectors: vectors.get("prompt"),
    "agreement": agreement,
}
"""Name -> the vector [d] that a prediction contributes, or None."""
