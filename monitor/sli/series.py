"""What the store hands to an SLI, and what an SLI hands on: arrays per minute or per label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

TRAFFIC: Final = ("model", "version", "variant", "task")
"""By what events that are requests can be chosen, besides their slice."""


@dataclass(frozen=True, slots=True, eq=False)
class MinuteCounts:
    """Rollup rows, in any order; several rows of one minute (models, versions, variants) add up."""

    minute: Ints
    """[rows], minutes since the epoch."""
    ok: Ints
    """[rows]; so are the other statuses."""
    error: Ints
    timeout: Ints
    rejected: Ints
    latency_histogram: Ints
    """[rows, LATENCY_BINS], ok answers by `LATENCY_BOUNDS_MS`; ok answers without a latency are in no bin. [rows, 0]
    where nobody asked for them."""


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Calls logged in two records, in any order; several rows of one minute add up."""

    minute: Ints
    """[rows], minutes since the epoch."""
    joined: Ints
    """[rows]: both sides came."""
    lost: Ints
    """[rows]: one side never came."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelOutcomes:
    """One row per scored prediction of the random label sample, in any order. Unsure verdicts are left out."""

    predicted_at: NDArray[np.float64]
    """[rows], seconds since the epoch: when the prediction was made."""
    labelled_at: NDArray[np.float64]
    """[rows], seconds since the epoch: when the deciding label came."""
    correct: NDArray[np.bool_]
    """[rows]."""
    coin: NDArray[np.float64]
    """[rows], in [0, 1): the prediction was drawn because it fell below `rate`."""
    rate: NDArray[np.float64]
    """[rows], in (0, 1]: base rate of its time."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskWaits:
    """One row per prediction that was drawn for labelling, in any order. Those that were set aside are left out."""

    drawn_at: NDArray[np.float64]
    """[rows], seconds since the epoch: when the prediction was made."""
    answered_at: NDArray[np.float64]
    """[rows], the same of the last label that it needs; infinity while that is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class DriftLooks:
    """One row per comparison of a stream and slice with its reference, in any order."""

    minute: Ints
    """[rows], minutes since the epoch: the last one of the hour at whose end the comparison was made."""
    judged: NDArray[np.bool_]
    """[rows]: there was enough data, and enough reference, for a verdict."""
    persisting: NDArray[np.bool_]
    """[rows]: enough of this and the last verdicts were drift."""


@dataclass(frozen=True, slots=True, eq=False)
class MinuteEvents:
    """Bad and total events by minute."""

    minute: Ints
    bad: Ints
    total: Ints


@dataclass(frozen=True, slots=True, eq=False)
class LabelEvents:
    """Labelled predictions, each bad or good."""

    predicted_at: NDArray[np.float64]
    known_at: NDArray[np.float64]
    bad: NDArray[np.bool_]
    coin: NDArray[np.float64]
    rate: NDArray[np.float64]
