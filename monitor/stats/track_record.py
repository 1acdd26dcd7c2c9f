"""How estimates that were made without labels stand against what labels later said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot

import numpy as np

from monitor.stats.inputs import check_whole
from monitor.stats.intervals import Interval
from monitor.stats.proportions import Proportion
from monitor.stats.weighted import WeightedShare


@dataclass(frozen=True, slots=True)
class Checked:
    """An estimate with its interval of 95%, in [0, 1], and what labels said of the same answers."""

    estimate: float
    interval: Interval
    labelled: WeightedShare

    @property
    def error(self) -> float | None:
        """Estimate less labelled share, in [-1, 1]; None without labels."""
        return None if self.labelled.share is None else self.estimate - self.labelled.share

    @property
    def agrees(self) -> bool | None:
        """Whether the 95% interval of the error holds 0, which it does 95 times of 100 if both intervals are right.

        The labels are a sample themselves, so both intervals count: the distances of each figure to its own bounds,
        added as squares. Zou and Donner (2008), "Construction of confidence limits about effect measures", Statistics
        in Medicine 27. None without labels.
        """
        if (error := self.error) is None or self.labelled.share is None:
            return None
        known = self.labelled.interval
        if error > 0.0:
            return error <= hypot(self.estimate - self.interval.lower, known.upper - self.labelled.share)
        return -error <= hypot(self.interval.upper - self.estimate, self.labelled.share - known.lower)


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """`agreed` of the checked estimates; `mean_error` in [-1, 1] says whether they are too high or too low, and
    `mean_distance` in [0, 1] by how much they are off, the chance of the labels included; None without any."""

    agreed: Proportion
    mean_error: float | None
    mean_distance: float | None


def track_record(checked: Iterable[Checked], *, min_labels: int) -> TrackRecord:
    """Of the estimates that at least `min_labels` labels can be held against.

    Raises:
        NotEnoughData: `min_labels` is no whole number.
    """
    check_whole(min_labels, "labels", least=0)
    used = [one for one in checked if one.labelled.n >= max(min_labels, 1)]
    errors = [one.error for one in used if one.error is not None]
    agreed = Proportion(sum(one.agrees is True for one in used), len(used))
    if not errors:
        return TrackRecord(agreed, None, None)
    return TrackRecord(agreed, float(np.mean(errors)), float(np.mean(np.abs(errors))))
