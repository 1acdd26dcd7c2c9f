"""Find slices on one half of the labels and try them on the other, both ways round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.discovery.labelled import Labelled
from monitor.discovery.regions import ENDS, all_alike
from monitor.discovery.rules import Rule, embedding_rules, in_words, independent_rules, metadata_rules
from monitor.discovery.trial import LEAST_ROWS, Trial, tried
from monitor.errors import NotEnoughData
from monitor.explain.rows import Family
from monitor.stats.inputs import Floats, check_share, check_whole
from monitor.stats.intervals import Interval
from monitor.stats.multiple_testing import holm
from monitor.stats.proportions import Change
from monitor.stats.weighted import WeightedShare, weighted_share

LEAST_LABELS: Final = 200
LEAST_GAP: Final = 0.05
"""Of accuracy below the rest: smaller ones are no news."""
MOST_TRIED: Final = 4
"""Slices that each half may name; each costs the others some power."""
WORTH_TRYING: Final = 2.0
"""Standard errors by which a slice must be worse, in the half that found it."""


@dataclass(frozen=True, slots=True)
class FoundSlice:
    """A slice that is worse than the rest, as the half of the labels shows that had no part in finding it.

    `inside` and `outside` are accuracies with their intervals, `gap` in [-1, 1] is inside less outside with its 95%
    `interval`. `traffic` in [0, 1] is the estimated share of the traffic that lies in it. Rows of slices that were
    named before it are left out, of the members too. `adjusted_p` is Holm's over all that were tried in both halves.
    """

    kind: Literal["metadata", "embedding"]
    name: str
    conditions: tuple[tuple[str, str], ...]
    traffic: float
    inside: WeightedShare
    outside: WeightedShare
    gap: float
    interval: Interval
    adjusted_p: float
    members: NDArray[np.int64]
    """Rows of it among all that were given, worst kinds of rows not sorted."""


@dataclass(frozen=True, slots=True, eq=False)
class Discoveries:
    """`found` slices, the most certain first; `tried` is how many were tested, `labels` how many labels there were.

    `unsearched` says of kinds of vectors why no regions of them could be looked for.
    """

    labels: int
    accuracy: WeightedShare
    tried: int
    found: tuple[FoundSlice, ...]
    unsearched: tuple[tuple[str, str], ...] = ()


def discover(
    rows: Labelled, families: Sequence[Family] = (), *, alpha: float = 0.05, seed: int = 0, salt: str = ""
) -> Discoveries:
    """Slices on which accuracy is lower by 5 points or more, from at least 200 labels.

    The groups of labels are dealt into two halves by a hash of their names, `salt` and `seed`: a search whose labels
    were searched before finds each in the same half. On each half, values of metadata, pairs of them and regions of the
    embeddings are ranked by how much worse they are, in standard errors; each that is taken leaves its rows, so that
    its shadows are not found again. What one half names is tested on the other by Fisher's exact test (one-sided; with
    groups or unequal probabilities on effective numbers of rows), and Holm's procedure over both halves bounds by
    `alpha` the chance of even one finding that is no worse than the rest: in this search, not in all that are made.

    Raises:
        NotEnoughData: fewer than 200 labels, or alpha outside (0, 1).
    """
    check_share(alpha, "alpha")
    check_whole(seed, "as the seed", least=0)
    if len(rows) < LEAST_LABELS:
        raise NotEnoughData(f"there are {len(rows)} labels; at least {LEAST_LABELS} are needed to look for slices")
    unsearched = tuple((kind, why) for kind, one in sorted(rows.vectors.items()) if (why := _no_regions(one)))
    left_out = dict(unsearched)
    rows = replace(rows, vectors={kind: one for kind, one in rows.vectors.items() if kind not in left_out})
    rng = np.random.default_rng(seed)
    halves = rows.halves(f"{seed} {salt}")
    anyway = list(independent_rules(rows, rng))
    trials = [
        trial
        for finding, testing in (halves, halves[::-1])
        for trial in tried(_suspects(finding, anyway, families, rng), testing)
    ]
    accuracy = weighted_share(rows.correct, rows.probabilities)
    adjusted = holm([one.p_value for one in trials]).tolist() if trials else []
    found = [
        _found(one, p, rows) for one, p in zip(trials, adjusted, strict=True) if p <= alpha and -one.gap >= LEAST_GAP
    ]
    return Discoveries(len(rows), accuracy, len(trials), _told_apart(_distinct(found)), unsearched)


def _no_regions(vectors: Floats) -> str:
    """Why `vectors` [n, d] have none that could be told; empty where they may."""
    known = vectors[np.isfinite(vectors).all(axis=1)]
    least = int(np.ceil(2 * LEAST_ROWS / max(ENDS)))
    if len(known) < least:
        return f"{len(known)} labelled rows have one; at least {least} are needed"
    return "all of them are the same" if all_alike(known) else ""


def _suspects(
    half: Labelled, anyway: Sequence[Rule], families: Sequence[Family], rng: np.random.Generator
) -> list[Rule]:
    """The worst slices, one after the other, each without the rows of those before, among the rules that are there
    `anyway` and those that this half suggests."""
    rules = [*metadata_rules(half, LEAST_ROWS), *anyway, *embedding_rules(half, rng)]
    if not rules:
        return []
    inside = np.stack([rule.members(half) if rule.seen is None else rule.seen for rule in rules]).astype(np.float64)
    handicaps = np.array([rule.handicap for rule in rules])
    left = np.ones(len(half))
    chosen: list[Rule] = []
    while len(chosen) < MOST_TRIED:
        worse = _worse(inside, left, half) - handicaps
        best = int(worse.argmax())
        if worse[best] < WORTH_TRYING:
            break
        chosen.append(in_words(rules[best], families))
        left = left * (1.0 - inside[best])
    return chosen


def _worse(inside: Floats, left: Floats, half: Labelled) -> Floats:
    """By how many standard errors each slice [rules] has more errors than the rest, among the rows that are left."""
    weights = left / half.probabilities
    errors = 1.0 - half.correct
    mass, squared = inside @ weights, inside @ weights**2
    wrong = inside @ (weights * errors)
    whole, all_squared, all_wrong = weights.sum(), (weights**2).sum(), float(weights @ errors)
    rows, rest = inside @ left, left.sum() - inside @ left
    usable = (rows >= LEAST_ROWS) & (rest >= LEAST_ROWS)
    overall = all_wrong / whole if whole > 0.0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = wrong / mass - (all_wrong - wrong) / (whole - mass)
        error = np.sqrt(overall * (1 - overall) * (squared / mass**2 + (all_squared - squared) / (whole - mass) ** 2))
        found: Floats = np.where(usable & (gap >= LEAST_GAP) & (error > 0.0), gap / error, -np.inf)
    return found


def _found(trial: Trial, adjusted_p: float, rows: Labelled) -> FoundSlice:
    members = trial.rule.members(rows)
    for rule in trial.earlier:
        members &= ~rule.members(rows)
    interval = Change(trial.inside, trial.outside).interval
    assert interval is not None  # noqa: S101 (both sides have rows)
    return FoundSlice(
        kind=trial.rule.kind,
        name=trial.rule.name,
        conditions=trial.rule.conditions,
        traffic=trial.traffic,
        inside=trial.inside,
        outside=trial.outside,
        gap=trial.gap,
        interval=interval,
        adjusted_p=adjusted_p,
        members=np.flatnonzero(members),
    )


def _distinct(found: Sequence[FoundSlice]) -> tuple[FoundSlice, ...]:
    """What both halves found is told once, as the half saw it that is more certain."""
    kept: list[FoundSlice] = []
    for one in sorted(found, key=lambda one: one.adjusted_p):
        if all(_overlap(one.members, other.members) < 0.5 for other in kept):
            kept.append(one)
    return tuple(kept)


def _told_apart(found: Sequence[FoundSlice]) -> tuple[FoundSlice, ...]:
    """With a number behind names that came before: two regions may lie nearest to the same phrases, or have none."""
    names = [one.name for one in found]
    before = [names[:place].count(one.name) for place, one in enumerate(found)]
    return tuple(
        replace(one, name=f"{one.name} ({times + 1})") if times else one
        for one, times in zip(found, before, strict=True)
    )


def _overlap(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Of the smaller slice, the part that lies in the other too."""
    return np.intersect1d(one, other).size / max(min(one.size, other.size), 1)
