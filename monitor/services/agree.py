"""How far annotators agree, on the tasks that several of them were given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Final

import numpy as np
from sqlalchemy import Connection

from monitor.domain.window import Window
from monitor.errors import NotEnoughData
from monitor.services.label_words import score_word, speaking
from monitor.stats.agreement import Agreement, cohen_kappa, fleiss_kappa, krippendorff_alpha
from monitor.stats.inputs import Floats
from monitor.store.queries.agreement import judged_together
from monitor.store.queries.selection import Selection

MOST_TASKS: Final = 5000
LEAST_UNITS: Final = 10
"""Answers that two people must have judged before their kappa is shown."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two annotators on the answers that both judged."""

    first: str
    second: str
    units: int
    alike: int
    kappa: Agreement | None
    """None: too few, or all judgements are the same."""


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """Each coefficient is None where the judgements do not suffice for it."""

    units: int
    """Answers that were judged right or wrong by more than one."""
    unsure: int
    """Judgements that decide nothing; they count as missing."""
    alpha: Agreement | None
    """Krippendorff's, nominal, of right or wrong."""
    fleiss: Agreement | None
    """Of the answers with as many judgements as most have."""
    ratings: Agreement | None
    """Krippendorff's alpha of ratings 0 to 100, interval."""
    pairs: tuple[Pair, ...]
    """Those with most answers in common first."""


def agreement(connection: Connection, window: Window, selection: Selection) -> AgreementReport:
    """Of the labels on the predictions of a window: what an annotator's last word makes of the answer, by its scorer.

    Raises:
        StoreError: PostgreSQL does not answer.
    """
    last = {
        ((prediction.request_id, prediction.ts), label.annotator_id): (prediction, label)
        for prediction, label in judged_together(connection, window, selection, MOST_TASKS)
        if speaking([label])
    }
    units = {key: index for index, key in enumerate(dict.fromkeys(one for one, _ in last))}
    people = {name: index for index, name in enumerate(sorted({name for _, name in last}))}
    outcomes, ratings = (np.full((len(units), len(people)), np.nan) for _ in range(2))
    for (key, name), (prediction, label) in last.items():
        place = units[key], people[name]
        correct = score_word(prediction, label).correct
        outcomes[place] = np.nan if correct is None else float(correct)
        ratings[place] = np.nan if label.rating is None else label.rating
    decided = np.isfinite(outcomes)
    return AgreementReport(
        units=int((decided.sum(axis=1) > 1).sum()),
        unsure=len(last) - int(decided.sum()) - int((~decided & np.isfinite(ratings)).sum()),
        alpha=_or_none(lambda: krippendorff_alpha(outcomes)),
        fleiss=_or_none(lambda: fleiss_kappa(_counts(outcomes))),
        ratings=_or_none(lambda: krippendorff_alpha(ratings, level="interval")),
        pairs=_pairs(outcomes, list(people)),
    )


def _counts(outcomes: Floats) -> Floats:
    """Wrong and right per unit [units, 2], of the units with the commonest number of judgements above one."""
    judged = np.isfinite(outcomes).sum(axis=1)
    often = Counter(judged[judged > 1].tolist()).most_common(1)
    if not often:
        raise NotEnoughData("no answer was judged twice")
    right = np.nansum(outcomes[judged == often[0][0]], axis=1)
    return np.column_stack([often[0][0] - right, right])


def _pairs(outcomes: Floats, people: Sequence[str]) -> tuple[Pair, ...]:
    found = []
    for first, second in combinations(range(len(people)), 2):
        one, other = outcomes[:, [first, second]][np.isfinite(outcomes[:, [first, second]]).all(axis=1)].T
        if one.size:
            kappa = _or_none(partial(cohen_kappa, one, other)) if one.size >= LEAST_UNITS else None
            found.append(Pair(people[first], people[second], one.size, int((one == other).sum()), kappa))
    return tuple(sorted(found, key=lambda pair: -pair.units))


def _or_none(coefficient: Callable[[], Agreement]) -> Agreement | None:
    try:
        return coefficient()
    except NotEnoughData:
        return None
