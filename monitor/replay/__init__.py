"""Logs of other systems, read from files row by row. No Kafka, no database."""

from monitor.replay.readers import BadRow, count_rows, read_rows

__all__ = ["BadRow", "count_rows", "read_rows"]
