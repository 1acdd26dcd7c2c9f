"""Slices nobody had named: where the model is worse than elsewhere, found on half of the labels, tried on the other."""

from monitor.discovery.discover import LEAST_LABELS, Discoveries, FoundSlice, discover
from monitor.discovery.labelled import Labelled, labelled

__all__ = ["LEAST_LABELS", "Discoveries", "FoundSlice", "Labelled", "discover", "labelled"]
