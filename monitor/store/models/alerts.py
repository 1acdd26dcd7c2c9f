"""SLO evaluations, alerts, their transitions and the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import Base


class SloEvaluation(Base):
    __tablename__ = "slo_evaluations"
    __table_args__ = (Index("ix_slo_evaluations_tick", "tick"),)

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


class Silence(Base):
    """Planned work, in which nobody is told of the incidents of some SLOs."""

    __tablename__ = "silences"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slos: Mapped[str]
    """A pattern of names."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str]
    reason: Mapped[str]
