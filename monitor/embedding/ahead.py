"""Work done by other threads while its results are used one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ahead(pool: Executor, function: Callable[[A], B], items: Iterable[A], depth: int) -> Iterator[B]:
    """The results in order, computed up to `depth` items before they are asked for: memory stays bounded."""
    waiting: deque[Future[B]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
