"""What the sections of the settings share: their base, and kinds of values."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

Rate = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0, le=1e6)]


def _whole_hours(value: timedelta) -> timedelta:
    if value <= timedelta(0) or value % timedelta(hours=1):
        raise ValueError("must be whole hours, at least one: sketches are kept by the hour")
    return value


def _whole_day(value: timedelta) -> timedelta:
    if value < timedelta(days=1):
        raise ValueError("must be at least a day: what is kept by day goes by day")
    return value


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


Time = Annotated[timedelta, AfterValidator(_some_time)]
Hours = Annotated[timedelta, AfterValidator(_whole_hours)]
Days = Annotated[timedelta, AfterValidator(_whole_day)]


class Strict(BaseModel, extra="forbid", frozen=True):
    """A section of the settings: unknown names are faults, not ignored wishes."""
