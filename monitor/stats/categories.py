"""Categories that annotators named, as numbers or texts: none of them taken for another."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import NotEnoughData

LARGEST_CODE: Final = 2**53
"""Beyond it a float, which has 53 bits, takes neighbouring whole numbers for one."""


def as_categories(values: ArrayLike, name: str, *, least: int) -> NDArray[Any]:
    """Copy one category of each unit into [n]: booleans, numbers or texts.

    Raises:
        NotEnoughData: fewer than `least`, another shape, NaN or infinity, something behind a mask, no categories, or
            whole numbers that a float cannot tell apart beside floats.
    """
    if np.ma.is_masked(values):
        raise NotEnoughData(f"{name} is masked in places; leave such units out of both")
    try:
        array = np.asarray(values)
    except (RuntimeError, TypeError, ValueError):
        raise NotEnoughData(f"{name} must be one category for each unit, not lists of different lengths") from None
    if array.dtype.kind == "O":  # a column of a data frame
        array = _of_objects(array)
    if array.ndim != 1 or array.size < least:
        raise NotEnoughData(f"{name} must be one category for each of at least {least} units, not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotEnoughData(f"{name} holds NaN or infinity; leave such units out of both")
    if array.dtype.kind not in "biufUS":
        raise NotEnoughData(f"{name} must hold numbers or texts, one per unit")
    check_codes(values, array, name)
    return np.char.decode(array, "utf-8", "surrogateescape") if array.dtype.kind == "S" else array


def both_coded(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The categories of two annotators [categories], sorted, and which of them each judgement names [2 n].

    Raises:
        NotEnoughData: texts beside numbers, or whole numbers that a float cannot tell apart beside floats.
    """
    kinds = {first.dtype.kind, second.dtype.kind}
    if "U" in kinds and kinds != {"U"}:
        raise NotEnoughData("categories must all be numbers, or all texts")
    if kinds == {"i", "u"}:  # of 64 bits each they would become floats
        first, second = first.astype(object), second.astype(object)
    elif "f" in kinds:
        for one, name in ((first, "first"), (second, "second")):
            check_codes(one, one.astype(np.float64), name)
    categories, coded = np.unique(np.concatenate([first, second]), return_inverse=True)
    return categories, coded


def check_codes(values: ArrayLike, found: NDArray[Any], name: str) -> None:
    """Demand that `values` which were `found` as floats hold no whole number that became another.

    Raises:
        NotEnoughData: a whole number beyond `LARGEST_CODE`.
    """
    if found.dtype.kind != "f" or getattr(getattr(values, "dtype", None), "kind", "") == "f":
        return
    if not (np.abs(found) >= LARGEST_CODE).any():
        return
    if any(isinstance(one, int) and abs(one) > LARGEST_CODE for one in np.asarray(values, dtype=object).ravel()):
        raise NotEnoughData(f"{name} hold whole numbers beyond 2^53, which floats cannot tell apart; give texts")


def _of_objects(array: NDArray[Any]) -> NDArray[Any]:
    kinds = {type(one) for one in array.ravel()}
    if kinds <= {str}:
        return array.astype(str)
    if not all(issubclass(kind, bool | int | float | np.generic) for kind in kinds):
        return array
    numbers = np.array(array.tolist())
    check_codes(array, numbers, "categories")
    return numbers
