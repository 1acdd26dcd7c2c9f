"""Label tasks, labels and verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    REAL,
    Index,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import Base


class LabelTask(Base):
    """A prediction that the sampler drew for labelling, why, and with which probability."""

    __tablename__ = "label_tasks"

    ts: Mapped[datetime] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    stratum: Mapped[str]
    inclusion_probability: Mapped[float]


class Label(Base):
    """Append-only: every word of every annotator. `scored` marks those that reached a verdict row."""

    __tablename__ = "labels"
    __table_args__ = (
        Index("ix_labels_request_id", "request_id"),
        Index("ix_labels_ts", "ts"),
        Index("ix_labels_subject_hash", "subject_hash", postgresql_where=text("subject_hash <> ''::bytea")),
        Index("ix_labels_unscored", "request_id", postgresql_where=text("NOT scored")),
    )

    content_hash: Mapped[bytes] = mapped_column(primary_key=True)
    request_id: Mapped[str]
    ts: Mapped[datetime]
    annotator_id: Mapped[str]
    annotator_kind: Mapped[str]
    verdict: Mapped[str | None]
    answers: Mapped[list[Any]]
    rating: Mapped[float | None] = mapped_column(REAL)
    safety_violation: Mapped[bool | None]
    correction: Mapped[str | None]
    comment: Mapped[str | None]
    extra: Mapped[dict[str, Any] | None]
    replay: Mapped[str | None]
    scored: Mapped[bool] = mapped_column(server_default=text("false"))
    subject_hash: Mapped[bytes | None]
    """As that of predictions."""


class Verdict(Base):
    """The scored outcome of one prediction, with what slices and calibration need beside it."""

    __tablename__ = "verdicts"
    __table_args__ = (Index("ix_verdicts_model_ts", "model", "ts"), Index("ix_verdicts_ts", "ts"))

    request_id: Mapped[str] = mapped_column(primary_key=True)
    ts: Mapped[datetime]
    """Of the prediction."""
    labelled_at: Mapped[datetime]
    """Of the label that decided; evaluation as of a past time sees only what was labelled by then."""
    model: Mapped[str]
    version: Mapped[str]
    variant: Mapped[str]
    task: Mapped[str]
    correct: Mapped[bool | None]
    score: Mapped[float | None] = mapped_column(REAL)
    confidence: Mapped[float | None] = mapped_column(REAL)
    inclusion_probability: Mapped[float | None]
    """Null: nobody drew this prediction, the label came by itself, and no estimate may rest on it."""
    scorer: Mapped[str]
    slices: Mapped[dict[str, Any]]
    replay: Mapped[str | None]
