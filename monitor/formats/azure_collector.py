"""Lines of Azure Machine Learning's data collector: what went into an endpoint or came out of it, as CloudEvents.

Azure Machine Learning, "Collect production data from models deployed for real-time inferencing"
(https://learn.microsoft.com/azure/machine-learning/how-to-collect-production-data). The last part of an event's type is
the name of its collection: `request` and `response` hold bodies, `model_inputs` and `model_outputs` the rows of a data
frame.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.calls import Call, body_of
from monitor.formats.moments import moment
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.rows import Fields

PREFIX: Final = "azureml.inference."
_OUT: Final = ("output", "response", "prediction")
_IN: Final = ("input", "request")
_DEPLOYMENT: Final = re.compile(r"/onlineEndpoints/([^/]+)/deployments/([^/]+)", re.IGNORECASE)


class Collected(Struct, gc=False):
    type: Any = None
    source: Any = None
    time: Any = None
    data: Raw | UnsetType = UNSET
    correlationid: Any = None
    """Of the call: the collector's own, or the one that the service gave it."""
    xrequestid: Any = None
    modelversion: Any = None
    datainblob: Any = None
    """The data are elsewhere, at the address that stands in their place."""


_to_collected = msgspec.json.Decoder(Collected).decode


def from_collected(value: bytes) -> Call | None:
    """Half a call; None where the event is of another type. Its times are whole seconds, so they tell no latency.

    Raises:
        InvalidEvent: its time is no time, or its collection is of neither side.
        msgspec.DecodeError: it is no JSON.
    """
    event = _to_collected(value)
    kind = word(event.type)
    if not kind.startswith(PREFIX):
        return None
    answered = _is_answer(kind.removeprefix(PREFIX))
    endpoint, deployment = _place(word(event.source))
    version = word(event.modelversion)
    fields: Fields = {"latency_ms": None} if answered else {}
    body = body_of(event.data)
    if str(event.datainblob).lower() == "true":
        fields["extra"] = {"output_body" if answered else "input_body": (body or b"").decode().strip('"')[:256]}
        body = None
    elif _holds_rows(kind) and body is not None:
        body = b'{"%b":%b}' % (b"predictions" if answered else b"instances", body)
    return Call(
        word(event.correlationid) or word(event.xrequestid),
        moment(event.time, "time") if isinstance(event.time, str) else None,
        None if answered else body or b"{}",
        body if answered else None,
        endpoint,
        {"status": "ok"} if answered and body is None else None,
        fields,
        ({"version": deployment if version in ("", "default") else version, "deployment": deployment},),
    )


def _is_answer(collection: str) -> bool:
    """
    Raises:
        InvalidEvent: its name says neither or both.
    """
    name = collection.lower()
    out, into = any(one in name for one in _OUT), any(one in name for one in _IN)
    if out == into:
        fault = f"type: collection {collection[:64]!r} is neither of inputs nor of outputs by its name"
        raise InvalidEvent(Rejection.INVALID, f"{fault} (model_inputs, model_outputs)")
    return out


def _holds_rows(kind: str) -> bool:
    return kind not in (f"{PREFIX}request", f"{PREFIX}response")


def _place(source: str) -> tuple[str, str]:
    """Endpoint and deployment."""
    found = _DEPLOYMENT.search(source)
    return (found[1], found[2]) if found else ("", "")
