"""Rows dealt into folds by group, and scores of each fold by what the others teach: Fisher's linear discriminant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.stats.inputs import Floats
from monitor.stats.whitening import whitening

Numbers = NDArray[np.int64]
Features = NDArray[np.float32]
Spaces = list[list[Features]]
"""For each fold that is scored the features of all folds; one list again and again where they are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows of both samples, those of a group next to each other, which stand at `places` [k] of all: `side` [k] (1:
    current), `group` [k], from 0 on without gaps, which is of one side, and how much each row counts, `weights` [k]."""

    places: Numbers
    side: Features
    group: Numbers
    weights: Features

    def of(self, side: float) -> tuple[NDArray[np.bool_], Numbers]:
        """Which rows are of a side, and their groups from 0 on."""
        mine = self.side == side
        return mine, np.unique(self.group[mine], return_inverse=True)[1]


def deal(groups: tuple[Numbers, Numbers], weights: Floats, folds: int, rng: np.random.Generator) -> list[Fold]:
    """Both sides' groups dealt evenly."""
    dealt: list[list[Numbers]] = []
    for numbers in groups:
        order = rng.permutation(int(numbers.max()) + 1)
        place = np.argsort(order)[numbers]  # of each row's group
        rows = np.argsort(place, kind="stable")
        sizes = [len(part) for part in np.array_split(order, folds)]
        dealt.append(np.split(rows, np.searchsorted(place[rows], np.cumsum(sizes)[:-1])))
    n = len(groups[0])
    both = np.concatenate([groups[0], groups[1] + int(groups[0].max()) + 1])
    found = []
    for first, second in zip(*dealt, strict=True):
        places = np.concatenate([first, n + second])
        group = np.cumsum(np.diff(both[places], prepend=both[places[0]]) != 0)
        found.append(Fold(places, (places >= n).astype(np.float32), group, weights[places].astype(np.float32)))
    return found


def spaces_of(rows: Floats, parts: list[Fold], even: bool) -> Spaces:
    """Features that ignore the sides; those of one fold were learnt from the others, unless all groups are `even`."""
    weights = np.empty(len(rows))
    for part in parts:
        weights[part.places] = part.weights

    def space(learnt_from: Numbers | slice) -> list[Features]:
        features = whitening(rows[learnt_from], weights[learnt_from]).of(rows)
        return [features[part.places] for part in parts]

    if even:
        return [space(slice(None))] * len(parts)
    every = np.arange(len(rows))
    return [space(np.delete(every, part.places)) for part in parts]


def out_of_fold(parts: list[Fold], spaces: Spaces, sides: list[Features]) -> list[Features]:
    """Scores [rows, b] of each fold by the difference of the other folds' means, for b ways to take sides at once."""
    weights = [part.weights[:, None] for part in parts]
    counted = [side * weight for side, weight in zip(sides, weights, strict=True)]
    counts, every = [side.sum(axis=0) for side in counted], [float(weight.sum()) for weight in weights]
    sums: list[Features] = []
    scores = []
    for fold, space in enumerate(spaces):
        if not sums or space is not spaces[fold - 1]:
            sums = [rows.T @ side for rows, side in zip(space, counted, strict=True)]
            totals = [(rows * weight).sum(axis=0)[:, None] for rows, weight in zip(space, weights, strict=True)]
        current, m = sum(sums) - sums[fold], sum(counts) - counts[fold]
        other, others = sum(totals) - totals[fold] - current, sum(every) - every[fold] - m
        scores.append(space[fold] @ (current / m - other / others).astype(np.float32))
    return scores
