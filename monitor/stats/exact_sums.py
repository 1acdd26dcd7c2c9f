"""Sums that do not depend on the order of adding: values are rounded to a fixed unit and added as integers.

Floating sums differ in their last bits with every order, so windows merged in another order, or by another replica,
would not be equal. Integer sums are exact, associative and commutative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import NotEnoughData
from monitor.stats.inputs import Floats

UNIT: Final = 2.0**-20
"""A millionth: far below the standard deviation of any feature (about 1)."""

_PER_UNIT: Final = 1.0 / UNIT
"""As exact, for powers of two, as to divide, which takes twice as long."""

LIMIT: Final = 2.0**20
"""Values beyond are cut. A row then adds at most 2**40 units, so 8 million of the most extreme rows fit 64 bits."""

Units = NDArray[np.int64]


def to_units(values: Floats) -> Units:
    """Round numbers of any shape to whole units, cut at `LIMIT`.

    Raises:
        NotEnoughData: NaN, texts, complex numbers, or something behind a mask.
    """
    found = np.asarray(values)
    if np.ma.is_masked(values) or found.dtype.kind not in "fiub":
        raise NotEnoughData("values to be summed must be real numbers, none of them masked")
    try:
        with np.errstate(invalid="raise"):  # half precision ends below 65,536 units
            cut = np.asarray(np.clip(found.astype(np.float64, copy=False), -LIMIT, LIMIT))
            cut *= _PER_UNIT
            return np.rint(cut, out=cut).astype(np.int64)
    except FloatingPointError:
        raise NotEnoughData("values to be summed hold NaN") from None


def to_values(units: Units) -> Floats:
    """The numbers that so many units stand for."""
    return units.astype(np.float64) * UNIT
