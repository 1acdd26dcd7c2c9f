"""One file per drift detector, all working on mergeable sketches."""

from __future__ import annotations

from typing import Final

from monitor.drift.cluster_occupancy import ClusterOccupancy
from monitor.drift.detector import Detector
from monitor.drift.leading_shift import LeadingShift
from monitor.drift.mean_shift import MeanShift
from monitor.drift.novelty import Novelty
from monitor.drift.random_features import RandomFeatures
from monitor.drift.residual_energy import ResidualEnergy
from monitor.drift.residual_projection import ResidualProjection
from monitor.drift.second_moments import SecondMoments
from monitor.drift.spread import Spread
from monitor.drift.tail_energy import TailEnergy

DETECTORS: Final[dict[str, Detector]] = {
    detector.name: detector
    for detector in (
        MeanShift(),
        LeadingShift(),
        ResidualEnergy(),
        ResidualProjection(),
        TailEnergy(),
        Novelty(),
        Spread(),
        SecondMoments(),
        RandomFeatures(),
        ClusterOccupancy(),
    )
}
"""Name -> detector. A new one is a file, a line here and a row in docs/drift.md; stored fits go on without it."""

__all__ = ["DETECTORS", "Detector"]
