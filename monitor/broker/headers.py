"""Read records whose header names are no UTF-8.

Kafka does not check them and other clients write any bytes, but kafka-python 3.0.12 then refuses the whole batch of
records, again and again: nothing after it would ever be read. What cannot be decoded is written out as `\\xff`.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

from kafka.record.default_records import DefaultRecordBatch

_read_strictly = DefaultRecordBatch._read_msg


class _Lenient(bytes):
    """Bytes whose parts decode whatever they hold."""

    def __getitem__(self, part: SupportsIndex | slice) -> Any:
        found = super().__getitem__(part)
        return _Lenient(found) if isinstance(found, bytes) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


def _read(batch: Any) -> Any:
    """One record; the position moves only once it was read, so that it can be read a second time."""
    try:
        return _read_strictly(batch)
    except UnicodeDecodeError:
        batch._buffer = _Lenient(batch._buffer)
        return _read_strictly(batch)


def read_any_header_names() -> None:
    """Make Kafka's client read such records, in this process."""
    DefaultRecordBatch._read_msg = _read
