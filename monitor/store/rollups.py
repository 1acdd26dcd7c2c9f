"""Minute rollups: additive counts, so that late data and merged periods stay exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.domain.events import Prediction
from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, confidence_bins, latency_bins
from monitor.store.copy import raw, stage

_KEY = ("minute", "model", "version", "variant", "task", "dimension", "value")
_COUNTS = ("ok", "error", "timeout", "rejected")
_STATUS = {name: index for index, name in enumerate(_COUNTS)}
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
_Common = tuple[int, str, str, str, str]
Key = tuple[int, str, str, str, str, str, str]
SlicesOf = Callable[[Prediction], list[tuple[str, str]]]
_ENDS = np.cumsum((len(_COUNTS), LATENCY_BINS))
"""Where, in a row of counts, those of latencies and confidences begin."""
_WIDTH = int(_ENDS[-1]) + CONFIDENCE_BINS


def add(connection: Connection, events: Sequence[Prediction], slices_of: SlicesOf) -> None:
    """Add first-seen predictions to their minutes, once for all traffic and once per slice that counts."""
    staging = stage(connection, "rollups_minute", _COLUMNS, _rows(events, slices_of))
    raw(connection).execute(_MERGE.format(staging=staging))


def _rows(events: Sequence[Prediction], slices_of: SlicesOf) -> Iterator[tuple[Any, ...]]:
    """Events of one kind, those that count under the same keys, are counted together first."""
    kinds: dict[tuple[_Common, tuple[tuple[str, str], ...]], int] = {}
    kind_of = []
    for event in events:
        model, minute = event.model, int(event.ts.timestamp()) // 60
        common = (minute, model.name, model.version, model.variant, event.task)
        kind_of.append(kinds.setdefault((common, tuple(slices_of(event))), len(kinds)))
    counts, costs = _counts(events, np.array(kind_of, dtype=np.intp), len(kinds))
    keys: dict[Key, int] = {}
    pairs = [
        (keys.setdefault((*common, *one), len(keys)), kind)
        for (common, slices), kind in kinds.items()
        for one in (_ALL, *slices)
    ]
    places, sources = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    totals, cost = np.zeros((len(keys), _WIDTH), dtype=np.int64), np.zeros(len(keys))
    np.add.at(totals, places, counts[sources])
    np.add.at(cost, places, costs[sources])
    for key, row, total in zip(keys, totals, cost.tolist(), strict=True):
        statuses, latency, confidence = (part.tolist() for part in np.split(row, _ENDS))
        yield (datetime.fromtimestamp(60 * key[0], UTC), *key[1:], *statuses, latency, confidence, total)


def _counts(
    events: Sequence[Prediction], kind_of: NDArray[np.intp], kinds: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Per kind a row of counts [kinds, statuses + latency bins + confidence bins], and the sum of costs [kinds]."""
    status = np.array([_STATUS[event.status] for event in events], dtype=np.intp)
    latency = np.array([event.latency_ms for event in events], dtype=np.float64)  # NaN for None
    confidence = np.array([event.output.confidence for event in events], dtype=np.float64)
    cost = np.array([event.cost_usd for event in events], dtype=np.float64)
    timed, sure = ~np.isnan(latency) & (status == 0), ~np.isnan(confidence)
    cells = np.concatenate((
        kind_of * _WIDTH + status,
        kind_of[timed] * _WIDTH + _ENDS[0] + latency_bins(latency[timed]),
        kind_of[sure] * _WIDTH + _ENDS[1] + confidence_bins(confidence[sure]),
    ))  # fmt: skip
    counts = np.bincount(cells, minlength=kinds * _WIDTH).reshape(kinds, _WIDTH)
    return counts.astype(np.int64), np.bincount(kind_of, np.nan_to_num(cost), minlength=kinds).astype(np.float64)
