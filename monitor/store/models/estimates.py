"""Estimates that were made without labels, kept so that labels can judge them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import Base


class AccuracyEstimate(Base):
    """The accuracy of a model's answers of a window, by their confidences and by labels of before it."""

    __tablename__ = "accuracy_estimates"

    window_start: Mapped[datetime] = mapped_column(primary_key=True)
    window_end: Mapped[datetime] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    """Labels that came later had no part in it."""
    share: Mapped[float]
    lower: Mapped[float]
    upper: Mapped[float]
    n: Mapped[int]
    """Answers with a confidence."""
    past: Mapped[int]
    """Labels that the meaning of confidences was learned from."""
