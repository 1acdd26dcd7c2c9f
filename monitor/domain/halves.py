"""Calls whose request and response are logged apart, as two records that share an id.

Some of what the sides say may come in records of its own ahead of them: a prelude."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from monitor.domain.events import Prediction, Rejection
from monitor.domain.storable import NUL, has_nul
from monitor.errors import InvalidEvent

Side = Literal["request", "response", "prelude"]
DIGEST_BYTES = 8
_PRELUDE: Final = "#prelude"
"""Ends the pair_id of preludes: they wait beside a side of their call."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class Half(msgspec.Struct, frozen=True):
    """One side of a call."""

    pair_id: str
    """What both sides carry; becomes the request_id."""
    side: Side
    ts: datetime
    """When the request came in, or the response went out. Aware."""
    fields: dict[str, Any]
    """What this side knows of a `prediction/v1`, nested and named as in its JSON: plain values, no structs."""
    may_have_prelude: bool = False
    """Look whether one waits. No part of what the side says."""

    @property
    def call(self) -> str:
        """The pair_id of its sides, of a prelude too."""
        return call_of_pair(self.pair_id, self.side)


def call_of_pair(pair_id: str, side: str) -> str:
    """The call whose side, or prelude, waits under this pair_id."""
    return pair_id.removesuffix(_PRELUDE) if side == "prelude" else pair_id


def is_of_prelude(pair_id: str) -> bool:
    """Is it that of the preludes of a call?"""
    return pair_id.endswith(_PRELUDE)


def prelude_of(call: str) -> str:
    """The pair_id of the preludes of a call."""
    return call + _PRELUDE


def prelude(call: str, ts: datetime, fields: dict[str, Any]) -> Half:
    """What was said in a call before its response; `ts` is the time of the last of it."""
    return Half(prelude_of(call), "prelude", ts, fields)


def with_prelude(half: Half, said: Half) -> Half:
    """The side, or a later prelude, that says what a prelude does as well; what it says itself stands."""
    return msgspec.structs.replace(half, fields=_merged(said.fields, half.fields))


def demand_call_id(half: Half) -> None:
    """
    Raises:
        InvalidEvent: what waits of this call would wait in the place of another call's preludes.
    """
    if _PRELUDE in half.pair_id and is_of_prelude(half.call):  # hardly ever
        fault = f"call {half.call!r}: its id ends with {_PRELUDE!r}, by which Snellen knows what comes ahead of a call"
        raise InvalidEvent(Rejection.INVALID, f"{fault}; give it another id")


def digest(half: Half) -> bytes:
    """8 bytes that differ when anything of this side differs.

    Raises:
        InvalidEvent: a text holds the NUL character, which PostgreSQL cannot store.
    """
    encoded = _encode([half.side, half.ts, half.pair_id, half.fields])
    if has_nul(encoded):
        raise InvalidEvent(Rejection.UNSTORABLE, NUL)
    return blake2b(encoded, digest_size=DIGEST_BYTES).digest()


def join(request: Half, response: Half) -> Prediction:
    """The prediction of a call: its time is the request's, its latency what passed between the two.

    What both sides say is taken from the response, except for `model.name` and `task`, which the request chose.

    Raises:
        InvalidEvent: together they are no prediction of the wire contract.
    """
    fields = _merged(request.fields, response.fields)
    if "task" in request.fields:
        fields["task"] = request.fields["task"]
    model = request.fields.get("model")
    if isinstance(model, dict) and "name" in model and isinstance(fields["model"], dict):
        fields["model"]["name"] = model["name"]
    latency_ms = (response.ts - request.ts).total_seconds() * 1000
    if latency_ms >= 0:  # clocks of two hosts may disagree
        fields.setdefault("latency_ms", latency_ms)
    fields |= {"schema": "prediction/v1", "request_id": request.pair_id, "ts": request.ts}
    try:
        return msgspec.convert(fields, Prediction)
    except msgspec.ValidationError as error:
        raise InvalidEvent(Rejection.INVALID, f"request and response together: {error}") from None


def pair_hash(request_digest: bytes, response_digest: bytes) -> bytes:
    """The content hash of a joined prediction, by which each side alone is recognised when it comes again."""
    return request_digest + response_digest


def is_part_of(side: Side, digest: bytes, content_hash: bytes) -> bool:
    """Is the half with this digest one of the two that `pair_hash` was made of?"""
    first, second = content_hash[:DIGEST_BYTES], content_hash[DIGEST_BYTES:]
    return digest == (first if side == "request" else second)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = base | over
    for name in base.keys() & over.keys():
        below, above = base[name], over[name]
        if isinstance(below, dict) and isinstance(above, dict):
            merged[name] = _merged(below, above)
    return merged
