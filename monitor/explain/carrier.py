"""Where it moved: a slice whose own rows changed while those of other slices stayed as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.domain.slices import Slice
from monitor.explain.candidates import MOST_VALUES
from monitor.explain.halves import Values, Windows
from monitor.explain.shift import shift
from monitor.stats.dominance import Dominance

LEAST_PART: Final = 0.6
"""Of the whole change, that a slice must carry to be suspected."""
MOST_OUTSIDE: Final = 0.4
"""How far the rows of other slices may have moved, against those of the suspect."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A slice that carries the change of one kind of vectors; all figures are from held-out rows.

    `inside` is by how much domain scores of current rows of the slice lie above those of its reference rows, `outside`
    the same for all other rows; `share` in [0, 1] of the current traffic lies in the slice.
    """

    slice: Slice
    kind: str
    share: float
    inside: Dominance
    outside: Dominance


def carriers(first: Windows, second: Windows, kinds: Sequence[str], seed: int) -> tuple[Carrier, ...]:
    """Of each kind of vectors, the slice that seems to carry its change in the first half, where the second agrees:
    the interval of what moved inside lies above what moved outside."""
    found: dict[Slice, Carrier] = {}
    for kind in kinds:
        seen, held_out = (
            shift(half.reference, half.current, kind, confidence=half.confidence, seed=seed) for half in (first, second)
        )
        if seen is None or held_out is None:
            continue
        part = _suspect(first, (seen.reference_scores, seen.current_scores))
        if part is None or part in found:
            continue
        carrier = _try(second, (held_out.reference_scores, held_out.current_scores), part, kind)
        if carrier is not None and carrier.inside.interval.lower > max(carrier.outside.delta, 0.0):
            found[part] = carrier
    return tuple(found.values())


def _suspect(half: Windows, scores: Values) -> Slice | None:
    """The slice that carries most of the traffic's change, if it carries nearly all."""
    best: tuple[float, Slice] | None = None
    for dimension in sorted({name for row in half.current.slices for name in row}):
        values, counts = np.unique([row.get(dimension, "") for row in half.current.slices], return_counts=True)
        if not 2 <= values.size <= MOST_VALUES:
            continue
        parts = [Slice(dimension, value) for value in values.tolist()]
        rates = np.array([_rate(half, scores, part) for part in parts])
        shares = counts / counts.sum()
        carried = rates * shares
        top = int(carried.argmax())
        outside = (carried.sum() - carried[top]) / (1.0 - shares[top])
        carries = carried[top] >= LEAST_PART * carried.sum() and outside <= MOST_OUTSIDE * rates[top]
        if carried[top] > 0.0 and carries and (best is None or carried[top] > best[0]):
            best = float(carried[top]), parts[top]
    return None if best is None else best[1]


def _rate(half: Windows, scores: Values, part: Slice) -> float:
    found = half.compare(scores, half.where(part))
    return 0.0 if found is None else max(found.delta, 0.0)


def _try(half: Windows, scores: Values, part: Slice, kind: str) -> Carrier | None:
    before, now = half.where(part)
    inside, outside = half.compare(scores, (before, now)), half.compare(scores, (~before, ~now))
    if inside is None or outside is None:
        return None
    return Carrier(part, kind, float(now.mean()), inside, outside)
