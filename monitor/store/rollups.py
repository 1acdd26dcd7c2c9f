"""Minute rollups: additive counts, so that late data and merged periods stay exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection

from monitor.domain.events import Prediction
from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, confidence_bin, latency_bin
from monitor.store.copy import raw, stage

_KEY = ("minute", "model", "version", "variant", "task", "dimension", "value")
_COUNTS = ("ok", "error", "timeout", "rejected")
_COLUMNS = (
    ("minute", "timestamptz"), *((name, "text") for name in _KEY[1:]), *((name, "int4") for name in _COUNTS),
    ("latency", "int4[]"), ("confidence", "int4[]"), ("cost_usd", "float8"),
)  # fmt: skip

_ADD_ARRAYS = (
    "ARRAY(SELECT a + b FROM unnest(rollups_minute.{0}, EXCLUDED.{0}) WITH ORDINALITY AS t(a, b, i) ORDER BY i)"
)
_MERGE = f"""
    INSERT INTO rollups_minute ({", ".join(name for name, _ in _COLUMNS)})
    SELECT {", ".join(name for name, _ in _COLUMNS)} FROM {{staging}} ORDER BY {", ".join(_KEY)}
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET
      {", ".join(f"{name} = rollups_minute.{name} + EXCLUDED.{name}" for name in (*_COUNTS, "cost_usd"))},
      latency = {_ADD_ARRAYS.format("latency")}, confidence = {_ADD_ARRAYS.format("confidence")}
"""

_ALL = ("", "")
"""Dimension and value of all traffic."""
Key = tuple[int, str, str, str, str, str, str]


class _Cell:
    """The counts of one key while a batch is added up."""

    __slots__ = ("confidence", "cost", "counts", "latency")

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.latency = [0] * LATENCY_BINS
        self.confidence = [0] * CONFIDENCE_BINS
        self.cost = 0.0


def add(
    connection: Connection, events: Iterable[Prediction], slices_of: Callable[[Prediction], list[tuple[str, str]]]
) -> None:
    """Add first-seen predictions to their minutes, once for all traffic and once per slice that counts."""
    cells: dict[Key, _Cell] = {}
    for event in events:
        _count(cells, event, slices_of(event))
    rows = ((datetime.fromtimestamp(60 * key[0], UTC), *key[1:], *_values(cell)) for key, cell in cells.items())
    staging = stage(connection, "rollups_minute", _COLUMNS, rows)
    raw(connection).execute(_MERGE.format(staging=staging))


def _count(cells: dict[Key, _Cell], event: Prediction, slices: list[tuple[str, str]]) -> None:
    minute, model, status = int(event.ts.timestamp()) // 60, event.model, event.status
    latency = None if event.latency_ms is None or status != "ok" else latency_bin(event.latency_ms)
    confidence = None if event.output.confidence is None else confidence_bin(event.output.confidence)
    for dimension, value in (_ALL, *slices):
        key = (minute, model.name, model.version, model.variant, event.task, dimension, value)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = _Cell()
        cell.counts[status] += 1
        if latency is not None:
            cell.latency[latency] += 1
        if confidence is not None:
            cell.confidence[confidence] += 1
        if event.cost_usd is not None:
            cell.cost += event.cost_usd


def _values(cell: _Cell) -> tuple[object, ...]:
    return (*cell.counts.values(), cell.latency, cell.confidence, cell.cost)
