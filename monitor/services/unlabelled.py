"""What answers without a label add: prediction-powered accuracy, and an estimate where there are no labels yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.domain.histograms import CONFIDENCE_MIDDLES
from monitor.domain.window import LEARNED_FROM, Window
from monitor.stats import ppi
from monitor.stats.estimated_accuracy import MIN_PAST, EstimatedAccuracy, Meaning, estimate_accuracy, meaning
from monitor.stats.ppi import Guesses, PredictionPowered, prediction_powered_among
from monitor.store.queries.confidences import (
    MISSING,
    Counts,
    LabelledConfidences,
    all_confidences,
    labelled_confidences,
)
from monitor.store.queries.selection import EVERYTHING, Selection
from monitor.store.queries.slices import Dimension


@dataclass(frozen=True, slots=True)
class Aided:
    """Accuracy with the help of confidences; None where there are too few labels, or no confidences.

    `powered` rests on the window's own labels and confidences, `estimated` on its confidences and on labels before it.
    `estimated` is of answers that have a confidence alone: of the share `confident` of all.
    """

    powered: PredictionPowered | None = None
    estimated: EstimatedAccuracy | None = None
    confident: float = 0.0


def aided_accuracy(
    connection: Connection, window: Window, as_of: datetime, selection: Selection = EVERYTHING,
    dimension: Dimension | None = None,
) -> dict[str, Aided]:  # fmt: skip
    """By value of the dimension; '' without one. Values of which minute counts know nothing are left out.

    Answers and labels count until `as_of`.
    """
    if as_of <= window.start:
        return {}
    window = Window(window.start, min(window.end, as_of))
    everything = all_confidences(connection, window, selection, dimension)
    if not everything:
        return {}
    labelled = labelled_confidences(connection, window, selection, dimension, as_of)
    known = past_meaning(connection, window, as_of, selection)
    guesses = CONFIDENCE_MIDDLES if known is None else known.of(CONFIDENCE_MIDDLES)
    return {
        value: Aided(_powered(labelled.get(value), counts, guesses), estimated(counts, known), _confident(counts))
        for value, counts in everything.items()
    }


def past_meaning(connection: Connection, window: Window, as_of: datetime, selection: Selection) -> Meaning | None:
    """What confidences meant in the four weeks before the window; None with fewer than `MIN_PAST` labels."""
    before = Window.before(window.start, LEARNED_FROM)
    past = labelled_confidences(connection, before, selection, None, as_of).get("")
    if past is None:
        return None
    used = past.bin != MISSING
    if used.sum() < MIN_PAST:
        return None
    return meaning(CONFIDENCE_MIDDLES[past.bin[used]], past.correct[used], past.probability[used])


def estimated(counts: Counts, known: Meaning | None) -> EstimatedAccuracy | None:
    """Of answers by bin of confidence [`MISSING` + 1]; of those that have one."""
    with_confidence = counts[:MISSING]
    if known is None or not with_confidence.sum():
        return None
    return estimate_accuracy(CONFIDENCE_MIDDLES, known, with_confidence)


def _confident(counts: Counts) -> float:
    """Share of the answers that have a confidence; 0 of none."""
    return float(counts[:MISSING].sum() / max(counts.sum(), 1))


def _powered(
    labelled: LabelledConfidences | None, counts: Counts, guesses: NDArray[np.float64]
) -> PredictionPowered | None:
    with_confidence = counts[:MISSING].sum()
    if labelled is None or labelled.bin.size < ppi.MIN_LABELS or not with_confidence:
        return None
    # Any constant is a fair guess for an answer without a confidence; the mean of the others costs least.
    of_bin = np.append(guesses, counts[:MISSING] @ guesses / with_confidence)
    if counts.sum() < labelled.bin.size:
        return None  # minute counts were taken away before the labels
    return prediction_powered_among(
        labelled.correct, of_bin[labelled.bin], Guesses.of(of_bin, counts), labelled.probability
    )
