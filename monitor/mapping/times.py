"""Event times for logs that have none: spread evenly over a span, by the row's place in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, model_validator

_DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d|w)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def duration(text: Any) -> timedelta:
    """A positive duration in the shorthand of the mapping file.

    >>> duration("250ms"), duration("7d")
    (datetime.timedelta(microseconds=250000), datetime.timedelta(days=7))

    Raises:
        ValueError: not a positive whole number followed by one of ms s m h d w.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 1s, 5m, 6h, 7d or 2w")
    return timedelta(milliseconds=int(match[1]) * _MILLISECONDS[match[2]])


Duration = Annotated[timedelta, BeforeValidator(duration)]


class Synthesis(BaseModel, extra="forbid", frozen=True):
    """`spacing` from row to row, or all rows `over` one span; from `start`, or so that the last row is at about now."""

    spacing: Duration | None = None
    over: Duration | None = None
    start: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Synthesis:
        if (self.spacing is None) == (self.over is None):
            raise ValueError("give either spacing (from row to row) or over (the whole span), e.g. {over: 7d}")
        return self

    def span(self, rows: int) -> timedelta:
        """The time that a file of this many rows covers."""
        return self.over if self.over is not None else (self.spacing or timedelta()) * rows


@dataclass(frozen=True, slots=True)
class RowTimes:
    """Row -> event time. The start is fixed at the first run, so that a resumed replay repeats equal events."""

    start: datetime
    span: timedelta
    rows: int

    def at(self, number: int) -> datetime:
        """The time of row `number` (1-based), in [start, start + span)."""
        return self.start + self.span * (number - 1) // self.rows
