"""Turn labels into verdicts once their prediction is known, in whichever order the two arrived."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.domain.results import Verdict
from monitor.services.label_words import deciding, last_words, score_words, speaking
from monitor.store import locks
from monitor.store.engine import transaction
from monitor.store.scoring import (
    LabelRow,
    PredictionRow,
    VerdictRow,
    look_up,
    settle,
    take_labels,
    unscored_ids,
    update_tasks,
    upsert_verdicts,
)
from monitor.telemetry import LABELS_SETTLED

log = logging.getLogger(__name__)

CHUNK = 5000


@contextmanager
def scoring(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else scores: what is decided in it of a task holds until its end."""
    with transaction(engine) as connection:
        locks.wait_for(connection, locks.SCORING)
        yield connection


def score_labels(engine: Engine, chunk: int = CHUNK, lost_before: datetime | None = None) -> int:
    """Score every label whose prediction is known; returns how many predictions got a verdict row.

    Labels that can never be scored are settled: nobody looks at them again, and the log says how many. One process does
    so at a time: whoever scores what somebody said on a page does not meet the scheduler.

    Args:
        chunk: labels of one transaction, about.
        lost_before: from before it no prediction can come any more, but by a replay.

    Raises:
        StoreError: PostgreSQL refused or does not answer; what was committed stays, the rest waits.
    """
    scored, after = 0, ""
    while True:
        with scoring(engine) as connection:
            ids = unscored_ids(connection, after, chunk)
            if not ids:
                return scored
            scored += score(connection, ids, lost_before)
        after = ids[-1]


def score(connection: Connection, request_ids: Sequence[str], lost_before: datetime | None = None) -> int:
    """Score the labels of these whose prediction is known, none of which is erased meanwhile; within `scoring`."""
    locks.share(connection, locks.ERASURE)
    waiting = look_up(connection, request_ids, lost_before)
    labels = defaultdict(list)
    for label in take_labels(connection, waiting.predictions):
        labels[label.request_id].append(label)
    verdicts = [outcome(one, labels[one.request_id]) for one in waiting.predictions]
    upsert_verdicts(connection, verdicts)
    update_tasks(connection, verdicts)
    if waiting.hopeless:
        settle(connection, waiting.hopeless)
        LABELS_SETTLED.inc(len(waiting.hopeless))
        log.info("%d labels decide nothing: what they speak of is not stored", len(waiting.hopeless))
    return len(waiting.predictions)


def outcome(prediction: PredictionRow, labels: list[LabelRow]) -> VerdictRow:
    """The verdict of all annotators, each by the last word: what their opinions make together, or the majority of their
    votes; a tie decides nothing.

    Where somebody adjudicates, that word decides alone, if it decides anything; adjudicators who contradict each other
    leave the dispute open, unless most of them agree. Labels that say nothing of whether the answer is right (a word on
    its safety, a comment) answer no task and take nothing back. Labels of users (complaints, corrections) come from no
    sample: they decide only where nobody else spoke, and then carry no inclusion probability, so that no estimate and
    no SLO rests on them.
    """
    labels = sorted(labels, key=_age)
    reviewers = [label for label in labels if label.annotator_kind != "user"]
    judging = speaking(reviewers)
    words = deciding(prediction, judging) or last_words(reviewers or speaking(labels) or labels)
    verdicts = score_words(prediction, words)
    verdict = _majority(verdicts)
    settled = verdict.correct is not None and all(one.adjudicates for one in words)
    contrary = {True, False} <= {one.correct for one in verdicts}
    return VerdictRow(
        prediction=prediction,
        labelled_at=max(label.ts for label in words),
        correct=verdict.correct,
        score=verdict.score,
        scorer=verdict.scorer,
        inclusion_probability=_inclusion(prediction) if reviewers else None,
        in_base=bool(reviewers) and (prediction.replay is not None or prediction.in_base is True),
        answers=len(last_words(judging)),
        answered_at=_answered_at(judging, prediction.annotators),
        disputed=bool(reviewers) and contrary and not settled,
    )


def _inclusion(prediction: PredictionRow) -> float | None:
    """A replayed log is taken whole; else only what the sampler drew counts."""
    return 1.0 if prediction.replay is not None else prediction.inclusion_probability


def _answered_at(reviewers: Sequence[LabelRow], needed: int | None) -> datetime | None:
    """When the last of the annotators that a task needs first spoke; `reviewers` by age, and all speak."""
    first_words = sorted({one.annotator_id: one.ts for one in reversed(reviewers)}.values())
    return first_words[needed - 1] if needed is not None and len(first_words) >= needed else None


def _age(label: LabelRow) -> tuple[object, ...]:
    return (label.ts, label.annotator_id, label.verdict or "", label.answers)


def _majority(verdicts: Iterable[Verdict]) -> Verdict:
    verdicts = list(verdicts)
    votes = Counter(one.correct for one in verdicts if one.correct is not None)
    scores = [one.score for one in verdicts if one.score is not None]
    ranked = votes.most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return Verdict(
        correct=None if tied or not ranked else ranked[0][0],
        score=sum(scores) / len(scores) if scores else None,
        scorer=verdicts[-1].scorer,
    )
