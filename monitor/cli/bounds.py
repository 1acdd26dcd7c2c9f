"""How far numbers and times of options may go: so far that PostgreSQL and Python's calendar have room beyond."""

from __future__ import annotations

from typing import Final

MOST_ROWS: Final = 2**31 - 1
LAST_ID: Final = 2**63 - 1
MOST_DAYS: Final = 36_525
"""A century."""
YEARS: Final = range(1970, 9999)
