"""Minute rollups: additive counts, so that late data and merged periods stay exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.domain.events import Prediction
from monitor.domain.grouping import grouped
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

SINCE_MODEL = """(
    SELECT coalesce(min(minute), '-infinity') FROM rollups_minute WHERE model = :model AND dimension = ''
)"""
"""When anything of a model came first: its rows are looked for in no older partition."""

_ALL = ("", "")
"""Dimension and value of all traffic."""
_ENDS = np.cumsum((len(_COUNTS), LATENCY_BINS))
"""Where, in a row of counts, those of latencies and confidences begin."""
_WIDTH = int(_ENDS[-1]) + CONFIDENCE_BINS
Key = tuple[int, str, str, str, str, str, str]
SlicesOf = Callable[[dict[str, str]], list[tuple[str, str]]]
"""The (dimension, value) pairs that an event counts under."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What n predictions add to the counts, before it is known which slices count."""

    kinds: list[Prediction]
    """One of each kind: those of a kind count under the same keys."""
    kind_of: NDArray[np.intp]
    status: NDArray[np.intp]
    latency: NDArray[np.float64]
    confidence: NDArray[np.float64]
    cost: NDArray[np.float64]
    """All [n], NaN for None."""

    @classmethod
    def of(cls, events: Sequence[Prediction], dimensions: Sequence[str]) -> Tally:
        """
        Args:
            dimensions: of slices, those that may count.
        """
        kinds, kind_of = grouped(
            events, lambda event: (*_common(event), *[event.slices.get(one) for one in dimensions])
        )
        return cls(
            kinds,
            kind_of,
            np.array([_STATUS[event.status] for event in events], dtype=np.intp),
            np.array([event.latency_ms for event in events], dtype=np.float64),
            np.array([event.output.confidence for event in events], dtype=np.float64),
            np.array([event.cost_usd for event in events], dtype=np.float64),
        )

    def among(self, keep: NDArray[np.bool_]) -> Tally:
        """Of those predictions alone [n]."""
        return Tally(
            self.kinds,
            self.kind_of[keep],
            self.status[keep],
            self.latency[keep],
            self.confidence[keep],
            self.cost[keep],
        )

    def by_slices(self, slices_of: SlicesOf) -> Tally:
        """With kinds that count under the same keys made one: values beyond the cap are many, and all `other`."""
        kinds, merged = grouped(self.kinds, lambda event: (*_common(event), *slices_of(event.slices)))
        return replace(self, kinds=kinds, kind_of=merged[self.kind_of])

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Per kind a row of counts [kinds, statuses + latency bins + confidence bins], and the sum of costs [kinds]."""
        kinds, kind_of = len(self.kinds), self.kind_of
        timed, sure = ~np.isnan(self.latency) & (self.status == 0), ~np.isnan(self.confidence)
        cells = np.concatenate((
            kind_of * _WIDTH + self.status,
            kind_of[timed] * _WIDTH + _ENDS[0] + latency_bins(self.latency[timed]),
            kind_of[sure] * _WIDTH + _ENDS[1] + confidence_bins(self.confidence[sure]),
        ))  # fmt: skip
        counts = np.bincount(cells, minlength=kinds * _WIDTH).reshape(kinds, _WIDTH)
        costs = np.bincount(kind_of, np.nan_to_num(self.cost), minlength=kinds)
        return counts.astype(np.int64), costs.astype(np.float64)


def add(connection: Connection, tally: Tally, slices_of: SlicesOf) -> None:
    """Add first-seen predictions to their minutes, once for all traffic and once per slice that counts."""
    staging = stage(connection, "rollups_minute", _COLUMNS, rows_of(tally, slices_of))
    raw(connection).execute(_MERGE.format(staging=staging))


def rows_of(tally: Tally, slices_of: SlicesOf) -> Iterator[tuple[Any, ...]]:
    """What is added, by key. Kinds of which nothing is left add nothing."""
    tally = tally.by_slices(slices_of)
    counts, costs = tally.counts()
    keys: dict[Key, int] = {}
    pairs = [
        (keys.setdefault((*_common(event), *one), len(keys)), kind)
        for kind, event in enumerate(tally.kinds)
        for one in (_ALL, *slices_of(event.slices))
        if counts[kind, : len(_COUNTS)].any()
    ]
    places, sources = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    totals, cost = np.zeros((len(keys), _WIDTH), dtype=np.int64), np.zeros(len(keys))
    np.add.at(totals, places, counts[sources])
    np.add.at(cost, places, costs[sources])
    for key, row, total in zip(keys, totals, cost.tolist(), strict=True):
        statuses, latency, confidence = (part.tolist() for part in np.split(row, _ENDS))
        yield (datetime.fromtimestamp(60 * key[0], UTC), *key[1:], *statuses, latency, confidence, total)


def _common(event: Prediction) -> tuple[int, str, str, str, str]:
    """What all keys of an event share."""
    model = event.model
    return int(event.ts.timestamp()) // 60, model.name, model.version, model.variant, event.task
