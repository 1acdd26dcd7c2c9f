"""Close the incidents that nobody judges any more: their SLO, or its alerts of that severity, left the documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from monitor.slo.alerting import withdrawn
from monitor.slo.objective import Objective
from monitor.store import alerts
from monitor.store.engine import transaction

LEFT_ALONE: Final = timedelta(hours=1)
"""So long nobody may have judged them: replicas get new documents one after the other, and the old ones go on."""


def withdraw_incidents(engine: Engine, objectives: Sequence[Objective], tick: datetime) -> int:
    """Close them, and tell the channels that had heard of them, within a silence too; returns how many.

    Args:
        objectives: all that are evaluated.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    judged = {(one.name, alerting.severity) for one in objectives for alerting in one.alerting}
    with transaction(engine) as connection:
        left = [
            one
            for one in alerts.left_alone(connection, tick - LEFT_ALONE)
            if (one.state.slo, one.state.severity) not in judged
        ]
        for incident in left:
            transition = withdrawn(incident.state, tick)
            told = alerts.channels_told(connection, incident.alert_id)
            alerts.insert_transition(connection, incident.alert_id, transition, told, backfilled=False)
            alerts.close_incident(connection, incident, tick)
    return len(left)
