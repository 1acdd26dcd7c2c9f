"""Which prediction is embedded or labelled, and with which probability."""

from monitor.sampling.hashing import selected, uniform
from monitor.sampling.stored_share import EVERYTHING, LABEL_KEY, StoredShare

__all__ = ["EVERYTHING", "LABEL_KEY", "StoredShare", "selected", "uniform"]
