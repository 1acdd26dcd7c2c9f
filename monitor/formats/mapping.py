"""Any log in JSON, by a mapping file that says which of its fields are ours (docs/replay.md, "The mapping file")."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from monitor.domain.events import Event, Rejection
from monitor.domain.records import Record
from monitor.domain.window import EPOCH
from monitor.errors import InvalidEvent, SettingsError
from monitor.formats.decoder import Decoder
from monitor.formats.headers import headers_of
from monitor.formats.limits import refuse_nul
from monitor.formats.options import FormatOptions
from monitor.mapping import Row
from monitor.mapping.expressions import RowFault


def decoder(options: FormatOptions) -> Decoder:
    """Uses `mapping`, which says everything else.

    Raises:
        SettingsError: there is none, or it makes up times, which live records do not need.
    """
    mapping = options.mapping
    if mapping is None:
        raise SettingsError("the format mapping needs a mapping file: name it as `mapping`")
    if mapping.synthesis is not None:
        raise SettingsError("prediction.ts: synthesize is for files without times; records have one, $timestamp")

    def decode(record: Record) -> Sequence[Event]:
        row = Row(record.offset, _values(record.value), headers_of(record), _timestamp(record))
        try:
            return mapping.events(row)
        except RowFault as fault:
            raise InvalidEvent(Rejection.INVALID, str(fault)) from None

    return decode


def _values(raw: bytes) -> dict[str, object]:
    refuse_nul(raw)
    try:
        values = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(Rejection.UNREADABLE, f"not a JSON record: {error}") from None
    if not isinstance(values, dict):
        raise InvalidEvent(Rejection.UNREADABLE, f"a JSON object was expected, not {type(values).__name__}")
    return values


def _timestamp(record: Record) -> datetime | None:
    return EPOCH + timedelta(milliseconds=record.timestamp_ms) if record.timestamp_ms >= 0 else None
