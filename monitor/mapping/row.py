"""A row of some log, as a mapping sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    values: Mapping[str, Any]
