"""The wire contract: what a serving system writes to Kafka. See docs/events.md.

Structs refuse unknown fields so that the fast path is one pass; `decode` keeps what is unknown in `extra`.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
import numpy as np
from msgspec import Meta, Struct, field

from monitor.errors import InvalidEvent

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone; the time of the event itself")]
Share = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Extra = dict[str, Any]

Variant = Literal["stable", "canary", "shadow"]
Status = Literal["ok", "error", "timeout", "rejected"]
EmbeddingKind = Literal["image", "prompt", "answer"]


class Rejection(StrEnum):
    """Why a record became a dead letter; stable names, counted per reason."""

    UNREADABLE = "unreadable"
    """Not JSON, not UTF-8, or empty."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """No `schema` field, or one that this version does not know."""
    INVALID = "invalid"
    """JSON of a known schema, but a field is missing, of the wrong type or out of range."""
    OVERSIZED = "oversized"
    FUTURE_DATED = "future_dated"
    TOO_OLD = "too_old"
    CONTRADICTORY = "contradictory"
    """The request_id is known with other content; the first one stands."""
    UNSTORABLE = "unstorable"
    """PostgreSQL refused the values, e.g. a NUL character inside a text."""


class _Event(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Common behaviour of all structs of the contract."""


class Model(_Event):
    name: Name
    version: Annotated[str, Meta(max_length=128)] = ""
    variant: Variant = "stable"


class Image(_Event):
    ref: Annotated[str, Meta(max_length=4096)] | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    width: Count | None = None
    height: Count | None = None
    bytes: Count | None = None


class Input(_Event):
    image: Image | None = None
    prompt: str | None = None
    prompt_template: Annotated[str, Meta(max_length=256)] | None = None
    context: str | None = None


class Candidate(_Event):
    answer: str
    score: float


class Safety(_Event):
    flagged: bool = False
    categories: tuple[str, ...] = ()


class Output(_Event):
    answer: str | None = None
    candidates: tuple[Candidate, ...] = ()
    confidence: Share | None = None
    refused: bool = False
    safety: Safety | None = None


class Tokens(_Event):
    input: Count | None = field(default=None, name="in")
    output: Count | None = field(default=None, name="out")
    image: Count | None = None


class Embedding(_Event):
    """A vector made by the serving system. `data` is base64 of little-endian floats in JSON, bytes in Python."""

    kind: EmbeddingKind
    embedder: Annotated[str, Meta(min_length=1, max_length=256, description="fingerprint of the encoder")]
    dtype: Literal["f2", "f4"]
    data: bytes

    def vector(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The vector as float32 [d].

        Raises:
            InvalidEvent: empty, of a broken length, not finite, all zeros, or beyond half precision.
        """
        dtype = np.dtype("<" + self.dtype)
        if not self.data or len(self.data) % dtype.itemsize:
            raise InvalidEvent(
                Rejection.INVALID, f"{self.kind} embedding: {len(self.data)} bytes are not whole {self.dtype} numbers"
            )
        vector = np.frombuffer(self.data, dtype).astype(np.float32)
        norm = float(np.dot(vector, vector))
        if not math.isfinite(norm) or norm == 0.0 or float(np.abs(vector).max()) > HALF_MAX:
            raise InvalidEvent(
                Rejection.INVALID, f"{self.kind} embedding: values must be finite, not all zero, below {HALF_MAX:.0f}"
            )
        return vector


class Prediction(_Event, tag_field="schema", tag="prediction/v1"):
    """One answer of the model, or its failure to answer."""

    request_id: Name
    ts: Timestamp
    model: Model
    task: Name
    status: Status
    input: Input = Input()
    output: Output = Output()
    error_code: Annotated[str, Meta(max_length=128)] | None = None
    latency_ms: NonNegative | None = None
    cost_usd: NonNegative | None = None
    tokens: Tokens | None = None
    slices: dict[Name, Annotated[str, Meta(max_length=256)]] = {}
    preprocess_version: Annotated[str, Meta(max_length=128)] | None = None
    trace_id: Annotated[str, Meta(max_length=128)] | None = None
    embeddings: tuple[Embedding, ...] = ()
    extra: Extra = {}


class Annotator(_Event):
    id: Name
    kind: Literal["human", "llm", "code", "user"]


class Label(_Event, tag_field="schema", tag="label/v1"):
    """What somebody says of one answer. May arrive before its prediction."""

    request_id: Name
    ts: Timestamp
    annotator: Annotator
    verdict: Literal["correct", "incorrect", "unsure"] | None = None
    answers: tuple[str, ...] = ()
    rating: Annotated[float, Meta(ge=0, le=100)] | None = None
    safety_violation: bool | None = None
    correction: str | None = None
    comment: str | None = None
    extra: Extra = {}


class Deployment(_Event, tag_field="schema", tag="deployment/v1"):
    """A change of what is served: the first thing that an on-call engineer asks for."""

    model: Name
    version: Name
    ts: Timestamp
    action: Literal["rollout", "rollback", "config"]
    variant: Variant = "stable"
    traffic_share: Share | None = None
    note: str | None = None
    extra: Extra = {}


Event = Prediction | Label | Deployment
SCHEMAS: dict[str, type[Event]] = {
    "prediction/v1": Prediction,
    "label/v1": Label,
    "deployment/v1": Deployment,
}

HALF_MAX = 65504.0
_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder(order="deterministic")
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def decode(raw: bytes) -> Event:
    """Read one native record.

    Raises:
        InvalidEvent: with the `Rejection` that applies and a message naming the field.
    """
    if b"\\u0000" in raw and _ESCAPED_NUL.search(raw):
        raise InvalidEvent(Rejection.UNSTORABLE, "a text holds the NUL character, which PostgreSQL cannot store")
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        if "unknown field" in str(error):
            return _decode_with_extra(raw)
        raise _invalid(raw, error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def encode(event: Event) -> bytes:
    """The canonical bytes of an event: equal content, equal bytes."""
    return _encoder.encode(event)


def content_hash(event: Event) -> bytes:
    """16 bytes that differ when any field of the event differs, however the JSON was written."""
    return blake2b(_encoder.encode(event), digest_size=16).digest()


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of all events (docs/schemas/events.json).

    Extra fields are allowed there, because `decode` keeps them.
    """
    schema: dict[str, Any] = msgspec.json.schema(Event)
    for definition in schema.get("$defs", {}).values():
        definition.pop("additionalProperties", None) if definition.get("additionalProperties") is False else None
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Snellen events", **schema}


def _decode_with_extra(raw: bytes) -> Event:
    """The slow path: move what the contract does not know into `extra`, keyed by its dotted path."""
    record = _parse(raw)
    kind = SCHEMAS[record["schema"]]
    extra: Extra = {}
    known = _keep_known(record, kind, "", extra)
    known["schema"] = record["schema"]
    given = known.get("extra")
    if extra and isinstance(given, dict | None):
        known["extra"] = {**(given or {}), **extra}
    try:
        return msgspec.convert(known, Event, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(raw, error) from None


def _keep_known(value: dict[str, Any], kind: type[Struct], path: str, extra: Extra) -> dict[str, Any]:
    kinds = _fields(kind)
    known: dict[str, Any] = {}
    for key, item in value.items():
        if key in kinds:
            known[key] = _descend(item, kinds[key], f"{path}{key}", extra)
        elif path or key != "schema":
            extra[f"{path}{key}"] = item
    return known


def _descend(item: Any, kind: type[Struct] | None, path: str, extra: Extra) -> Any:
    if kind is None:
        return item
    if isinstance(item, dict):
        return _keep_known(item, kind, f"{path}.", extra)
    if isinstance(item, list):
        return [_descend(one, kind, f"{path}[{index}]", extra) for index, one in enumerate(item)]
    return item


@cache
def _fields(kind: type[Struct]) -> dict[str, type[Struct] | None]:
    """Wire name of each field -> the struct that it holds (directly, optionally or in a tuple), or None."""
    hints = get_type_hints(kind)
    return {
        info.encode_name: _struct_in(hints[info.name]) for info in msgspec.structs.fields(kind)
    }


def _struct_in(hint: Any) -> type[Struct] | None:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((found for arg in get_args(hint) if (found := _struct_in(arg)) is not None), None)


def _parse(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> InvalidEvent:
    return InvalidEvent(Rejection.UNREADABLE, f"not a JSON record: {error}")


def _invalid(raw: bytes, error: msgspec.ValidationError) -> InvalidEvent:
    """Tell an unknown schema from a bad field: the first is a question of versions, the second of the producer."""
    record = _parse(raw)
    if not isinstance(record, dict):
        return InvalidEvent(Rejection.UNREADABLE, f"a JSON object was expected, not {type(record).__name__}")
    schema = record.get("schema")
    if not isinstance(schema, str) or schema not in SCHEMAS:
        known = ", ".join(SCHEMAS)
        return InvalidEvent(Rejection.UNKNOWN_SCHEMA, f"schema is {schema!r}; this version reads {known}")
    return InvalidEvent(Rejection.INVALID, f"{schema}: {error}")
