"""Numbers that say where a row belongs: its window, its hour, its group."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData

RowNumbers = NDArray[np.int64]

_MOST: Final = np.iinfo(np.int64).max


def row_numbers(values: ArrayLike, n: int, what: str, *, of: str = "rows") -> RowNumbers:
    """Copy the whole number of each of n rows into int64 [n]; `what` and `of` name them in messages.

    Raises:
        NotEnoughData: not n of them, numbers that are not whole or beyond 63 bits, or something behind a mask.
    """
    fault = f"{n} {of} need as many whole {what} of at most 63 bits, none of them masked"
    if np.ma.is_masked(values):
        raise NotEnoughData(fault)
    try:
        found = np.asarray(values)
    except (RuntimeError, TypeError, ValueError):  # rows of different lengths, or a tensor that is not at hand
        raise NotEnoughData(fault) from None
    if found.shape != (n,) or found.dtype.kind not in "iu" or (n and int(found.max()) > _MOST):
        raise NotEnoughData(f"{fault}; not {found.dtype} of shape {found.shape}")
    return found.astype(np.int64)
