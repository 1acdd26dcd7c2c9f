"""Which predictions are stored in full when there is more traffic than storage should hold.

Two independent coins, both keyed hashes of the request id: one for storage, and the label sampler's, so that whatever
is drawn for labelling is there. Neither looks at the prediction itself: all live rows have the same inclusion
probability 1 - (1 - r)(1 - l), and the mean over stored rows estimates the mean over all without weights as long as
neither rate is changed; across a change, weigh each row by 1 / probability (Horvitz-Thompson; Särndal, Swensson and
Wretman, "Model Assisted Survey Sampling", 1992, section 2.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.sampling.hashing import selected

LABEL_KEY: Final = "label"
"""Key of the label sampler's hash; another key draws another, independent sample."""
STORE_KEY: Final = "store"


@dataclass(frozen=True, slots=True)
class StoredShare:
    """The share `rate` is stored, and whatever the label sampler draws at `label_rate`; both in [0, 1].

    >>> StoredShare(0.2, 0.1).inclusion_probability
    0.28
    """

    rate: float
    label_rate: float

    @property
    def inclusion_probability(self) -> float | None:
        """Of every live prediction; None when all are stored."""
        return None if self.rate == 1 else round(1 - (1 - self.rate) * (1 - self.label_rate), 12)

    def holds(self, request_id: str) -> bool:
        """Is this prediction stored?"""
        return (
            self.rate == 1
            or selected(request_id, self.rate, STORE_KEY)
            or selected(request_id, self.label_rate, LABEL_KEY)
        )


EVERYTHING: Final = StoredShare(1.0, 0.0)
