"""Streams of embeddings: each side alone, and how picture and text go together."""

from __future__ import annotations

import numpy as np

from monitor.streams.stream import Vector, Vectors, VectorStream


def agreement(vectors: Vectors) -> Vector | None:
    """Cosine of image and prompt, as a vector [1] in [-1, 1]; None when one of them is missing."""
    image, prompt = vectors.get("image"), vectors.get("prompt")
    if image is None or prompt is None or image.shape != prompt.shape:
        return None
    lengths = float(np.linalg.norm(image)) * float(np.linalg.norm(prompt))
    return np.array([float(image @ prompt) / lengths], dtype=np.float32) if lengths else None


def _alone(name: str, meaning: str) -> VectorStream:
    return VectorStream(name, meaning, (name,), lambda vectors: vectors.get(name))


IMAGE = _alone("image", "The pictures alone: a camera, a crop, another kind of scene.")
PROMPT = _alone("prompt", "The questions alone: a campaign, a new client, another language.")
ANSWER = _alone("answer", "What the model says: other answers, another style, refusals.")
AGREEMENT = VectorStream(
    "agreement",
    "How well picture and question go together: pairing, preprocessing.",
    ("image", "prompt"),
    agreement,
    features=("cosine",),
)
