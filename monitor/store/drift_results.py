"""What comparisons with drift references came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from monitor.store.json_parameters import Json


def insert_results(connection: Connection, results: Iterable[Mapping[str, Any]]) -> None:
    """Store results; a tick that somebody evaluated before is left as it is."""
    rows = [{**one, "detail": Json(one["detail"])} for one in results]
    if rows:
        connection.execute(
            text(
                "INSERT INTO drift_results (reference_id, dimension, value, tick, window_start, n, verdict, p_value, "
                "adjusted_p, effect, detail) VALUES (:reference_id, :dimension, :value, :tick, :window_start, :n, "
                ":verdict, :p_value, :adjusted_p, :effect, :detail) ON CONFLICT DO NOTHING"
            ),
            rows,
        )
