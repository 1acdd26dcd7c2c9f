"""What may become of a prediction that was drawn for labelling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class TaskState(StrEnum):
    """Follows from the labels and the columns of the task; nobody sets it."""

    OPEN = "open"
    """Nobody has answered, nobody holds it."""
    CLAIMED = "claimed"
    """Somebody holds it until the lease ends."""
    LABELLED = "labelled"
    """Somebody has answered, and more people must."""
    ADJUDICATING = "adjudicating"
    """All have answered and contradict each other: somebody else must decide."""
    DONE = "done"
    SKIPPED = "skipped"
    """Somebody said that it cannot be answered; a label ends that."""
    EXPIRED = "expired"
    """Nobody answered within `labels.lifetime`; a label still counts."""


class TaskKey(NamedTuple):
    """Which task."""

    ts: datetime
    """Of the prediction."""
    request_id: str


@dataclass(frozen=True, slots=True)
class Word:
    """What one annotator said, as it is shown to who adjudicates."""

    annotator: str
    said: str


@dataclass(frozen=True, slots=True)
class TaskItem:
    """A task with what an annotator needs to answer it, and nothing of how sure the model was."""

    key: TaskKey
    state: TaskState
    model: str
    version: str
    variant: str
    task: str
    """Task type of the prediction, such as vqa."""
    stratum: str
    annotators: int
    """How many must answer."""
    answers: int
    """How many have."""
    prompt: str | None
    context: str | None
    answer: str | None
    """The model's; None also where it is kept from the annotator."""
    image_ref: str | None
    image_sha256: str | None
    slices: dict[str, str]
    words: tuple[Word, ...] = ()
    """Of the annotators so far; only for who adjudicates."""
