"""Label tasks, labels and verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    REAL,
    Identity,
    Index,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import NOW, Base


class SamplingPlan(Base):
    """Rates of the label sampler from a whole hour of event time on, until the next plan's."""

    __tablename__ = "sampling_plans"

    version: Mapped[int] = mapped_column(Identity(), primary_key=True)
    effective_from: Mapped[datetime] = mapped_column(unique=True)
    base_rate: Mapped[float]
    boost: Mapped[float]
    factors: Mapped[list[Any]]
    """[dimension, value, factor] for every slice value that is drawn more often."""
    detail: Mapped[dict[str, Any]]
    """Budget, minimum, and the volumes that they were made of."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class LabelTask(Base):
    """A prediction that the sampler drew for labelling, why, with which probability, and what became of it.

    Its state follows from these columns, see `monitor.domain.label_tasks`.
    """

    __tablename__ = "label_tasks"
    __table_args__ = (
        Index("ix_label_tasks_waiting", "ts", postgresql_where=text("answered_at IS NULL")),
        Index("ix_label_tasks_disputed", "ts", postgresql_where=text("disputed")),
    )

    ts: Mapped[datetime] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    stratum: Mapped[str]
    inclusion_probability: Mapped[float]
    in_base: Mapped[bool] = mapped_column(server_default=text("true"))
    """Belongs to the sample in which all answers have the same probability; SLOs count no others."""
    plan: Mapped[int] = mapped_column(server_default=text("0"))
    """Version of the sampling plan; 0: the rates of the settings."""
    annotators: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    """How many must answer."""
    model: Mapped[str] = mapped_column(server_default=text("''"))
    version: Mapped[str] = mapped_column(server_default=text("''"))
    variant: Mapped[str] = mapped_column(server_default=text("''"))
    task: Mapped[str] = mapped_column(server_default=text("''"))
    slices: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    confidence: Mapped[float | None] = mapped_column(REAL)
    answers: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """Annotators whose labels were scored; users who complained are none."""
    answered_at: Mapped[datetime | None]
    """Time of the label that made `annotators` of them."""
    disputed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Annotators contradict each other, and no adjudicator has settled it yet."""
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    skipped_at: Mapped[datetime | None]
    skip_reason: Mapped[str | None]
    """Who set it aside last, and why."""
    passed_by: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    """Names of those who set the dispute aside: they are not offered it again."""


class Label(Base):
    """Append-only: every word of every annotator. `scored` marks those that reached a verdict row, or never can."""

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
    adjudicates: Mapped[bool] = mapped_column(server_default=text("false"))
    """Settles a dispute: it decides, whatever others said."""


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
    in_base: Mapped[bool] = mapped_column(server_default=text("true"))
    """As that of its task; true of replays, which are taken whole."""
    scorer: Mapped[str]
    slices: Mapped[dict[str, Any]]
    replay: Mapped[str | None]
