"""Windows, references and error rates of drift, its explanation and the canary."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from monitor.settings.section import Days, Hours, Positive, Strict

REFERENCE_WINDOWS = 16
"""Half of them calibrate, and with fewer than eight the dispersion between windows is not known."""


class Drift(Strict, frozen=True):
    window: Hours = timedelta(hours=3)
    """Whole hours of current traffic that is compared with the reference at each hourly tick."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Where nothing of a model drifts, at most this share of its ticks has a false finding; where something does, this
    share of its findings is false on average (Benjamini-Hochberg)."""
    reference_rows: Positive = 1500
    """Rows that a provisional reference waits for."""
    reference_span: Hours = timedelta(hours=48)
    """Whole hours that a provisional reference covers: at least 16 windows, half of which show how unchanged traffic
    varies from window to window."""

    @model_validator(mode="after")
    def _enough_windows(self) -> Self:
        if self.reference_span < REFERENCE_WINDOWS * self.window:
            raise ValueError(f"drift.reference_span must be at least {REFERENCE_WINDOWS} times drift.window")
        return self


class Explain(Strict, frozen=True):
    """What moved, and slices that nobody had named; see docs/explanation.md."""

    concepts: Path | None = None
    """YAML file of phrases that may name what moved, as `kind: {family: [phrase, ...]}`; none: those that ship."""
    rows: Annotated[int, Field(ge=200)] = 4000
    """Retained predictions of each window that an explanation looks at, at most."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance that an explanation confirms any cause though nothing moved, or that a search finds any slice though none
    is worse than the rest."""
    discovery_span: Days = timedelta(days=28)
    """Whose labels are searched for slices, each time that a quarter of it is new or that they have doubled."""
    discovery_labels: Annotated[int, Field(ge=200)] = 10_000
    """Labels that a search looks at, at most."""


class Canary(Strict, frozen=True):
    """A canary beside the stable version; see docs/canary.md."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """The chance that a canary is ever called better, worse or equivalent falsely, however often one looks."""
    label_margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """A difference of accuracy, or of the calibration gap, that does not matter."""
    request_margin: Annotated[float, Field(gt=0, lt=1)] = 0.005
    """A difference of the error rate, or of the share of slow answers, that does not matter."""
