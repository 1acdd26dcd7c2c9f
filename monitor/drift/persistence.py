"""One window may drift by chance; several in a row do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor.domain.results import DriftVerdict
from monitor.stats.inputs import check_whole

LOOKS: Final = 3
NEEDED: Final = 2


def persists(verdicts: Sequence[DriftVerdict], *, needed: int = NEEDED, looks: int = LOOKS) -> bool:
    """Whether at least `needed` of the last `looks` verdicts (oldest first) are drift.

    Verdicts for want of data count as looks that found nothing.

    Raises:
        NotEnoughData: `looks` or `needed` that are no whole number of at least 1.
    """
    check_whole(looks, "looks", least=1)  # the last 0 of a list are all of it
    check_whole(needed, "looks that drift", least=1)
    return sum(verdict == DriftVerdict.DRIFT for verdict in verdicts[-looks:]) >= needed
