"""What every statistic demands of its arrays, said in the same words everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData

Floats = NDArray[np.float64]


def as_vector(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy `values` into float64 [n], n >= `least`, all finite.

    Raises:
        NotEnoughData: another shape, too few values, or NaN or infinity among them.
    """
    return _as_floats(values, name, dimensions=1, least=least)


def as_matrix(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy `values` into float64 [n, d], n >= `least`, d >= 1, all finite.

    Raises:
        NotEnoughData: another shape, too few rows, no columns, or NaN or infinity among them.
    """
    matrix = _as_floats(values, name, dimensions=2, least=least)
    if matrix.shape[1] == 0:
        raise NotEnoughData(f"{name} has {matrix.shape[0]} rows but no columns")
    return matrix


def as_rows(values: ArrayLike, name: str, *, least: int = 1) -> NDArray[np.floating[Any]]:
    """Like `as_matrix`, but floats of any precision stay as they are, uncopied: only to be read.

    Raises:
        NotEnoughData: another shape, too few rows, no columns, or NaN or infinity among them.
    """
    is_floats = isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)
    matrix = np.asarray(values) if is_floats else as_matrix(values, name, least=least)
    _check(matrix, name, dimensions=2, least=least)
    if matrix.shape[1] == 0:
        raise NotEnoughData(f"{name} has {matrix.shape[0]} rows but no columns")
    return matrix


def as_outcomes(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy booleans, or numbers that are 0 or 1, into float64 [n].

    Raises:
        NotEnoughData: another shape, too few values, or a value that is neither 0 nor 1.
    """
    outcomes = _as_floats(values, name, dimensions=1, least=least)
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise NotEnoughData(f"{name} must be true or false (0 or 1) for every row")
    return outcomes


def as_shares(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy probabilities into float64 [n], all within [0, 1].

    Raises:
        NotEnoughData: another shape, too few values, or a value outside [0, 1].
    """
    shares = _as_floats(values, name, dimensions=1, least=least)
    if shares.min(initial=0.0) < 0.0 or shares.max(initial=1.0) > 1.0:
        raise NotEnoughData(f"{name} must lie in [0, 1]; found {shares.min():g} to {shares.max():g}")
    return shares


def check_share(value: float, name: str) -> None:
    """Demand that a level, confidence or rate lies strictly between 0 and 1.

    Raises:
        NotEnoughData: it does not.
    """
    if not 0.0 < value < 1.0:
        raise NotEnoughData(f"{name} must lie strictly between 0 and 1, not {value!r}")


def _as_floats(values: ArrayLike, name: str, *, dimensions: int, least: int) -> NDArray[Any]:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotEnoughData(f"{name} must be numbers in an array of {dimensions} dimension(s)") from None
    _check(array, name, dimensions=dimensions, least=least)
    return array


def _check(array: NDArray[Any], name: str, *, dimensions: int, least: int) -> None:
    if array.ndim != dimensions:
        raise NotEnoughData(f"{name} must have {dimensions} dimension(s), not shape {array.shape}")
    if array.shape[0] < least:
        raise NotEnoughData(f"{name} has {array.shape[0]} rows; at least {least} are needed")
    if not np.isfinite(array).all():
        raise NotEnoughData(f"{name} holds NaN or infinity in {int(array.size - np.isfinite(array).sum())} places")
