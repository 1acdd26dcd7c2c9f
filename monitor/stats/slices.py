"""Accuracy of one slice of the traffic, with what is known of its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from numpy.typing import ArrayLike

from monitor.stats.inputs import as_outcomes
from monitor.stats.intervals import wilson

MIN_LABELS: Final = 20
"""Below 20 labels a 95% Wilson interval is more than 40 points wide at its worst: no news, only noise."""

State = Literal["ok", "not_enough_labels"]


@dataclass(frozen=True, slots=True)
class SliceAccuracy:
    """`correct` out of `n` labelled answers; `lower` and `upper` bound the accuracy, all shares in [0, 1].

    Without any label `accuracy` is None and the bounds are 0 and 1: nothing is known.
    """

    n: int
    correct: int
    accuracy: float | None
    lower: float
    upper: float
    state: State


def slice_accuracy(correct: ArrayLike, *, confidence: float = 0.95, min_labels: int = MIN_LABELS) -> SliceAccuracy:
    """Accuracy with its Wilson interval, from one true or false per labelled answer [n]; n may be 0.

    The interval is given below `min_labels` too: the state says that it should not be ranked or alerted on.

    >>> slice_accuracy([True] * 15 + [False] * 10).state
    'ok'

    Raises:
        NotEnoughData: `correct` is not a list of true or false, or confidence is outside (0, 1).
    """
    outcomes = as_outcomes(correct, "correct", least=0)
    return slice_accuracy_of_counts(int(outcomes.sum()), outcomes.size, confidence=confidence, min_labels=min_labels)


def slice_accuracy_of_counts(
    correct: int, n: int, *, confidence: float = 0.95, min_labels: int = MIN_LABELS
) -> SliceAccuracy:
    """The same from counts, as a database returns them.

    Raises:
        NotEnoughData: `correct` outside 0..n, or confidence is outside (0, 1).
    """
    if n == 0 and correct == 0:
        return SliceAccuracy(0, 0, None, 0.0, 1.0, "not_enough_labels")
    interval = wilson(correct, n, confidence)
    state: State = "ok" if n >= min_labels else "not_enough_labels"
    return SliceAccuracy(n, correct, correct / n, interval.lower, interval.upper, state)
