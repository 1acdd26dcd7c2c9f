"""What every statistic demands of its arrays, said in the same words everywhere."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData

Floats = NDArray[np.float64]

LEAST_PROBABILITY: Final = 1e-100
"""The square of a larger weight could not be added up."""

_NO_NUMBERS: Final = (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64)
"""What numpy would make numbers of where an array holds objects."""

MOST: Final = 1e30
"""Of a value: single precision, in which fits and projections are kept, ends soon after."""


def as_vector(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy `values` into float64 [n], n >= `least`, all finite and at most `MOST` in size.

    Booleans and integers are numbers; texts, dates and complex numbers are none, nor is what a mask hides.

    Raises:
        NotEnoughData: no numbers, another shape, too few values, or NaN, infinity or a value that is too large.
    """
    return _as_floats(values, name, dimensions=1, least=least)


def as_matrix(values: ArrayLike, name: str, *, least: int = 1) -> Floats:
    """Copy `values` into float64 [n, d], n >= `least`, d >= 1, as `as_vector`.

    Raises:
        NotEnoughData: as `as_vector`, or no columns.
    """
    matrix = _as_floats(values, name, dimensions=2, least=least)
    if matrix.shape[1] == 0:
        raise NotEnoughData(f"{name} has {matrix.shape[0]} rows but no columns")
    return matrix


def as_rows(values: ArrayLike, name: str, *, least: int = 1, most: float = MOST) -> NDArray[np.floating[Any]]:
    """Like `as_matrix`, but floats of any precision stay as they are, uncopied: only to be read. None is beyond `most`.

    Raises:
        NotEnoughData: as `as_matrix`.
    """
    is_floats = isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)
    is_floats = is_floats and not np.ma.is_masked(values)
    matrix = np.asarray(values) if is_floats else as_matrix(values, name, least=least)
    _check(matrix, name, dimensions=2, least=least, most=most)
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


def as_numbers(values: ArrayLike, name: str, *, dimensions: int) -> Floats:
    """Copy `values` into float64 as they are, NaN and infinity included.

    Raises:
        NotEnoughData: texts, dates, complex numbers, rows of different lengths, something behind a mask, or a tensor
            that is not at hand: on a GPU, or part of a gradient.
    """
    if np.ma.is_masked(values):
        raise NotEnoughData(f"{name} is masked in places; leave such rows out")
    try:
        found = np.asarray(values)
        odd = found.dtype.kind == "O" and any(isinstance(one, _NO_NUMBERS) for one in found.flat)
        array = np.array(found, dtype=np.float64) if found.dtype.kind in "biufO" and not odd else None
    except (OverflowError, RuntimeError, TypeError, ValueError):  # torch's for a tensor that is not at hand vary
        array = None
    if array is None:
        raise NotEnoughData(
            f"{name} must be numbers in an array of {dimensions} dimension(s), and tensors detached and on the CPU"
        )
    return array


def as_with_gaps(values: ArrayLike, name: str, *, dimensions: int) -> Floats:
    """Copy `values` into float64 of so many dimensions, with NaN where there is none, else at most `MOST` in size.

    Raises:
        NotEnoughData: as `as_numbers`, another shape, infinity or a value that is too large.
    """
    found = as_numbers(values, name, dimensions=dimensions)
    if found.ndim != dimensions:
        raise NotEnoughData(f"{name} must have {dimensions} dimension(s), not shape {found.shape}")
    if (np.abs(found) > MOST).any():
        raise NotEnoughData(f"{name} hold infinity, or values beyond {MOST:g}; NaN stands where there is none")
    return found


def as_probabilities(values: ArrayLike | None, name: str, n: int, *, least: float = 0.0) -> Floats:
    """Copy the probabilities with which n rows were drawn into float64 [n]; None: they were all drawn, each 1.

    Raises:
        NotEnoughData: not n of them, or one outside (0, 1] or below `least`.
    """
    if values is None:
        return np.ones(n)
    drawn: Floats = _as_floats(values, name, dimensions=1, least=0)
    if drawn.size != n:
        raise NotEnoughData(f"{n} rows cannot be paired with {drawn.size} {name}")
    if n and not (0.0 < drawn.min() >= least and drawn.max() <= 1.0):
        start = f"[{least:g}" if least else "(0"
        raise NotEnoughData(f"{name} must lie in {start}, 1]; found {drawn.min():g} to {drawn.max():g}")
    return drawn


def is_number(value: object, *, whole: bool = False) -> bool:
    """Whether an argument is one number, whatever its type was said to be; a whole one is no float."""
    return isinstance(value, (int, np.integer) if whole else (int, float, np.number))


def check_share(value: float, name: str) -> None:
    """Demand that a level, confidence or rate lies strictly between 0 and 1.

    Raises:
        NotEnoughData: it does not, or is no number.
    """
    if not (is_number(value) and 0.0 < value < 1.0):
        raise NotEnoughData(f"{name} must lie strictly between 0 and 1, not {value!r}")


def check_whole(value: int, name: str, *, least: int) -> None:
    """Demand a whole number, such as how many bins or draws there are to be, or where they begin.

    Raises:
        NotEnoughData: a fraction, no number, or less than `least`.
    """
    if not (is_number(value, whole=True) and value >= least):
        raise NotEnoughData(f"a whole number of at least {least} {name} is needed, not {value!r}")


def _as_floats(values: ArrayLike, name: str, *, dimensions: int, least: int) -> NDArray[Any]:
    array = as_numbers(values, name, dimensions=dimensions)
    _check(array, name, dimensions=dimensions, least=least)
    return array


def _check(array: NDArray[Any], name: str, *, dimensions: int, least: int, most: float = MOST) -> None:
    if array.ndim != dimensions:
        raise NotEnoughData(f"{name} must have {dimensions} dimension(s), not shape {array.shape}")
    if array.shape[0] < least:
        raise NotEnoughData(f"{name} has {array.shape[0]} rows; at least {least} are needed")
    if array.dtype == np.float16:  # never too large, and slow to compare
        sound = bool(np.isfinite(array).all())
    else:  # largest and smallest are NaN where any value is
        sound = bool(-most <= array.min(initial=0.0) and array.max(initial=0.0) <= most)
    if not sound:
        odd = int(array.size - np.isfinite(array).sum())
        if odd:
            raise NotEnoughData(f"{name} holds NaN or infinity in {odd} places")
        raise NotEnoughData(f"{name} holds values beyond {most:g}, whose powers are no numbers any more")
