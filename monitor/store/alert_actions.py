"""What people do to an incident."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.events import MAX_NAME

_ACKNOWLEDGE = text("""
    UPDATE alerts SET acknowledged_at = :now, acknowledged_by = :by
    WHERE id = :id AND resolved_at IS NULL AND acknowledged_at IS NULL
""")


def acknowledge(connection: Connection, alert_id: int, by: str, now: datetime) -> bool:
    """Note who takes care of an open incident; the first one stands.

    Returns:
        False when there was nothing to acknowledge: no such incident, resolved, or acknowledged already.

    Raises:
        ValueError: `by` is empty or longer than `MAX_NAME`.
    """
    name = by.strip()
    if not name or len(name) > MAX_NAME:
        raise ValueError(f"an acknowledgement needs a name of 1 to {MAX_NAME} characters, not {len(name)}")
    found = connection.execute(_ACKNOWLEDGE, {"id": alert_id, "by": name, "now": now})
    return bool(found.rowcount)
