"""What was ingested: who was first, predictions, vectors, rollups, deployments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    REAL,
    Date,
    Identity,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import BY_DAY, NOW, Base


class Arrival(Base):
    """Who was first: one row per accepted prediction, narrow, so that it can be kept longer than the rows.

    The key is each day partition's own: the parent has none, because it would have to hold the event time. So an
    insert touches the index of its day alone, and what came in earlier days costs it nothing.
    """

    __tablename__ = "arrivals"
    __table_args__ = BY_DAY
    __mapper_args__ = {"primary_key": ["ts", "request_id"]}  # noqa: RUF012

    request_id: Mapped[str]
    content_hash: Mapped[bytes]
    ts: Mapped[datetime]


class Prediction(Base):
    __tablename__ = "predictions"
    __table_args__ = (
        Index("ix_predictions_replayed", "ts", postgresql_where=text("replay IS NOT NULL")),
        Index("ix_predictions_subject_hash", "subject_hash", postgresql_where=text("subject_hash <> ''::bytea")),
        Index("ix_predictions_unread", "ts", postgresql_where=text("subject_hash IS NULL")),
        BY_DAY,
    )

    ts: Mapped[datetime] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    version: Mapped[str]
    variant: Mapped[str]
    task: Mapped[str]
    status: Mapped[str]
    error_code: Mapped[str | None]
    latency_ms: Mapped[float | None] = mapped_column(REAL)
    cost_usd: Mapped[float | None] = mapped_column(REAL)
    confidence: Mapped[float | None] = mapped_column(REAL)
    image_ref: Mapped[str | None]
    prompt: Mapped[str | None]
    answer: Mapped[str | None]
    refused: Mapped[bool]
    safety_flagged: Mapped[bool]
    replay: Mapped[str | None]
    """Id of the replay that sent it; such rows are exempt from retention."""
    slices: Mapped[dict[str, Any]]
    candidates: Mapped[list[Any] | None]
    detail: Mapped[dict[str, Any] | None]
    """The rest of the event as it came: image size and hash, template, context, tokens, trace, extra."""
    subject_hash: Mapped[bytes | None]
    """Of the person it is about, see `monitor.privacy.subject`; empty: nobody; NULL: nobody looked."""
    inclusion_probability: Mapped[float | None]
    """With which it was stored, see `monitor.sampling.stored_share`; NULL: all were."""


class Embedder(Base):
    """A fingerprint has one length of vectors, or two: records may have claimed one of ours before we used it."""

    __tablename__ = "embedders"
    __table_args__ = (UniqueConstraint("fingerprint", "dimension"),)

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    fingerprint: Mapped[str]
    dimension: Mapped[int]
    detail: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Embedding(Base):
    """Vectors apart from the predictions: most queries never touch them. Never two embedders compared."""

    __tablename__ = "embeddings"
    __table_args__ = BY_DAY

    ts: Mapped[datetime] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    embedder_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    vector: Mapped[Any] = mapped_column(HALFVEC())


class RollupMinute(Base):
    """Additive counts of first-seen predictions. `dimension` '' is the total, else one slice dimension."""

    __tablename__ = "rollups_minute"
    __table_args__ = (
        Index(
            "ix_rollups_minute_total", "model", "version", "variant", "minute", postgresql_where=text("dimension = ''")
        ),
    )

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    ok: Mapped[int]
    error: Mapped[int]
    timeout: Mapped[int]
    rejected: Mapped[int]
    latency: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """Histogram of ok answers over `LATENCY_BOUNDS_MS`."""
    confidence: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    cost_usd: Mapped[float]


class SliceValue(Base):
    """The values seen per allowed dimension; beyond the cap a value counts as `__other__`."""

    __tablename__ = "slice_values"

    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)


class ServedModel(Base):
    """The models of which something came in the last days; predictions of more than allowed are refused."""

    __tablename__ = "served_models"

    model: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    seen_on: Mapped[date] = mapped_column(Date)
    """The last day on which something came, by the clock of the collectors."""


class Deployment(Base):
    __tablename__ = "deployments"

    content_hash: Mapped[bytes] = mapped_column(primary_key=True)
    ts: Mapped[datetime] = mapped_column(index=True)
    model: Mapped[str]
    version: Mapped[str]
    variant: Mapped[str]
    action: Mapped[str]
    traffic_share: Mapped[float | None] = mapped_column(REAL)
    note: Mapped[str | None]
    extra: Mapped[dict[str, Any] | None]
