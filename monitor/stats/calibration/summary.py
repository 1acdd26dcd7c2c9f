"""All measures of calibration of one set of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from monitor.stats.calibration.binned import BinnedErrors
from monitor.stats.calibration.measured import FEWEST_DRAWS, Difference, Measured, check_level, difference
from monitor.stats.calibration.reliability import DEFAULT_BINS, ReliabilityBin, table_of
from monitor.stats.calibration.rows import as_rows
from monitor.stats.calibration.scores import mean_scores, murphy_parts
from monitor.stats.calibration.smooth import smooth_error

MEASURES: Final = (
    "gap", "ece", "ece_debiased", "ece_equal_mass", "ece_smooth", "root_mean_square", "maximum",
    "maximum_equal_mass", "overconfidence", "brier", "reliability", "resolution", "uncertainty", "log_loss",
)  # fmt: skip
"""The measures of a `Calibration` by the names of its fields."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of `n` answers, worth `effective_n` equally weighted ones.

    - `gap` in [-1, 1]: mean confidence - accuracy; above 0 the model is over-confident.
    - `ece`, `ece_equal_mass`, `ece_smooth` in [0, 1]: expected calibration error over bins of equal width, of equal
      mass, and without bins; `ece_debiased`: the first less its bias.
    - `root_mean_square` in [0, 1]: the same gaps squared, over bins of equal width.
    - `maximum`, `maximum_equal_mass` in [0, 1]: the largest gap of a bin, of equal width and of equal mass. The first
      is the usual one, and hardly known where a bin holds few answers; the second has as many in each.
    - `overconfidence` in [0, 1]: what confident mistakes add.
    - `brier` in [0, 1] = `reliability` - `resolution` + `uncertainty` up to how confidences vary within bins; lower is
      better, but a higher resolution.
    - `log_loss` >= 0, in nats.
    - `bins`, `bins_equal_mass`: the reliability tables.
    """

    n: int
    effective_n: float
    gap: Measured
    ece: Measured
    ece_debiased: Measured
    ece_equal_mass: Measured
    ece_smooth: Measured
    root_mean_square: Measured
    maximum: Measured
    maximum_equal_mass: Measured
    overconfidence: Measured
    brier: Measured
    reliability: Measured
    resolution: Measured
    uncertainty: Measured
    log_loss: Measured
    bins: tuple[ReliabilityBin, ...]
    bins_equal_mass: tuple[ReliabilityBin, ...]

    def measures(self) -> dict[str, Measured]:
        """All of them by name."""
        return {name: getattr(self, name) for name in MEASURES}

    def against(self, reference: Calibration) -> dict[str, Difference]:
        """How far each measure lies above that of a reference, by name; the two must rest on different answers."""
        theirs = reference.measures()
        return {name: difference(ours, theirs[name]) for name, ours in self.measures().items()}


def calibration(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    probability: ArrayLike | None = None,
    bins: int = DEFAULT_BINS,
    level: float = 0.95,
) -> Calibration:
    """All measures for `confidence` [n] in [0, 1] and `correct` [n], true or false.

    Args:
        probability: [n] in (0, 1], of each answer to have been drawn for labelling; None: all alike. Answers weigh
            1 / probability, so that figures are those of the traffic and not of what was drawn (Hájek, 1971).
        bins: of the binned measures.
        level: of the intervals.

    The measures say where they come from: `monitor.stats.calibration.scores`, `.binned` and `.smooth`.

    Raises:
        NotEnoughData: fewer than `MIN_ROWS` rows, lengths that differ, values out of range, no bins, or a level above
            0.992, which 500 draws cannot tell.
    """
    check_level(level, FEWEST_DRAWS)
    rows = as_rows(confidence, correct, probability)
    table = table_of(rows, bins=bins, equal_mass=False, level=level)
    of_mass = table_of(rows, bins=bins, equal_mass=True, level=level)
    gap, brier, log_loss = mean_scores(rows, level)
    (whole,) = table_of(rows, bins=1, equal_mass=False, level=level)
    errors, errors_of_mass = (BinnedErrors(one, gap.interval, level) for one in (table, of_mass))
    reliability, resolution, uncertainty = murphy_parts(rows, errors, level)
    ece = errors.expected()
    return Calibration(
        n=rows.n,
        effective_n=rows.effective_n,
        gap=gap,
        ece=ece,
        ece_debiased=errors.debiased(ece),
        ece_equal_mass=errors_of_mass.expected(),
        ece_smooth=smooth_error(rows, gap.interval, level).measured,
        root_mean_square=errors.root_mean_square(),
        maximum=errors.maximum(whole),
        maximum_equal_mass=errors_of_mass.maximum(whole),
        overconfidence=errors.overconfidence(),
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        log_loss=log_loss,
        bins=table,
        bins_equal_mass=of_mass,
    )
