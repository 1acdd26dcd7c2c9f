"""Label accuracy: of the sampled predictions that were labelled, the share that was correct."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.sli.series import LabelEvents, LabelOutcomes


@dataclass(frozen=True, slots=True)
class LabelAccuracy:
    """good = labelled correct; bad = labelled incorrect; unlabelled and unsure predictions are no events.

    Only predictions that the sampler drew count (the store leaves out labels that came from complaints): otherwise the
    share would say who complains, not how often the model errs. Every label counts once, whatever its inclusion
    probability, so the bound behind a page is exact only where that probability is the same for all.
    """

    series: str = "sampled_labels"
    good: tuple[str, str] | None = ("verdict", "correct")
    bad: tuple[str, str] | None = ("verdict", "incorrect")
    thresholds: tuple[float, ...] = ()
    sampled: bool = True
    sliced: bool = True

    def count(self, rows: LabelOutcomes, threshold: float | None = None) -> LabelEvents:
        """Each labelled prediction as bad or good, with the moment from which that is known."""
        return LabelEvents(rows.predicted_at, rows.labelled_at, ~rows.correct)
