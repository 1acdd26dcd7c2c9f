"""What a channel is given: one transition of one incident, complete in itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

SCHEMA = "alert/v1"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One word about an incident."""

    alert_id: int
    """The same for all words about one incident."""
    dedup_key: str
    """The same whenever this word is sent, so that a receiver can drop what it has seen."""
    slo: str
    severity: str
    """page or ticket."""
    transition: str
    """opened, noted or closed."""
    reason: str
    """See `monitor.slo.incident.Reason`."""
    summary: str
    """One line."""
    details: str
    """Several lines."""
    started_at: datetime
    """When the incident opened; aware."""
    link: str | None = None
    """Where to look, if the dashboard has an address."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The transition as it was stored; plain JSON values."""

    def as_json(self) -> dict[str, Any]:
        """Plain values under stable names: what the webhook posts and the log prints. docs/channels.md lists them."""
        return {
            "schema": SCHEMA,
            "alert_id": self.alert_id,
            "dedup_key": self.dedup_key,
            "slo": self.slo,
            "severity": self.severity,
            "transition": self.transition,
            "reason": self.reason,
            "summary": self.summary,
            "details": self.details,
            "started_at": self.started_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "link": self.link,
            "evidence": dict(self.evidence),
        }


class Channel(Protocol):
    """A way to tell people. Sending one message twice must do no harm: after a crash it happens."""

    def notify(self, message: AlertMessage) -> None:
        """Deliver, or say that it failed.

        Raises:
            NotificationError: not delivered; `permanent` when trying again cannot help.
        """
