"""The wire contract: what a serving system writes to Kafka. See docs/events.md.

Structs refuse unknown fields so that reading is one fast pass; `monitor.formats.native` keeps those in `extra`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from monitor.domain.results import Judgement

MAX_NAME = 128
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone; the time of the event itself")]
Share = Annotated[float, Meta(ge=0, le=1)]
Measure = Annotated[float, Meta(ge=0, le=1e15)]
"""Bounded so that sums stay finite and single precision can hold it."""
Count = Annotated[int, Meta(ge=0, le=2**53)]
Extra = dict[str, Any]

Variant = Literal["stable", "canary", "shadow"]
Status = Literal["ok", "error", "timeout", "rejected"]
EmbeddingKind = Literal["image", "prompt", "answer"]


class Taken(StrEnum):
    """What became of a record that was not refused; stable names, counted beside the reasons of `Rejection`."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    HALF = "half"
    """One side of a call that is logged in two records; with the other it is one accepted prediction."""
    IGNORED = "ignored"
    """Says nothing about a prediction."""


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
    TOO_MANY_MODELS = "too_many_models"
    """Of one more model, version or task than are counted."""
    UNPAIRED = "unpaired"
    """One side of a call that is logged in two records; the other never came. Its raw bytes are what was read of it."""


class _Event(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Common behaviour of all structs of the contract."""


class Model(_Event, frozen=True):
    name: Name
    version: Annotated[str, Meta(max_length=128)] = ""
    variant: Variant = "stable"


class Image(_Event, frozen=True):
    ref: str | None = None
    """Where the picture lies, or the picture itself as a `data:` address; bounded by the size of the record."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    width: Count | None = None
    height: Count | None = None
    bytes: Count | None = None


class Input(_Event, frozen=True):
    image: Image | None = None
    prompt: str | None = None
    prompt_template: Annotated[str, Meta(max_length=256)] | None = None
    context: str | None = None


class Candidate(_Event, frozen=True):
    answer: str
    score: float


class Safety(_Event, frozen=True):
    flagged: bool = False
    categories: tuple[str, ...] = ()


class Output(_Event, frozen=True):
    answer: str | None = None
    candidates: tuple[Candidate, ...] = ()
    confidence: Share | None = None
    refused: bool = False
    safety: Safety | None = None


class Tokens(_Event, frozen=True):
    input: Count | None = field(default=None, name="in")
    output: Count | None = field(default=None, name="out")
    image: Count | None = None


class Embedding(_Event, frozen=True):
    """A vector made by the serving system. `data` is base64 of little-endian floats in JSON, bytes in Python."""

    kind: EmbeddingKind
    embedder: Annotated[str, Meta(min_length=1, max_length=256, description="fingerprint of the encoder")]
    dtype: Literal["f2", "f4"]
    data: bytes


class Prediction(_Event, frozen=True, tag_field="schema", tag="prediction/v1"):
    """One answer of the model, or its failure to answer."""

    request_id: Name
    ts: Timestamp
    model: Model
    task: Name
    status: Status
    input: Input = Input()
    output: Output = Output()
    error_code: Annotated[str, Meta(max_length=128)] | None = None
    latency_ms: Measure | None = None
    cost_usd: Measure | None = None
    tokens: Tokens | None = None
    slices: dict[Name, Annotated[str, Meta(max_length=256)]] = {}
    preprocess_version: Annotated[str, Meta(max_length=128)] | None = None
    trace_id: Annotated[str, Meta(max_length=128)] | None = None
    embeddings: tuple[Embedding, ...] = ()
    extra: Extra = {}


class Annotator(_Event, frozen=True):
    id: Name
    kind: Literal["human", "llm", "code", "user"]


class Label(_Event, frozen=True, tag_field="schema", tag="label/v1"):
    """What somebody says of one answer. May arrive before its prediction."""

    request_id: Name
    ts: Timestamp
    annotator: Annotator
    verdict: Judgement | None = None
    answers: tuple[str, ...] = ()
    rating: Annotated[float, Meta(ge=0, le=100)] | None = None
    safety_violation: bool | None = None
    adjudicates: bool = False
    """Settles a dispute between annotators: it decides, whatever they said."""
    correction: str | None = None
    comment: str | None = None
    extra: Extra = {}


class Deployment(_Event, frozen=True, tag_field="schema", tag="deployment/v1"):
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
MAX_DIMENSION = 16_000
"""What pgvector's halfvec can hold."""
_encoder = msgspec.json.Encoder(order="deterministic")


def encode(event: Event) -> bytes:
    """The canonical bytes of an event: equal content, equal bytes."""
    return _encoder.encode(event)


def content_hash(event: Event) -> bytes:
    """16 bytes that differ when any field of the event differs, however the JSON was written."""
    return blake2b(_encoder.encode(event), digest_size=16).digest()


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of all events (docs/schemas/events.json).

    Extra fields are allowed there, because the native format keeps them.
    """
    schema: dict[str, Any] = msgspec.json.schema(Event)
    for definition in schema.get("$defs", {}).values():
        definition.pop("additionalProperties", None) if definition.get("additionalProperties") is False else None
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Snellen events", **schema}
