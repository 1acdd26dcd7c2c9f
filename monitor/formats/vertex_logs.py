"""Rows of Vertex AI's request-response logging, as they come out of BigQuery.

Google Cloud, "Log requests and responses"
(https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/request-response-logging), of Gemini and Claude: the
columns `full_request` and `full_response`; and "Online prediction logging"
(https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging), of endpoints of one's own: only
`request_payload` and `response_payload`, a text for each instance.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.formats.calls import Call, body_of
from monitor.formats.chats import read_json
from monitor.formats.moments import moment
from monitor.formats.payloads.framing import word


class LoggedRow(Struct, gc=False):
    request_id: Any = None
    logging_time: str | float | None = None
    model: Any = None
    full_request: Raw | UnsetType = UNSET
    full_response: Raw | UnsetType = UNSET
    request_payload: list[str] | str | None = None
    response_payload: list[str] | str | None = None
    metadata: Any = None


_to_row = msgspec.json.Decoder(LoggedRow).decode


def from_logged_row(value: bytes) -> Call:
    """The call of a row; half of one where only one side is there.

    Raises:
        InvalidEvent: its time is no time.
        msgspec.DecodeError: a column is of another type.
    """
    row = _to_row(value)
    metadata = read_json(row.metadata)
    call = Call(
        word(row.request_id),
        moment(_plain(row.logging_time), "logging_time") if row.logging_time else None,
        body_of(row.full_request) or _body(row.request_payload, b"instances"),
        body_of(row.full_response) or _body(row.response_payload, b"predictions"),
        word(row.model).rpartition("/")[2],
    )
    match metadata:
        case {"request_latency": int() | float() as latency}:
            call.fields["latency_ms"] = latency
    return call


def _plain(time: str | float) -> str | float:
    """BigQuery writes the zone in words."""
    return time.removesuffix(" UTC") if isinstance(time, str) else time


def _body(payload: list[str] | str | None, name: bytes) -> bytes | None:
    """One text is the body, or all that it had of instances; several are its instances."""
    texts = [payload] if isinstance(payload, str) else payload
    if not texts:
        return None
    return texts[0].encode() if len(texts) == 1 else b'{"%b":[%b]}' % (name, ",".join(texts).encode())
