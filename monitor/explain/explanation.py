"""What moved between two windows: causes are ranked on one half of the rows and confirmed on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.errors import FingerprintMismatch, NotEnoughData
from monitor.explain.carrier import Carrier, carriers
from monitor.explain.causes import Cause, confirm, rank
from monitor.explain.halves import Windows
from monitor.explain.rows import Family, Rows
from monitor.explain.shift import Shift, shift
from monitor.stats.inputs import check_share, check_whole

LEAST_ROWS: Final = 60
"""In either window: half of them rank, half confirm."""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """`causes` that held-out rows confirmed come first, the likeliest first; then those that they did not confirm.

    `carriers` are slices whose own rows moved while others stayed; `shifts` say how far each kind of vectors moved and
    which rows did most.
    """

    n_reference: int
    n_current: int
    causes: tuple[Cause, ...]
    carriers: tuple[Carrier, ...]
    shifts: tuple[Shift, ...]

    @property
    def first(self) -> Cause | None:
        """The first confirmed cause; None where nothing was confirmed."""
        return next((one for one in self.causes if one.confirmed), None)


def explain(
    reference: Rows, current: Rows, families: Sequence[Family] = (), *,
    alpha: float = 0.05, confidence: float = 0.95, seed: int = 0,
) -> Explanation:  # fmt: skip
    """Say what moved from `reference` to `current`, windows of at least 60 rows each.

    Both are split into halves, groups kept together. The first halves rank the candidates (slice values, measurements,
    image-text agreement, concepts of the `families`, clusters) by their effect, and look for a slice that carries the
    change; the largest are tried on the second halves, where Holm's procedure bounds by `alpha` the chance that any
    cause is confirmed although nothing moved. Of what fewer than 10 groups of a half have nothing is said. Which rows
    fall into which half depends on `seed` alone.

    Raises:
        NotEnoughData: too few rows, or alpha or confidence outside (0, 1).
        FingerprintMismatch: vectors of one kind have different lengths in the two windows.
    """
    check_share(alpha, "alpha")
    check_share(confidence, "confidence")
    check_whole(seed, "as the seed", least=0)
    for name, rows in (("reference", reference), ("current", current)):
        if len(rows) < LEAST_ROWS:
            raise NotEnoughData(f"the {name} window has {len(rows)} rows; at least {LEAST_ROWS} are needed")
    rng = np.random.default_rng(seed)
    kinds = sorted(reference.vectors.keys() & current.vectors.keys())
    for kind in kinds:
        widths = [rows.vectors[kind].shape[1] for rows in (reference, current)]
        if widths[0] != widths[1]:
            raise FingerprintMismatch(
                f"the {kind} vectors of the two windows have {widths[0]} and {widths[1]} numbers: embed both with one "
                "encoder"
            )
    found = [shift(reference, current, kind, confidence=confidence, seed=seed) for kind in kinds]
    shifts = tuple(one for one in found if one is not None)
    first, second = Windows(reference, current, confidence).halves(rng)
    carrying = carriers(first, second, [one.kind for one in shifts], seed)
    ranked = rank(first, families, [one.slice for one in carrying], rng)
    return Explanation(len(reference), len(current), confirm(ranked, second, alpha), carrying, shifts)
