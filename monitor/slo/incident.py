"""An incident of one SLO and severity: its state between ticks, and the transitions that people hear of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

import msgspec

from monitor.slo.policy import Severity


class Kind(StrEnum):
    """What a transition does to its incident."""

    OPENED = "opened"
    NOTED = "noted"
    """The incident goes on, and there is news of it."""
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a transition came about."""

    FIRST_BREACH = "first_breach"
    """Opened: a tier fires. Noted: a tier fires in an incident that missing data had opened."""
    SEVERITY_RAISED = "severity_raised"
    """Opened: a page tier fires, and the SLO has a ticket open already."""
    NO_DATA = "no_data"
    """Opened: data are missing, and the policy wants to hear of that. Noted: they went missing during an incident."""
    DATA_BACK = "data_back"
    """Noted: there are data again, and they do not show that it is over."""
    REPEAT_INTERVAL = "repeat_interval"
    """Noted: it goes on, and the repeat interval has passed since the last word."""
    SILENCE_ENDED = "silence_ended"
    """Noted: it goes on, and the silence is over."""
    SEVERITY_LOWERED = "severity_lowered"
    """Noted: the page that told of it is over, the ticket is not."""
    RESOLVED = "resolved"
    """Closed: for the keep-firing time no tier was above its limit, by the data."""
    EXPIRED = "expired"
    """Closed: for the close-without-data time there was nothing to judge by. Nothing shows that it is over."""
    WITHDRAWN = "withdrawn"
    """Closed: its SLO, or the SLO's alerts of this severity, left the documents. Nothing shows that it is over."""


class Mute(StrEnum):
    """Why people are not told."""

    SILENCE = "silence"
    PAGE = "page"
    """An open page of the same SLO tells it already."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """An open incident as it stands after a tick; a closed one has no state."""

    slo: str
    severity: Severity
    opened_at: datetime
    updated_at: datetime
    """The last tick."""
    cause: Reason
    """FIRST_BREACH, or NO_DATA while only missing data keep it open."""
    transitions: int
    """So far, the opening included."""
    announced: bool
    """Somebody was told of it."""
    told_at: datetime
    """Of the last transition: repeats count from here."""
    muted_by: Mute | None
    """Stays after the mute's end until there is something to tell."""
    clear_since: datetime | None = None
    """Since when all is well, by the data."""
    no_data_since: datetime | None = None
    no_data_noted: bool = False

    @property
    def incident(self) -> str:
        """Key of the incident; a replay gives the same."""
        return f"{self.slo}/{self.severity}/{self.opened_at:%Y%m%dT%H%MZ}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a JSON column."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return msgspec.convert(values, cls)


@dataclass(frozen=True, slots=True)
class Transition:
    """One word in the history of an incident; the decision to send it was made here, sending it is another's work."""

    incident: str
    slo: str
    severity: Severity
    number: int
    """1 is the opening."""
    kind: Kind
    reason: Reason
    tick: datetime
    opened_at: datetime
    notify: bool
    muted_by: Mute | None
    summary: str
    """One line."""
    details: str
    """Several lines: every tier with its figures, the budget, what the reason means."""

    @property
    def key(self) -> str:
        """Unique and deterministic: sending twice under one key is sending once."""
        return f"{self.incident}/{self.number}"


class Step(NamedTuple):
    """What one tick did to the incident of one severity."""

    state: AlertState | None
    """None: no incident is open."""
    transition: Transition | None
