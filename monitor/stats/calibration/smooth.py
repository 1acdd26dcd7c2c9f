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
_CENTRES: Final = (np.arange(CELLS) + 0.5) / CELLS


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
    accuracy = _accuracies(rows, width)
    noise = smoothed(chance(_deviation(rows, accuracy), _DRAWS), width)
    elsewhere = smoothed(_moved(rows) * (_CENTRES - accuracy), width)
    signal = smoothed(residuals, width)
    found = inverted(lambda curve: np.abs(curve, out=curve).sum(axis=-1), signal, noise, level, elsewhere)
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


def _accuracies(rows: Rows, width: float) -> Floats:
    """Smoothed [CELLS], with one answer of either outcome (Laplace's rule) beside those that the kernel reaches."""
    right = smoothed(_on_grid(rows, rows.weight * rows.correct), width)
    reached = smoothed(_on_grid(rows, rows.weight), width)
    unit = 1.0 / max(width * CELLS, 1.0)
    accuracies: Floats = ((right + unit) / (reached + 2.0 * unit)).clip(0.0, 1.0)
    return accuracies


def _deviation(rows: Rows, accuracy: Floats) -> Floats:
    """Standard deviation [CELLS] of what outcomes add to the residuals."""
    squares = _on_grid(rows, rows.weight**2)
    deviation: Floats = np.sqrt(squares * accuracy * (1.0 - accuracy)) / rows.n
    return deviation


def _moved(rows: Rows) -> Floats:
    """How much more of the traffic than of the sample might lie in each cell [draws, CELLS]."""
    mass = _on_grid(rows, rows.weight)
    drawn = masses(mass, mass**2 / np.maximum(_on_grid(rows, rows.weight**2), _TINY), _DRAWS)
    shares: Floats = drawn / drawn.sum(axis=1, keepdims=True) - mass / mass.sum()
    return shares


def _on_grid(rows: Rows, values: Floats) -> Floats:
    """Sums of `values` [n] by cell, each shared between the two cells whose centres are next to its confidence."""
    places = rows.confidence * CELLS - 0.5
    left = np.floor(places).astype(np.int64)
    part = places - left
    lower = np.bincount(left.clip(0), values * (1.0 - part), CELLS)
    upper = np.bincount((left + 1).clip(0, CELLS - 1), values * part, CELLS)
    return np.asarray(lower + upper, dtype=np.float64)
