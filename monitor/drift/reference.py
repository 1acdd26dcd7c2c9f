"""From blessed traffic to all that comparisons need: a fit from some windows, its calibration from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.drift.compare import MIN_REFERENCE
from monitor.drift.dispersion import Dispersion, estimate
from monitor.drift.fit import MIN_FIT_ROWS, Fit, learn
from monitor.drift.season import as_hours
from monitor.drift.sketch import Sketch
from monitor.errors import NotEnoughData
from monitor.stats.inputs import as_matrix
from monitor.stats.row_numbers import row_numbers

MIN_ROWS: Final = 2 * MIN_REFERENCE
"""Some of them fit, the others calibrate."""

FITTING: Final = 3
"""One window in so many fits: a frame is soon good enough, while each window that calibrates adds power."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`fit` from a third of the windows; `baseline` and `dispersion` from the others, the `calibration_windows`.

    A slice is compared with the sketch of its own rows in the calibration windows, under the dispersion of those.
    """

    fit: Fit
    baseline: Sketch
    dispersion: Dispersion
    calibration_windows: tuple[int, ...]


def build(vectors: ArrayLike, windows: ArrayLike, fingerprint: str, *, hours: ArrayLike | None = None) -> Reference:
    """Build a reference from `vectors` [n, d] and the number of each row's window, `windows` [n] of whole numbers.

    `hours` [n], the whole hour since the epoch (UTC) in which each row came, makes the reference seasonal where they
    span 3 days (hour of the day) or 2 weeks (hour of the week). `Reference.fit.season` is then not None, and `estimate`
    for slices and `compare` need hours too.

    Whole windows fit or calibrate, so that near-duplicates never do both: calibrating on rows that the fit has seen
    makes every test fire. The choice depends on the window numbers alone.

    Raises:
        NotEnoughData: fewer than `MIN_ROWS` rows or two windows, shapes that differ, rows that are all the same,
            or as many hours as rows do not match.
    """
    rows = as_matrix(vectors, "reference vectors", least=MIN_ROWS)
    numbers = row_numbers(windows, rows.shape[0], "window numbers")
    fitting = fitting_windows(numbers)
    fits = np.isin(numbers, fitting)
    known = None if hours is None else as_hours(hours, rows.shape[0])
    fit = learn(rows[fits], fingerprint, hours=None if known is None else known[fits])
    features = fit.features(rows[~fits])
    kept = numbers[~fits]
    return Reference(
        fit=fit,
        baseline=Sketch.of_features(features, fit),
        dispersion=estimate(features, kept, fit, hours=None if known is None else known[~fits]),
        calibration_windows=tuple(np.unique(kept).tolist()),
    )


def fitting_windows(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A third of the windows, or more if they hold few rows, in a fixed shuffled order: not all nights or all Mondays.

    What else is chosen by looking at a reference, such as its most frequent answers, is chosen on these windows too.

    Raises:
        NotEnoughData: fewer than two windows.
    """
    found, counts = np.unique(numbers, return_counts=True)
    if found.size < 2:
        raise NotEnoughData("a reference needs rows from at least two windows: some fit, the others calibrate")
    order = np.random.default_rng(0).permutation(found.size)
    enough = int(np.searchsorted(np.cumsum(counts[order]), MIN_FIT_ROWS)) + 1
    return found[order[: min(max(found.size // FITTING, enough), max(found.size // 2, 1))]]
