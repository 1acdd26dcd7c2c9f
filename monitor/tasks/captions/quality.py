"""Caption quality in points from 0 to 100: people's ratings and automatic metrics, weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

from monitor.errors import NotEnoughData
from monitor.stats.inputs import is_number

FULL_MARKS: Final[Mapping[str, float]] = {
    "human_rating": 100.0, "cider_d": 1.0, "bleu_4": 1.0, "rouge_l": 1.0, "clip_score": 1.0,
}  # fmt: skip
"""The value of each metric that gives 100 points; what is above counts as 100. Papers give CIDEr-D and CLIPScore times
100; people's own captions reach a CIDEr-D of about 0.9 on COCO."""


@dataclass(frozen=True, slots=True)
class CaptionWeights:
    """How much each metric counts; only their proportions matter. A metric of weight 0 need not be known."""

    human_rating: float = 0.5
    cider_d: float = 0.5
    bleu_4: float = 0.0
    rouge_l: float = 0.0
    clip_score: float = 0.0

    def __post_init__(self) -> None:
        """
        Raises:
            NotEnoughData: a weight below 0, or none above.
        """
        if min(self.all.values()) < 0.0 or not 0.0 < sum(self.all.values()) < float("inf"):
            raise NotEnoughData(f"weights of caption metrics must be at least 0, one of them above: {self.all}")

    @property
    def all(self) -> dict[str, float]:
        """Weight by metric."""
        return {name: getattr(self, name) for name in FULL_MARKS}

    @property
    def used(self) -> tuple[str, ...]:
        """The metrics that count: a caption has points when all of these are known of it."""
        return tuple(name for name, weight in self.all.items() if weight > 0.0)

    def points(self, metrics: Mapping[str, float]) -> float:
        """Points of one caption, from 0 to 100: the weighted mean of each metric's points.

        >>> CaptionWeights().points({"human_rating": 80.0, "cider_d": 0.6})
        70.0

        Raises:
            NotEnoughData: a metric that counts is missing, NaN or no number.
        """
        known = {name: metrics.get(name, nan) for name in self.used}
        if missing := [name for name, one in known.items() if not (is_number(one) and isfinite(one))]:
            raise NotEnoughData(f"caption quality needs {', '.join(missing)} as well")
        marks = {name: min(max(one / FULL_MARKS[name], 0.0), 1.0) for name, one in known.items()}
        total = sum(self.all[name] for name in self.used)
        return 100.0 * sum(self.all[name] * marks[name] for name in self.used) / total
