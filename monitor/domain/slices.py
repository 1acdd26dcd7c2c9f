"""Names of slices: which part of the traffic a number speaks of."""

from __future__ import annotations

from dataclasses import dataclass

OTHER = "__other__"
"""Where values beyond the cardinality cap are counted together."""


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """All traffic (`dimension` and `value` empty), or the part whose `dimension` has this `value`."""

    dimension: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.dimension} = {self.value}" if self.dimension else "all traffic"


ALL_TRAFFIC = Slice()
