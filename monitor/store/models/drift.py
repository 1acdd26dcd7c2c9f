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
    __table_args__ = (Index("ix_embedding_sketches_hour", "hour"),)

    reference_id: Mapped[int] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    sums: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """Exact sums in whole units (`monitor.stats.exact_sums`), so that adding them in any order gives the same."""


class DriftResult(Base):
    __tablename__ = "drift_results"
    __table_args__ = (Index("ix_drift_results_tick", "tick"),)

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
