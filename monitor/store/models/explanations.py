"""What moved, in words; slices that were discovered; and the vectors of phrases that name them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import ForeignKey, Identity, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import NOW, Base


class ConceptVector(Base):
    """A phrase of a text bank through the text tower of an embedder."""

    __tablename__ = "concept_vectors"

    embedder_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("embedders.id"), primary_key=True)
    phrase: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[Any] = mapped_column(HALFVEC())


class DriftExplanation(Base):
    """Why a window differs from the reference. `detail` holds causes, carriers and shifts, and no request."""

    __tablename__ = "drift_explanations"
    __table_args__ = (Index("ix_drift_explanations_window_end_model", "window_end", "model"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model: Mapped[str]
    dimension: Mapped[str]
    """With `value`, the slice whose rows were compared; empty: all traffic."""
    value: Mapped[str]
    reference_start: Mapped[datetime]
    reference_end: Mapped[datetime]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    n_reference: Mapped[int]
    n_current: Mapped[int]
    detail: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class ExplanationExample(Base):
    """A request that shows what moved; apart, so that it goes when the request is erased."""

    __tablename__ = "explanation_examples"
    __table_args__ = (Index("ix_explanation_examples_request_id", "request_id"),)

    explanation_id: Mapped[int] = mapped_column(
        ForeignKey("drift_explanations.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    ts: Mapped[datetime]
    request_id: Mapped[str]


class SliceDiscovery(Base):
    """One search for slices that nobody had named. `detail` holds what was found."""

    __tablename__ = "slice_discoveries"
    __table_args__ = (Index("ix_slice_discoveries_window_end_model", "window_end", "model"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model: Mapped[str]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    labels: Mapped[int]
    tried: Mapped[int]
    detail: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DiscoveryExample(Base):
    """A wrong answer in a slice that was found; `slice` is its place among those of the search."""

    __tablename__ = "discovery_examples"
    __table_args__ = (Index("ix_discovery_examples_request_id", "request_id"),)

    discovery_id: Mapped[int] = mapped_column(ForeignKey("slice_discoveries.id", ondelete="CASCADE"), primary_key=True)
    slice: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    ts: Mapped[datetime]
    request_id: Mapped[str]
