"""Vectors of the pictures and texts that came last, so that what repeats is encoded once."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class RecentVectors:
    """At most `size` vectors; the one that was not asked for the longest goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()

    def get(self, key: str) -> Vector | None:
        digest = _digest(key)
        vector = self._vectors.get(digest)
        if vector is not None:
            self._vectors.move_to_end(digest)
        return vector

    def put(self, key: str, vector: Vector) -> None:
        """Remember a copy: a row of a matrix would keep the whole matrix in memory."""
        self._vectors[_digest(key)] = vector.copy()
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)


def _digest(key: str) -> bytes:
    """Prompts can be long; 16 bytes of them are enough to tell them apart."""
    return blake2b(key.encode(), digest_size=16).digest()
