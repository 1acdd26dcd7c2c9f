"""Rules that tell which rows lie in a slice: values of metadata, alone or in pairs, and regions of the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np

from monitor.discovery.labelled import Labelled
from monitor.discovery.regions import Ball, Beyond, Members, balls, beyond, independent
from monitor.explain.candidates import described
from monitor.explain.rows import Family
from monitor.stats.inputs import Floats

OF_PAIRS: Final = 0.7
OF_DIRECTIONS: Final = 1.0
OF_BALLS: Final = 2.0
"""Standard errors by which a rule must be worse than a single value to be preferred: of pairs and regions there are
many more, so that chance makes some of them look bad, and fewer words say it. Balls lie around the very errors that
they are then judged by, and look worst."""
MOST_VALUES: Final = 150
"""Of all dimensions together, the most frequent ones: pairs grow with their square."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A slice that may be there. `members` says which rows lie in it, bool [n], from anything but their outcomes.

    `conditions` are (dimension, value) pairs that must all hold; a region of embeddings has none.
    """

    kind: Literal["metadata", "embedding"]
    name: str
    conditions: tuple[tuple[str, str], ...]
    members: Callable[[Labelled], Members]
    seen: Members | None = None
    """Members among the rows that it was learnt from, out of fold where that makes a difference."""
    towards: tuple[str, Floats] | None = None
    """Of a region: the kind of vectors, and the direction [d] in which it lies."""
    handicap: float = 0.0
    """Standard errors that are taken off when rules are ranked."""


def metadata_rules(rows: Labelled, least: int) -> Iterator[Rule]:
    """Every value, and every pair of values of two dimensions, that at least `least` rows have."""
    counted = [
        (count, name, value)
        for name, values in rows.attributes.items()
        for value, count in zip(*(one.tolist() for one in np.unique(values, return_counts=True)), strict=True)
        if value and least <= count < len(rows)
    ]
    found = [(name, value) for _, name, value in sorted(counted, reverse=True)[:MOST_VALUES]]
    inside = {one: rows.attributes[one[0]] == one[1] for one in found}
    for one in found:
        yield _conjunction((one,))
    for one, other in combinations(sorted(found), 2):
        if one[0] != other[0]:
            both = int((inside[one] & inside[other]).sum())
            if least <= both < min(int(inside[one].sum()), int(inside[other].sum())):
                yield _conjunction((one, other))


def embedding_rules(rows: Labelled, rng: np.random.Generator) -> Iterator[Rule]:
    """Regions of each kind of vectors to which wrong answers lead."""
    for kind, vectors in sorted(rows.vectors.items()):
        known = np.isfinite(vectors).all(axis=1)
        errors = 1.0 - rows.correct[known]
        if known.sum() >= 2:
            for region, inside in _suggested(vectors[known], errors, rng):
                seen = np.zeros(len(rows), dtype=bool)
                seen[known] = inside
                yield _region(region, kind, seen)


def _suggested(vectors: Floats, errors: Floats, rng: np.random.Generator) -> Iterator[tuple[Beyond | Ball, Members]]:
    yield from beyond(vectors, errors, rng)
    yield from balls(vectors, errors, rng)


def independent_rules(rows: Labelled, rng: np.random.Generator) -> Iterator[Rule]:
    """Regions of each kind of vectors at the ends of independent directions. Outcomes have no part in them, so all rows
    may tell where they lie, those included on which they will be tried."""
    for kind, vectors in sorted(rows.vectors.items()):
        known = np.isfinite(vectors).all(axis=1)
        if known.sum() >= 2:
            for region in independent(vectors[known], rng):
                yield _region(region, kind, None)


def _region(region: Beyond | Ball, kind: str, seen: Members | None) -> Rule:
    handicap = OF_BALLS if isinstance(region, Ball) else OF_DIRECTIONS
    within, towards = _within(region, kind), (kind, region.direction)
    return Rule("embedding", f"a region of the {kind} vectors", (), within, seen, towards, handicap)


def in_words(rule: Rule, families: Sequence[Family]) -> Rule:
    """A region under the name of the phrases that lie in its direction, where there are any."""
    if rule.towards is None:
        return rule
    kind, direction = rule.towards
    return replace(rule, name=described(direction, kind, families) or rule.name)


def _conjunction(conditions: tuple[tuple[str, str], ...]) -> Rule:
    def members(rows: Labelled) -> Members:
        inside = [rows.attributes[name] == value for name, value in conditions]
        found: Members = np.logical_and.reduce(inside)
        return found

    name = " and ".join(f"{name} = {value}" for name, value in conditions)
    return Rule("metadata", name, conditions, members, handicap=OF_PAIRS * (len(conditions) - 1))


def _within(region: Beyond | Ball, kind: str) -> Callable[[Labelled], Members]:
    def members(rows: Labelled) -> Members:
        vectors = rows.vectors[kind]
        known = np.isfinite(vectors).all(axis=1)
        inside = np.zeros(len(rows), dtype=bool)
        inside[known] = region.members(vectors[known])
        return inside

    return members
