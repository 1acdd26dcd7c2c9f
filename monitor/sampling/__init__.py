"""Which prediction is embedded or labelled, and with which probability."""

from monitor.sampling.hashing import selected, uniform

__all__ = ["selected", "uniform"]
