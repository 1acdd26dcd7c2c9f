"""Things that are alike, counted once: thousands of predictions of a batch are of a few dozen kinds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> tuple[list[T], NDArray[np.intp]]:
    """The first item of each key, in the order of their coming, and which of them every item is like [n].

    >>> firsts, like = grouped(["ape", "bee", "ant"], lambda word: word[0])
    >>> firsts, like.tolist()
    (['ape', 'bee'], [0, 1, 0])
    """
    numbers: dict[Hashable, int] = {}
    firsts: list[T] = []
    like: list[int] = []
    for item in items:
        number = numbers.setdefault(key(item), len(firsts))
        if number == len(firsts):
            firsts.append(item)
        like.append(number)
    return firsts, np.array(like, dtype=np.intp)
