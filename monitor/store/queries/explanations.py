"""Explanations and discovered slices, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.stats.weighted import WeightedShare
from monitor.store.discoveries import StoredSlice
from monitor.store.explanations import Compared, Findings
from monitor.store.queries.examples import Example, stored
from monitor.store.queries.selection import bounds


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """What moved between a reference and a window, as it was explained."""

    id: int
    compared: Compared
    n_reference: int
    n_current: int
    findings: Findings
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredDiscovery:
    """A search for slices, and what was found, the most certain first."""

    id: int
    model: str
    window: Window
    labels: int
    tried: int
    accuracy: WeightedShare
    found: tuple[StoredSlice, ...]
    created_at: datetime


def explanations(connection: Connection, window: Window, model: str | None = None) -> list[StoredExplanation]:
    """Those of windows that share time with this one, the newest first."""
    chosen = "AND model = :model" if model is not None else ""
    query = text(f"""
        SELECT * FROM drift_explanations WHERE window_end > :start AND window_start < :end {chosen}
        ORDER BY window_end DESC, id DESC LIMIT 50
    """)
    given: dict[str, Any] = bounds(window) | ({"model": model} if model is not None else {})
    return [_explanation(dict(row)) for row in connection.execute(query, given).mappings()]


def explanation_examples(connection: Connection, explanation_id: int) -> list[Example]:
    """The requests that show it best, as far as they are still stored."""
    chosen = """
        SELECT e.ts, e.request_id, v.correct, e.place
        FROM explanation_examples AS e LEFT JOIN verdicts AS v ON v.ts = e.ts AND v.request_id = e.request_id
        WHERE e.explanation_id = :id
    """
    return stored(connection, chosen, {"id": explanation_id})


def latest_discovery(connection: Connection, model: str, until: datetime) -> StoredDiscovery | None:
    """The last search of a model's labels that ended at or before `until`."""
    query = text("""
        SELECT * FROM slice_discoveries WHERE model = :model AND window_end <= :until
        ORDER BY window_end DESC, id DESC LIMIT 1
    """)
    row = connection.execute(query, {"model": model, "until": until}).mappings().one_or_none()
    if row is None:
        return None
    return StoredDiscovery(
        id=row["id"],
        model=row["model"],
        window=Window(row["window_start"], row["window_end"]),
        labels=row["labels"],
        tried=row["tried"],
        accuracy=msgspec.convert(row["detail"]["accuracy"], WeightedShare),
        found=msgspec.convert(row["detail"]["found"], tuple[StoredSlice, ...]),
        created_at=row["created_at"],
    )


def discovery_examples(connection: Connection, discovery_id: int, number: int) -> list[Example]:
    """Wrong answers of one of the slices that were found, as far as they are still stored.

    Args:
        number: its place among them, from 0.
    """
    chosen = """
        SELECT e.ts, e.request_id, v.correct, e.place
        FROM discovery_examples AS e LEFT JOIN verdicts AS v ON v.ts = e.ts AND v.request_id = e.request_id
        WHERE e.discovery_id = :id AND e.slice = :number
    """
    return stored(connection, chosen, {"id": discovery_id, "number": number})


def _explanation(row: dict[str, Any]) -> StoredExplanation:
    return StoredExplanation(
        id=row["id"],
        compared=Compared(
            row["model"],
            Slice(row["dimension"], row["value"]),
            Window(row["reference_start"], row["reference_end"]),
            Window(row["window_start"], row["window_end"]),
        ),
        n_reference=row["n_reference"],
        n_current=row["n_current"],
        findings=msgspec.convert(row["detail"], Findings),
        created_at=row["created_at"],
    )
