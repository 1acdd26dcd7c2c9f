"""Stored predictions of a window as explanations see them: inputs alone, for answers follow from what moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import MINUTE, Window
from monitor.explain import Rows
from monitor.store import observations
from monitor.store.explanations import Key, Vectors, vectors_of
from monitor.store.observations import ObservedPrediction
from monitor.streams import image_quality
from monitor.streams.text import TEXT_UNITS, text_features

KINDS = ("image", "prompt")
"""Vectors that are looked at."""
LEAST_GROUPS = 40
"""Rows of one minute count as one group where there are so many minutes; else every row is its own."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Predictions of a window with their vectors, of which `rows` are made under one embedder."""

    predictions: list[ObservedPrediction]
    vectors: list[Vectors]

    @property
    def keys(self) -> list[Key]:
        return [(one.ts, one.request_id) for one in self.predictions]

    def embedders(self) -> Counter[int]:
        """How many vectors of inputs come from each embedder."""
        return embedders(self.vectors)

    def rows(self, embedder_id: int | None, dimensions: Sequence[str]) -> Rows:
        """Slices of these dimensions and of the model itself, vectors of one embedder, and what is measured."""
        vectors = {
            kind: stacked([one.get((embedder_id, kind)) for one in self.vectors])
            for kind in KINDS
            if embedder_id is not None and any((embedder_id, kind) in one for one in self.vectors)
        }
        minutes = np.array([one.ts.timestamp() // MINUTE.total_seconds() for one in self.predictions], dtype=np.int64)
        groups = minutes if np.unique(minutes).size >= LEAST_GROUPS else None
        return Rows(
            [_slices(one, dimensions) for one in self.predictions], vectors, self._features(), groups,
        )  # fmt: skip

    def _features(self) -> dict[str, NDArray[np.float64]]:
        kind, units = image_quality.KIND, image_quality.QUALITY_UNITS
        quality = [next((vector for (_, known), vector in one.items() if known == kind), None) for one in self.vectors]
        features: dict[str, NDArray[np.float64]] = {}
        if any(one is not None for one in quality):
            measured = stacked(quality)
            features |= {name: measured[:, index] * unit for index, (name, unit) in enumerate(units.items())}
        if any(one.observed.prompt is not None for one in self.predictions):
            texts = [
                None if one.observed.prompt is None else text_features(one.observed.prompt) for one in self.predictions
            ]
            features |= {
                f"prompt {name}": np.array([np.nan if one is None else one[name] for one in texts])
                for name in TEXT_UNITS
            }
        return features


def sampled(connection: Connection, model: str, part: Slice, window: Window, most: int) -> Sampled:
    """About `most` stored predictions of a window, those of a slice alone where `part` names one."""
    found = observations.sample_window(connection, model, window, most)
    if part != ALL_TRAFFIC:
        found = [one for one in found if _slices(one, (part.dimension,)).get(part.dimension) == part.value]
    return Sampled(found, vectors_of(connection, [(one.ts, one.request_id) for one in found]))


def embedders(stored: Iterable[Vectors]) -> Counter[int]:
    """How many vectors of inputs come from each embedder."""
    return Counter(number for one in stored for number, kind in one if kind in KINDS)


def commonest(counted: Counter[int]) -> int | None:
    """The embedder of most vectors; None where there are none."""
    return counted.most_common(1)[0][0] if counted else None


def stacked(vectors: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float64]:
    """As [n, d], NaN where there is none; at least one there must be."""
    width = next(one.size for one in vectors if one is not None)
    matrix = np.full((len(vectors), width), np.nan)
    for row, one in enumerate(vectors):
        if one is not None:
            matrix[row] = one
    return matrix


def _slices(one: ObservedPrediction, dimensions: Sequence[str]) -> dict[str, str]:
    own = {"version": one.version, "variant": one.variant, "task": one.observed.task}
    return {name: one.slices[name] for name in dimensions if name in one.slices} | own
