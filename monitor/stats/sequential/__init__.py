"""Comparisons that hold however often one looks: confidence sequences from e-processes."""

from monitor.stats.sequential.bounded_means import BoundedMeans
from monitor.stats.sequential.comparison import Comparison, Outcome, compare
from monitor.stats.sequential.distances import Distances
from monitor.stats.sequential.evidence import Evidence
from monitor.stats.sequential.two_proportions import TwoProportions

__all__ = ["BoundedMeans", "Comparison", "Distances", "Evidence", "Outcome", "TwoProportions", "compare"]
