"""Logs that clouds keep of the calls of their models, each told by what only its records have."""

from __future__ import annotations

from msgspec import UNSET

from monitor.formats.azure_collector import from_collected
from monitor.formats.bedrock_logs import BEDROCK, from_invocation
from monitor.formats.calls import Call, Envelope
from monitor.formats.inference_tables import from_row
from monitor.formats.replicate_logs import from_prediction
from monitor.formats.sagemaker_captures import from_capture
from monitor.formats.vertex_logs import from_logged_row


def from_cloud(log: Envelope, value: bytes) -> Call | None:
    """The call of a record that a cloud wrote; None where nobody but a service or a gateway did.

    Args:
        log: the record as an envelope.
        value: the same, whole.

    Raises:
        InvalidEvent: its time is no time, or a body is in no form that is read.
        msgspec.DecodeError: a member is of another type.
    """
    if log.databricks_request_id is not None:
        return from_row(value)
    if log.request is not UNSET or log.response is not UNSET:  # mostly
        return None
    readers = (
        (log.captureData, from_capture),
        (log.logging_time, from_logged_row),
        (log.specversion, from_collected),
        (log.completed_at or log.urls, from_prediction),
    )
    for told, read in readers:
        if told is not None:
            return read(value)
    return from_invocation(value) if log.schemaType == BEDROCK else None
