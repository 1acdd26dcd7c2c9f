"""What the decision core works on and what it finds: frozen, comparable, free of databases and formats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Judgement = Literal["correct", "incorrect", "unsure"]
"""What somebody says of an answer in so many words."""

# ---- scoring an answer against a label (monitor.tasks) -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer and the model's score for it; higher is more likely."""

    answer: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said: its answer, and the candidates it weighed, in any order."""

    answer: str | None = None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody says of one answer: a verdict on it, acceptable answers, or a rating from 0 to 100."""

    verdict: Judgement | None = None
    answers: tuple[str, ...] = ()
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The scored outcome. `correct` and `score` (in [0, 1]) are None when the label cannot decide.

    `scorer` names the rule that was used: "label" when the annotator judged the answer directly.
    """

    correct: bool | None
    score: float | None
    scorer: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer with what annotators made of it: what a task's metrics over many answers rest on.

    `label` holds what annotators said: the acceptable answers of those who were not outvoted one after the other, and
    the mean rating of all.
    `correct` and `score` are the verdict's, None where it decides nothing. `agreement` in [-1, 1] is the cosine of the
    answer's vector with the image's, by one embedder. `probability` in (0, 1] is that of being drawn for labelling.
    """

    answer: Answer
    label: Label = Label()
    correct: bool | None = None
    score: float | None = None
    refused: bool | None = None
    """Whether the model refused, by its own word; None: there was no answer, only an error."""
    flagged: bool | None = None
    """Whether the serving system's filter flagged it; None as for `refused`."""
    violation: bool | None = None
    """Whether the answer breaks a safety rule, by the annotators; None: nobody said."""
    agreement: float | None = None
    probability: float = 1.0


# ---- drift between a reference and a window (monitor.drift) ------------------------------------------------------


class DriftVerdict(StrEnum):
    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    NOT_ENOUGH_DATA = "not_enough_data"
    """Too few rows in the current window."""
    NOT_ENOUGH_REFERENCE = "not_enough_reference"
    """Too few rows or windows in the reference to say how much unchanged traffic varies."""


@dataclass(frozen=True, slots=True)
class DetectorResult:
    """What one detector found.

    `statistic` is the squared distance of the two windows in units that average 1 on unchanged traffic;
    `p_value` in [0, 1] honours bursts and seasons seen in the reference; `effect` in [0.5, 1] is how far apart the
    means of its features are, Phi(D / sqrt 2) of their distance D in standard deviations of single rows (0.5: nothing
    beyond chance). Of normal features that move as a whole this is the AUC of single rows (McGraw and Wong 1992, "A
    common language effect size statistic", Psychological Bulletin 111); of few rows that moved far it is more.
    `effect_interval` holds the true effect with 95%: from 0.5 where chance may explain everything.
    """

    name: str
    statistic: float
    p_value: float
    effect: float
    effect_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class DriftResult:
    """A comparison of one window with the reference.

    `p_value` combines all detectors; `detector` names the one with the smallest p; `effect` in [0.5, 1] is its
    effect, `effect_interval` that of 95%, whose lower end allows for the choice of the loudest one. `distance` is how
    far the means are apart, in standard deviations of single rows, with the part that chance explains taken off, and
    `distance_interval` that of 95%; `smallest_distance` is the shift of the mean that a window like this one would find
    in 8 cases of 10 if nothing else that is compared with it moved. All are None when the verdict says that there was
    not enough data.
    """

    verdict: DriftVerdict
    n_reference: int
    n_current: int
    p_value: float | None = None
    effect: float | None = None
    effect_interval: tuple[float, float] | None = None
    distance: float | None = None
    distance_interval: tuple[float, float] | None = None
    smallest_distance: float | None = None
    detector: str | None = None
    detectors: tuple[DetectorResult, ...] = ()
    reason: str = ""
    """Why there is no verdict, for people; empty otherwise."""
