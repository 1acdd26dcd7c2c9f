"""One window may drift by chance; several in a row do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor.domain.results import DriftVerdict

LOOKS: Final = 3
NEEDED: Final = 2


def persists(verdicts: Sequence[DriftVerdict], *, needed: int = NEEDED, looks: int = LOOKS) -> bool:
    """Whether at least `needed` of the last `looks` verdicts (oldest first) are drift.

    Verdicts for want of data count as looks that found nothing.
    """
    return sum(verdict == DriftVerdict.DRIFT for verdict in verdicts[-looks:]) >= needed
