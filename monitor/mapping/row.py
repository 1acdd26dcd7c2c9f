"""A row of some log, as a mapping sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    values: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of its Kafka record, by lower-case name; rows of files have none."""
    timestamp: datetime | None = None
    """Of its Kafka record."""
