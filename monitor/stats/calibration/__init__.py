"""Does the confidence mean what it says? Tables, errors and scores, each with an interval."""

from monitor.stats.calibration.corp import Decomposition, corp_decomposition
from monitor.stats.calibration.measured import Difference, Measured, difference
from monitor.stats.calibration.reliability import DEFAULT_BINS, ReliabilityBin, reliability_table
from monitor.stats.calibration.rows import MIN_ROWS
from monitor.stats.calibration.scores import brier_score
from monitor.stats.calibration.summary import MEASURES, Calibration, calibration

__all__ = [
    "DEFAULT_BINS", "MEASURES", "MIN_ROWS", "Calibration", "Decomposition", "Difference", "Measured", "ReliabilityBin",
    "brier_score", "calibration", "corp_decomposition", "difference", "reliability_table",
]  # fmt: skip
