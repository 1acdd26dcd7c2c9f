"""Logs that clouds keep of the calls of their models, each told by what only its records have."""

from __future__ import annotations

from msgspec import UNSET

from monitor.formats.bedrock_logs import BEDROCK, from_invocation
from monitor.formats.calls import Call, Envelope
from monitor.formats.inference_tables import from_row
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
    if log.captureData is not None:
        return from_capture(value)
    if log.logging_time is not None:
        return from_logged_row(value)
    if log.schemaType == BEDROCK:
        return from_invocation(value)
    return None
