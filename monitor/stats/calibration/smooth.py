"""Smooth calibration error: a kernel in place of bins, of a width that the data choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.fft import dct, idct

from monitor.stats.calibration.measured import Measured, chance, inverted, masses, reaching
from monitor.stats.calibration.rows import Rows
from monitor.stats.inputs import Floats
from monitor.stats.intervals import Interval

CELLS: Final = 512
"""Of the grid on [0, 1] that residuals are put on; a kernel narrower than a cell would not be seen."""

_DRAWS: Final = 500
_HALVINGS: Final = 30
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class SmoothError:
    """The measure, and the width of the kernel, which equals its value."""

    measured: Measured
    width: float


def smooth_error(rows: Rows, gap: Interval, level: float) -> SmoothError:
    """smECE: the mean absolute residual after smoothing with a Gaussian that is reflected at 0 and 1.

    With residual curve r(t) = mean of K_s(t, confidence) (confidence - correct), smECE_s is the integral of abs(r) over
    [0, 1]; the width s is the one with smECE_s = s, which exists and is unique because smECE_s falls in s.
    Błasiok and Nakkiran (2024), "Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing", ICLR.
    Computed on a grid, where reflection is what the cosine transform does.

    The interval inverts a test as that of the ECE: smECE of a table is at least e exactly when its smECE_e is at least
    e, so simulated tables need no search for their own width. How much of the traffic lies where is chance, too. It
    reaches as far as that of abs(signed `gap`), which smECE cannot be below.
    """
    residuals = _on_grid(rows, rows.weight * (rows.confidence - rows.correct)) / rows.n
    width = _fixed_point(residuals)
    signal = smoothed(residuals, width)
    noise = smoothed(chance(_deviation(rows, width), _DRAWS), width)
    density = _densities(rows, width)

    def area(curve: Floats) -> Floats:
        sizes = np.abs(curve, out=curve)
        total: Floats = sizes.sum() if sizes.ndim == 1 else np.vecdot(sizes, density)
        return total

    found = inverted(area, signal, noise, level)
    return SmoothError(reaching(found, max(abs(gap.lower), abs(gap.upper))), width)


def smoothed(values: Floats, width: float) -> Floats:
    """Masses `values` [..., CELLS] spread by a reflected Gaussian of standard deviation `width`; sums are kept."""
    waves = np.exp(-0.5 * (np.pi * width * np.arange(values.shape[-1])) ** 2)
    spread: Floats = idct(dct(values, axis=-1) * waves, axis=-1)
    return spread


def _fixed_point(residuals: Floats) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        width = (low + high) / 2.0
        low, high = (width, high) if np.abs(smoothed(residuals, width)).sum() > width else (low, width)
    return high


def _deviation(rows: Rows, width: float) -> Floats:
    """Standard deviation [CELLS] of what outcomes add to the residuals, if accuracy is the smoothed one of the rows."""
    mass = _on_grid(rows, rows.weight)
    right = smoothed(_on_grid(rows, rows.weight * rows.correct), width)
    # Laplace's rule: one answer of either outcome beside those that the kernel reaches.
    reached = smoothed(mass, width)
    unit = 1.0 / max(width * CELLS, 1.0)
    accuracy = ((right + unit) / (reached + 2.0 * unit)).clip(0.0, 1.0)
    squares = _on_grid(rows, rows.weight**2)
    deviation: Floats = np.sqrt(squares * accuracy * (1.0 - accuracy)) / rows.n
    return deviation


def _densities(rows: Rows, width: float) -> Floats:
    """How many times as much of the traffic [draws, CELLS] might lie near each cell as in the sample."""
    mass = _on_grid(rows, rows.weight)
    drawn = masses(mass, mass**2 / np.maximum(_on_grid(rows, rows.weight**2), _TINY), _DRAWS)
    drawn *= mass.sum() / drawn.sum(axis=1, keepdims=True)
    near = smoothed(mass, width)
    densities: Floats = np.where(near > _TINY, smoothed(drawn, width) / np.maximum(near, _TINY), 1.0)
    return densities


def _on_grid(rows: Rows, values: Floats) -> Floats:
    """Sums of `values` [n] by cell, each shared between the two cells whose centres are next to its confidence."""
    places = rows.confidence * CELLS - 0.5
    left = np.floor(places).astype(np.int64)
    part = places - left
    lower = np.bincount(left.clip(0), values * (1.0 - part), CELLS)
    upper = np.bincount((left + 1).clip(0, CELLS - 1), values * part, CELLS)
    return np.asarray(lower + upper, dtype=np.float64)
