"""What stored events are of: names that an SLO can choose by. Asked for SLOs without data, so every look is cheap."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.slo.unseen import Kind, Seen
from monitor.store.queries.catalogue import served_models

LATEST: Final = 1000
"""Of labels and label tasks, whose slices are not only those that are counted."""
# Of `monitor.store.served_models.REMEMBERED`; minute rollups have no index by task.
_TASKS = text("SELECT DISTINCT model, task FROM served_models")
_STREAMS = text("SELECT DISTINCT model, stream FROM drift_references")
_SLICES = text("SELECT dimension, value FROM slice_values")
_OF_LABELS = text("""
    SELECT DISTINCT key, value FROM (
        (SELECT slices FROM verdicts ORDER BY ts DESC LIMIT :latest)
        UNION ALL (SELECT slices FROM label_tasks ORDER BY ts DESC LIMIT :latest)
    ) AS labelled, jsonb_each_text(slices)
""")


def seen(connection: Connection, *, labelled: bool) -> Seen:
    """The names of all predictions; `labelled` adds the slices of the newest labels."""
    slices = {Slice(*row) for row in connection.execute(_SLICES)}
    if labelled:
        slices |= {Slice(*row) for row in connection.execute(_OF_LABELS, {"latest": LATEST})}
    return Seen(
        kinds=[Kind(one.model, one.version, one.variant) for one in served_models(connection)],
        tasks=[(row.model, row.task) for row in connection.execute(_TASKS)],
        streams=[(row.model, row.stream) for row in connection.execute(_STREAMS)],
        slices=slices,
    )
