"""Label accuracy: of the sampled predictions that were labelled, the share that was correct."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.sli.series import TRAFFIC, LabelEvents, LabelOutcomes


@dataclass(frozen=True, slots=True)
class LabelAccuracy:
    """good = labelled correct; bad = labelled incorrect; unlabelled and unsure predictions are no events.

    Only predictions that the sampler drew count (the store leaves out labels that came from complaints): otherwise the
    share would say who complains, not how often the model errs. And of those, only the ones that it draws at its base
    rate, which is the same for all: answers that are drawn more often, because the model was unsure or their slice is
    rare, would show it worse than it is. So counts stay whole numbers, and the bound behind a page exact. Where base
    rates change within a window, those count that would have been drawn at the lowest of them too
    (`monitor.slo.counts.KnownLabels`), or the times of a high rate would outweigh the others.
    """

    series: str = "sampled_labels"
    good: tuple[str, str] | None = ("verdict", "correct")
    bad: tuple[str, str] | None = ("verdict", "incorrect")
    thresholds: tuple[float, ...] = ()
    sampled: bool = True
    sliced: bool = True
    selectable: tuple[str, ...] = TRAFFIC

    def count(self, rows: LabelOutcomes, threshold: float | None = None) -> LabelEvents:
        """Each labelled prediction as bad or good, with the moment from which that is known."""
        return LabelEvents(rows.predicted_at, rows.labelled_at, ~rows.correct, rows.coin, rows.rate)
