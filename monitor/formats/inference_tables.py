"""Rows of Databricks' inference tables: both bodies of a call as columns of text, and columns that say how it went.

Databricks, "Monitor served models using AI Gateway-enabled inference tables"
(https://docs.databricks.com/aws/en/ai-gateway/inference-tables-serving-endpoints), and the older "Inference tables for
monitoring and debugging models", of which two columns are called otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.formats.calls import Call, Envelope, from_envelope


class InferenceRow(Envelope, gc=False):
    client_request_id: Any = None
    request_time: str | float | None = None
    timestamp_ms: float | None = None
    execution_duration_ms: float | None = None
    execution_time_ms: float | None = None
    requester: Any = None


_to_row = msgspec.json.Decoder(InferenceRow).decode


def from_row(value: bytes) -> Call:
    """The call of a row. Its id is the one that the caller gave, if any; whose data it is, unless the request says so,
    who made the request.

    Raises:
        InvalidEvent: its time is no time.
        msgspec.DecodeError: a column is of another type.
    """
    row = _to_row(value)
    row.id = row.client_request_id or row.databricks_request_id
    row.ts = row.request_time or row.timestamp_ms
    row.latency_ms = row.execution_duration_ms if row.execution_duration_ms is not None else row.execution_time_ms
    row.user = row.requester
    return from_envelope(row, {})
