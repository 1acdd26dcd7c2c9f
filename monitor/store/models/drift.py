"""References, baselines, sketches and results of drift."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import NOW, Base


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
    gathering: Mapped[bool] = mapped_column(server_default=text("false"))
    """Writers sketch under it, and what was stored before is being sketched: nothing is compared with it yet."""
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    rows: Mapped[int]
    fit: Mapped[bytes]
    categories: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """What a mix counts by name, the most frequent first; NULL for streams that count nothing."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class UnfittedStream(Base):
    """A stream that came, and of which no reference could be made: it is not compared, and why."""

    __tablename__ = "unfitted_streams"

    model: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    embedder_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("embedders.id"), primary_key=True)
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    rows: Mapped[int]
    reason: Mapped[str]
    constant_until: Mapped[datetime | None]
    """End of the last window in which all of its rows were the same. Kept until somebody blesses a reference, so that
    the end of a constant is told although no reference knew it."""


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
    __table_args__ = (Index("ix_embedding_sketches_hour", "hour"),)

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    sums: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """Exact sums in whole units (`monitor.stats.exact_sums`), so that adding them in any order gives the same."""


class SketchedHour(Base):
    """Hours whose stored predictions were sketched under a reference, for streams of fields.

    `counted` is how many predictions were counted then: when more have come, the hour is sketched anew.
    """

    __tablename__ = "sketched_hours"
    __table_args__ = (Index("ix_sketched_hours_hour", "hour"),)

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    counted: Mapped[int] = mapped_column(BigInteger)


class DriftResult(Base):
    __tablename__ = "drift_results"
    __table_args__ = (
        Index("ix_drift_results_tick", "tick"),
        Index("ix_drift_results_drifted", "tick", postgresql_where=text("verdict = 'drift'")),
    )

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


class DriftJudgement(Base):
    """What somebody says of an alarm: one stream and slice that drifted from a tick on. The newest counts."""

    __tablename__ = "drift_judgements"
    __table_args__ = (Index("ix_drift_judgements_since", "since"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"))
    dimension: Mapped[str]
    value: Mapped[str]
    since: Mapped[datetime]
    useful: Mapped[bool]
    actor: Mapped[str]
    comment: Mapped[str | None]
    at: Mapped[datetime]
