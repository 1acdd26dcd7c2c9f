"""Rows of a Parquet file. Imported only where one is read: pyarrow takes 40 MB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import SettingsError

_ROWS = 2000


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """All rows in order.

    Raises:
        SettingsError: it is no Parquet.
        OSError: it cannot be opened.
    """
    with _readable(path), pq.ParquetFile(path, buffer_size=1024 * 1024, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            yield from _in_microseconds(batch).to_pylist()


def count(path: Path) -> int:
    """How many rows it has; errors as for `rows`."""
    with _readable(path):
        return int(pq.read_metadata(path).num_rows)


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's times end at microseconds; the digits beyond are cut."""
    fields = [
        field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise SettingsError(f"{path}: not readable as Parquet: {error}") from error
