"""Rows as every detector sees them: centred, along the leading axes, and what the axes leave over."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.stats.inputs import Floats


@dataclass(frozen=True, slots=True)
class Projection:
    """n rows under a frozen frame.

    `centred` [n, d] is in the embedding's unit; `axes` [n, k] has about unit variance on the rows of the fit;
    `residual` [n] is the squared length that the k axes do not explain (all but zero when k = d);
    `variance` is the mean squared length of the fit's centred rows, the natural unit of `residual`.
    """

    centred: Floats
    axes: Floats
    residual: Floats
    variance: float
