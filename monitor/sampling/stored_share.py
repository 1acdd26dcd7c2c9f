"""Which predictions are stored in full when there is more traffic than storage should hold.

Two independent coins, both keyed hashes of the request id: one for storage, which does not look at the prediction, and
the label sampler's, so that whatever is drawn for labelling is there. So a live row is stored with probability
1 - (1 - r)(1 - p), p being what the label sampler draws it with. As long as that is the same for all (no boost, no
factors, no other plan), the mean over stored rows estimates the mean over all; else weigh each row by 1 / probability
(Horvitz-Thompson; Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, section 2.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SettingsError
from monitor.sampling.hashing import selected, uniforms
from monitor.sampling.label_plan import Draw

STORE_KEY: Final = "store"


@dataclass(frozen=True, slots=True)
class StoredShare:
    """The share `rate` in [0, 1] is stored, and whatever the label sampler's coin falls on.

    Raises:
        SettingsError: a rate outside [0, 1], or NaN.
    """

    rate: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise SettingsError(f"the share of predictions that is stored must lie in [0, 1], not {self.rate!r}")

    def holds(self, request_id: str, draw: Draw) -> bool:
        """Is this prediction stored?"""
        return draw.drawn or self.holds_undrawn(request_id)

    def holds_undrawn(self, request_id: str) -> bool:
        """Is it stored though it is not drawn for labelling?"""
        return self.rate == 1 or selected(request_id, self.rate, STORE_KEY)

    def hold_undrawn(self, request_ids: Sequence[str]) -> NDArray[np.bool_]:
        """`holds_undrawn` of many ids [n]."""
        return uniforms(request_ids, STORE_KEY) < self.rate if self.rate < 1 else np.ones(len(request_ids), bool)

    def inclusion_probability(self, draw: Draw) -> float | None:
        """With which a live prediction is stored; None when all are.

        >>> StoredShare(0.2).inclusion_probability(Draw(0.1, drawn=False, in_base=False, plan=0))
        0.28
        """
        return None if self.rate == 1 else round(1 - (1 - self.rate) * (1 - draw.probability), 12)
