"""Which traffic a figure speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import Window
from monitor.slo.objective import Selector

LIVE = ""
"""The source that is no replay."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Part of the traffic; None is any."""

    model: str | None = None
    version: str | None = None
    variant: str | None = None
    source: str | None = None
    """`LIVE`, or the id of a replay. Rollups do not tell the two apart, so `of_rollups` ignores it."""

    def of_rollups(self) -> tuple[str, dict[str, Any]]:
        """Conditions for `rollups_minute`, each beginning with AND, and their parameters."""
        chosen = {"model": self.model, "version": self.version, "variant": self.variant}
        given = {name: value for name, value in chosen.items() if value is not None}
        return "".join(f" AND {name} = :{name}" for name in given), given

    def of_rows(self) -> tuple[str, dict[str, Any]]:
        """Conditions for `predictions` and `verdicts`, each beginning with AND, and their parameters."""
        conditions, parameters = self.of_rollups()
        if self.source == LIVE:
            return f"{conditions} AND replay IS NULL", parameters
        if self.source is not None:
            return f"{conditions} AND replay = :replay", {**parameters, "replay": self.source}
        return conditions, parameters


EVERYTHING = Selection()


def bounds(window: Window) -> dict[str, Any]:
    """The parameters :start and :end."""
    return {"start": window.start, "end": window.end}


def selected(selector: Selector, prefix: str = "") -> tuple[str, dict[str, Any]]:
    """Conditions of an SLO's selector, each beginning with AND, and their parameters."""
    chosen = {"model": selector.model, "version": selector.version, "variant": selector.variant, "task": selector.task}
    given = {f"at_{name}": value for name, value in chosen.items() if value is not None}
    conditions = "".join(f" AND {prefix}{name.removeprefix('at_')} = :{name}" for name in given)
    if selector.slice != ALL_TRAFFIC:
        conditions += f" AND {prefix}slices ->> :at_dimension = :at_slice"
        given |= {"at_dimension": selector.slice.dimension, "at_slice": selector.slice.value}
    return conditions, given
