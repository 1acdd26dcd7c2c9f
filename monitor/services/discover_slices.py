"""Look for slices that nobody had named, on the labels of the last weeks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from monitor.discovery import LEAST_LABELS, Discoveries, discover, labelled
from monitor.domain.window import DAY, MINUTE, Window, floor
from monitor.errors import NotEnoughData
from monitor.explain.bank import Bank
from monitor.services.attempts import attempt_all
from monitor.services.concepts import families
from monitor.services.explained_rows import KINDS, LEAST_GROUPS, commonest, embedders, stacked
from monitor.store import discoveries as store
from monitor.store import locks
from monitor.store.discoveries import LabelledAnswer
from monitor.store.engine import transaction
from monitor.store.explanations import Vectors, vectors_of

log = logging.getLogger(__name__)

EXAMPLES = 6
NEWS = 0.25
"""Of the span searched, that must have come before it is searched again: a week of four."""
GROWTH = 2
"""Times the labels of the last search, with which it is searched again before that: else the first search of a new
service, of its first 200 labels, would be its only one for a week."""
LEAST_VECTORS = 0.5
"""Of the labelled answers, that must have a kind of vectors for regions to be looked for among them."""


@dataclass(frozen=True, slots=True)
class DiscoverOptions:
    bank: Bank
    span: timedelta
    """Of the labels that are searched."""
    labels: int
    """At most."""
    alpha: float
    """Chance that a search shows any slice although none is worse than the rest."""
    slice_dimensions: tuple[str, ...]


def discover_slices(engine: Engine, options: DiscoverOptions, model: str, window: Window, now: datetime) -> Discoveries:
    """Search the labels of a model in a window, store what is found, and return it.

    Raises:
        NotEnoughData: there are fewer than 200 labels that the sampler drew.
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        answers = store.labelled_answers(connection, model, window, options.labels)
        if len(answers) < LEAST_LABELS:
            raise NotEnoughData(
                f"{model} has {len(answers)} labels that the sampler drew between {window.start} and {window.end}; at "
                f"least {LEAST_LABELS} are needed to look for slices"
            )
        stored = vectors_of(connection, [(one.ts, one.request_id) for one in answers])
        embedder = commonest(embedders(stored))
        known = families(connection, options.bank, embedder)
    dimensions = {*options.slice_dimensions, "version", "variant", "task"}
    rows = labelled(
        [one.correct for one in answers],
        [{name: one.slices[name] for name in dimensions & one.slices.keys()} for one in answers],
        _matrices(stored, embedder),
        [one.probability for one in answers],
        known,
        _groups(answers),
    )
    found = discover(rows, known, alpha=options.alpha, salt=model)
    examples = []
    for one in found.found:
        wrong = [row for row in one.members.tolist() if not answers[row].correct][:EXAMPLES]
        examples.append([(answers[row].ts, answers[row].request_id) for row in wrong])
    with transaction(engine) as connection:
        store.insert_discovery(connection, model, window, found, examples, now)
    return found


def discover_due(engine: Engine, options: DiscoverOptions, now: datetime) -> int:
    """Search every model with enough labels up to the last midnight (UTC), of whose span `NEWS` has come since it was
    searched, or that has `GROWTH` times the labels; returns how many searches there were. One process at a time.

    A search each day would look at nearly the same labels again, and chance needs to succeed only once. Of labels that
    have doubled half are new, and between 200 and all that a search looks at they double only a few times.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    window, rest = Window.before(floor(now, DAY), options.span), max(NEWS * options.span, DAY)
    with locks.try_hold(engine, locks.DISCOVERY) as held:
        if held is None:
            return 0
        with transaction(engine) as connection:
            waiting = [
                model
                for model, labels in store.labelled_models(connection, window).items()
                if min(labels, options.labels)
                >= max(LEAST_LABELS, GROWTH * store.labels_searched(connection, model, window.end - rest))
            ]
        return sum(attempt_all((one, partial(_search, engine, options, one, window, now)) for one in waiting))


def _search(engine: Engine, options: DiscoverOptions, model: str, window: Window, now: datetime) -> bool:
    found = discover_slices(engine, options, model, window, now)
    log.info("searched for slices", extra={"model": model, "found": len(found.found), "labels": found.labels})
    return True


def _groups(answers: list[LabelledAnswer]) -> list[str]:
    """Their minutes; where those are few, each answer by itself, as in explanations."""
    minutes = [floor(one.ts, MINUTE).isoformat() for one in answers]
    return minutes if len(set(minutes)) >= LEAST_GROUPS else [one.request_id for one in answers]


def _matrices(stored: list[Vectors], embedder: int | None) -> dict[str, NDArray[np.float64]]:
    """Vectors by kind; without kinds that most rows lack."""
    if embedder is None:
        return {}
    of_kinds = {kind: [one.get((embedder, kind)) for one in stored] for kind in KINDS}
    least = max(LEAST_VECTORS * len(stored), 1)
    return {
        kind: stacked(vectors) for kind, vectors in of_kinds.items() if sum(one is not None for one in vectors) >= least
    }
