"""Logs of other systems: read from files, and mapped onto the wire contract by a document. No Kafka, no database."""

from monitor.replay.mapping import Mapping, load_mapping
from monitor.replay.readers import BadRow, Row, count_rows, read_rows
from monitor.replay.times import RowTimes

__all__ = ["BadRow", "Mapping", "Row", "RowTimes", "count_rows", "load_mapping", "read_rows"]
