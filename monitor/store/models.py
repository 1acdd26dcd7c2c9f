"""The tables. The only ORM; nothing outside `monitor.store` sees these classes.

Partitioned tables list their key columns first: PostgreSQL demands that the partition column is part of the key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
BY_DAY = {"postgresql_partition_by": "RANGE (ts)"}
NOW = text("now()")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads a plain dict)
        str: Text,
        int: Integer,
        bytes: LargeBinary,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


# ---- what was ingested ------------------------------------------------------------------------------------------


class RequestId(Base):
    """Who was first: one row per accepted prediction, narrow, so that it can be kept longer than the rows."""

    __tablename__ = "request_ids"
    __table_args__ = {"postgresql_partition_by": "HASH (request_id)"}  # noqa: RUF012

    request_id: Mapped[str] = mapped_column(primary_key=True)
    content_hash: Mapped[bytes]
    ts: Mapped[datetime]


class Prediction(Base):
    __tablename__ = "predictions"
    __table_args__ = BY_DAY

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


class Embedder(Base):
    __tablename__ = "embedders"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
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


# ---- where the streams stand ------------------------------------------------------------------------------------


class StreamOffset(Base):
    """The next offset of a partition, moved only in the transaction that stores the batch before it."""

    __tablename__ = "stream_offsets"

    consumer_group: Mapped[str] = mapped_column(primary_key=True)
    cluster_id: Mapped[str] = mapped_column(primary_key=True)
    topic_id: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str]
    next_offset: Mapped[int] = mapped_column(BigInteger)
    end_offset: Mapped[int | None] = mapped_column(BigInteger)
    """The log's end as the consumer last saw it; lag = end - next."""
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class StreamGap(Base):
    """Records that no longer can be read: the log was made anew, cut, or expired before we came."""

    __tablename__ = "stream_gaps"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    consumer_group: Mapped[str]
    topic: Mapped[str]
    topic_id: Mapped[str]
    partition: Mapped[int]
    expected_offset: Mapped[int] = mapped_column(BigInteger)
    resumed_offset: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    noticed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DeadLetter(Base):
    __tablename__ = "dead_letters"
    __table_args__ = (UniqueConstraint("topic_id", "partition", "record_offset"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    topic: Mapped[str]
    topic_id: Mapped[str]
    partition: Mapped[int]
    record_offset: Mapped[int] = mapped_column(BigInteger)
    record_ts: Mapped[datetime | None]
    reason: Mapped[str]
    detail: Mapped[str]
    raw: Mapped[bytes]
    replay: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)


class IngestCounter(Base):
    """Running counts per topic and outcome (accepted, duplicate, dead letter reasons): totals that outlive restarts."""

    __tablename__ = "ingest_counters"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger)


class Replay(Base):
    """A file that was sent through Kafka; its start fixes synthesised event times, so that a resume repeats them."""

    __tablename__ = "replays"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    start_ts: Mapped[datetime]
    rows: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


# ---- labels ------------------------------------------------------------------------------------------------------


class LabelTask(Base):
    """A prediction that the sampler drew for labelling, why, and with which probability."""

    __tablename__ = "label_tasks"

    request_id: Mapped[str] = mapped_column(primary_key=True)
    ts: Mapped[datetime] = mapped_column(index=True)
    stratum: Mapped[str]
    inclusion_probability: Mapped[float]


class Label(Base):
    """Append-only: every word of every annotator. `scored` marks those that reached a verdict row."""

    __tablename__ = "labels"
    __table_args__ = (
        Index("ix_labels_request_id", "request_id"),
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


class Verdict(Base):
    """The scored outcome of one prediction, with what slices and calibration need beside it."""

    __tablename__ = "verdicts"
    __table_args__ = (Index("ix_verdicts_model_ts", "model", "ts"),)

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


# ---- drift -------------------------------------------------------------------------------------------------------


class DriftReference(Base):
    """Blessed (or, at cold start, provisional) traffic as a frozen fit with its own windows' dispersion."""

    __tablename__ = "drift_references"
    __table_args__ = (
        Index(
            "uq_drift_references_active", "model", "stream", "embedder_id", unique=True, postgresql_where=text("active")
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model: Mapped[str]
    stream: Mapped[str]
    embedder_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("embedders.id"))
    blessed: Mapped[bool]
    active: Mapped[bool]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    rows: Mapped[int]
    fit: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DriftBaseline(Base):
    """What one slice looked like in the reference's calibration windows, and how much its windows differed."""

    __tablename__ = "drift_baselines"

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    baseline: Mapped[bytes]
    dispersion: Mapped[bytes]


class ReferenceEpoch(Base):
    """One row. Writers of sketches share-lock it, a change of references locks it: no vector counts twice or never."""

    __tablename__ = "reference_epoch"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)


class EmbeddingSketch(Base):
    """Mergeable sums of one hour under one reference's fit. `dimension` '' is all traffic."""

    __tablename__ = "embedding_sketches"

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    sums: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """Exact sums in whole units (`monitor.stats.exact_sums`), so that adding them in any order gives the same."""


class DriftResult(Base):
    __tablename__ = "drift_results"

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    window_start: Mapped[datetime]
    n: Mapped[int]
    verdict: Mapped[str]
    p_value: Mapped[float | None]
    adjusted_p: Mapped[float | None]
    effect: Mapped[float | None]
    detail: Mapped[dict[str, Any]]


# ---- SLOs and alerts ---------------------------------------------------------------------------------------------


class SloEvaluation(Base):
    __tablename__ = "slo_evaluations"

    slo: Mapped[str] = mapped_column(primary_key=True)
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    state: Mapped[str]
    bad: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    budget_remaining: Mapped[float | None]
    burn: Mapped[float | None]
    """Highest long-window burn rate over the tiers, for charts; the exact counts stand in `tiers`."""
    tiers: Mapped[list[Any]]
    detail: Mapped[dict[str, Any]]
    backfilled: Mapped[bool]


class Alert(Base):
    """One incident of one SLO and severity, from breach to resolution."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "slo", "severity", unique=True, postgresql_where=text("resolved_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slo: Mapped[str]
    severity: Mapped[str]
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    state: Mapped[dict[str, Any]]
    """The state machine's own state, as `monitor.slo.alerting` stores and reads it."""
    backfilled: Mapped[bool]


class AlertTransition(Base):
    __tablename__ = "alert_transitions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    tick: Mapped[datetime]
    kind: Mapped[str]
    reason: Mapped[str]
    explanation: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    backfilled: Mapped[bool]


class Notification(Base):
    """The outbox: written with the transition, claimed with a lease, marked after sending."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("transition_id", "channel"),
        Index("ix_notifications_pending", "due_at", postgresql_where=text("sent_at IS NULL AND failed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    transition_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("alert_transitions.id", ondelete="CASCADE"))
    channel: Mapped[str]
    due_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


PARTITIONED_BY_DAY = ("predictions", "embeddings")
REQUEST_ID_PARTITIONS = 8
