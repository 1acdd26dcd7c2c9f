"""The mapping language: a document that says how rows of some log become events of the wire contract."""

from monitor.mapping.mapping import Mapping, load_mapping
from monitor.mapping.row import Row
from monitor.mapping.times import RowTimes

__all__ = ["Mapping", "Row", "RowTimes", "load_mapping"]
