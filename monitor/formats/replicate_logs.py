"""Replicate's predictions, as its API gives them and its webhooks send them: both sides of a call in one object.

Replicate documentation, "Predictions" (https://replicate.com/docs/topics/predictions). What goes in and comes out is up
to the model; language models give their answer in pieces. Cog, in which its models are packed, answers alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.calls import Call
from monitor.formats.moments import moment
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.images import looks_like_image
from monitor.formats.payloads.rows import Fields

STATES: Final = ("starting", "processing", "succeeded", "failed", "canceled", "aborted")


class Made(Struct, gc=False):
    """A prediction of theirs."""

    id: Any = None
    model: Any = None
    version: Any = None
    """A hash; behind it may stand the model, `owner/name:hash`."""
    input: Raw | UnsetType = UNSET
    output: Any = None
    error: Any = None
    status: Any = None
    created_at: Any = None
    completed_at: Any = None
    metrics: Any = None


_to_made = msgspec.json.Decoder(Made).decode
_encode = msgspec.json.Encoder().encode


def from_prediction(value: bytes) -> Call | None:
    """The call of a prediction; None where the object is none.

    Raises:
        InvalidEvent: it has not ended yet, its times are none, or it is pictures that were made.
        msgspec.DecodeError: it is no JSON.
    """
    made = _to_made(value)
    if made.status not in STATES or made.input is UNSET or not bytes(made.input).startswith(b"{"):
        return None
    if made.status in STATES[:2]:
        raise InvalidEvent(
            Rejection.INVALID, f"status: {made.status}, so there is no answer yet; log predictions that are completed"
        )
    failed = made.status != "succeeded"
    name, _, version = word(made.version).rpartition(":")
    asked, ended = _time(made.created_at, "created_at"), _time(made.completed_at, "completed_at")
    fields: Fields = {"tokens": _tokens(made.metrics)}
    if asked is not None and ended is not None:
        fields["latency_ms"] = max(0.0, (ended - asked).total_seconds() * 1000)
    return Call(
        word(made.id),
        asked,
        bytes(made.input),
        None if failed else _body(made.output),
        word(made.model) or name,
        _failure(made) if failed else None,
        fields,
        ({"version": version},),
        succeeded=not failed,
    )


def _time(given: Any, name: str) -> datetime | None:
    return moment(given, name) if isinstance(given, str) else None


def _failure(made: Made) -> Fields:
    return from_error({"message": made.error, "code": None if made.status == "failed" else made.status})


def _body(output: Any) -> bytes:
    """Pieces of a text are one text; an object goes by its names."""
    pieces = output if isinstance(output, list) else [output]
    if pieces and all(isinstance(one, str) for one in pieces):
        if looks_like_image(pieces[0]):
            raise InvalidEvent(
                Rejection.INVALID, "output: pictures that were made, of which nothing is measured: keep them apart"
            )
        return _encode({"generated_text": "".join(pieces)})
    return _encode({"predictions": [output]})


def _tokens(metrics: Any) -> Fields:
    counts = metrics if isinstance(metrics, dict) else {}
    named = {"in": counts.get("input_token_count"), "out": counts.get("output_token_count")}
    return {name: count for name, count in named.items() if type(count) is int}
