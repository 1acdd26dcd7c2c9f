"""Seldon Core 2: what each model and each pipeline is asked and answers, as its pipelines pass it on through Kafka.

Seldon Core, `scheduler/pkg/kafka` and `scheduler/data-flow` (https://github.com/SeldonIO/seldon-core/tree/v2/scheduler).
The name of a topic tells whose records are in it and which side of the calls; values are messages of the Open Inference
Protocol in Protocol Buffers, also behind the mark of Confluent's schema registry, or its JSON. All records of a request
have one key, whatever the model: its name and the pipeline's make the id of a call. A record has no time of its own:
Kafka's counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from monitor.domain.events import Rejection
from monitor.domain.halves import Half, Side
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.headers import headers_of, trace_id_of
from monitor.formats.limits import storable
from monitor.formats.moments import record_time
from monitor.formats.options import FormatOptions
from monitor.formats.payloads import infer_messages
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.infer_messages import read_message, refusing_wire
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields, over, with_ids
from monitor.formats.slices import SUBJECT, named, slices_of

SIDES: Final[Mapping[str, Side]] = {"inputs": "request", "outputs": "response"}
_TOPIC: Final = re.compile(r"(?:.+\.)?([^.]+)\.(model|pipeline)\.([^.]+)\.(inputs|outputs)")
_ERRORS: Final = re.compile(r"(?:.+\.)?([^.]+)\.errors\.(?:errors|outputs)")
_OWN: Final = "seldon."
"""How topics begin where no other prefix is configured."""
_FAILED: Final = "seldon-pipeline-errors"
"""Header of what went wrong: the model that failed, as value."""
_ID, _PIPELINE, _PIPELINE_VERSION = "x-request-id", "pipeline", "x-pipeline-version"
_PARTS: Final = f"{_ID} (or the key), pipeline and model together"
_GRPC_CODE: Final = re.compile(r"code = (\w+)")
_REGISTERED = 0
"""First byte of a value in the form of the schema registry, and of no message: there is no field 0."""
_SCHEMA = 5
"""That byte, and the number of the schema."""
_INDEXES: Final = {0: 1, 2: 2, 4: 3}
"""The first byte of the place of a message in its schema, which no message begins with -> bytes of all of it."""
_to_any = msgspec.json.Decoder().decode


class Place(NamedTuple):
    """What the name of a topic says."""

    namespace: str
    kind: str
    """`model`, `pipeline` or `errors`."""
    name: str
    """Of the model or pipeline."""
    side: Side


class Call(NamedTuple):
    """Whose record it is."""

    id: str
    place: Place
    pipeline: str
    headers: Mapping[str, str]


def recognises(record: Record) -> bool:
    """A record of a topic of Seldon's. Where the prefix of its name is not the usual one, what looks like JSON is left
    to others: they may call their topics alike."""
    topic = record.partition.topic
    if place_of(topic) is None:
        return False
    return topic.startswith(_OWN) or _has_failed(record) or record.value[:1] not in (b"{", b"[")


def decoder(options: FormatOptions) -> Decoder:
    """Halves of calls. Uses `task`, `slices` and `subject` (record headers), and `fields`.

    Raises:
        SettingsError: `fields` names what there is not.
    """
    roles = Roles(options.fields)

    def decode(record: Record) -> list[Decoded]:
        call = _call(record)
        read = _read(record, call, roles, options)
        base = _base(call, read, options)
        if call.place.side == "request" and options.subject:
            read.rows = named(read.rows, slices_of({SUBJECT: options.subject}, call.headers))
        rows = [over(base, row) for row in read.rows]
        ts = record_time(record, "ts")
        identified = with_ids(
            call.id, rows, f"key, {_ID} and the names of pipeline and model", options.max_record_bytes
        )
        return [Half(pair_id, call.place.side, ts, row) for pair_id, row in identified]

    return decode


@lru_cache(maxsize=4096)
def place_of(topic: str) -> Place | None:
    """Whose records are in a topic of this name; None where it is none of Seldon's.

    >>> place_of("seldon.default.model.vqa.inputs")
    Place(namespace='default', kind='model', name='vqa', side='request')
    """
    if found := _TOPIC.fullmatch(topic):
        namespace, kind, name, side = found.groups()
        return Place(namespace, kind, name, SIDES[side])
    if found := _ERRORS.fullmatch(topic):
        return Place(found[1], "errors", "", "response")
    return None


def _call(record: Record) -> Call:
    """
    Raises:
        InvalidEvent: the topic does not tell the side, or nothing names the model that failed or the request.
    """
    place = place_of(record.partition.topic)
    if place is None:
        raise InvalidEvent(
            Rejection.INVALID,
            f"topic {record.partition.topic[:128]!r}: its name does not end as those of Seldon Core 2 do "
            "(NAMESPACE.model.NAME.inputs, .outputs, or pipeline in place of model), so that nothing tells requests "
            "from responses: read Seldon's own topics",
        )
    headers = {name: storable(text) for name, text in headers_of(record).items()}
    if place.kind == "errors":
        if not (failed := headers.get(_FAILED)):
            raise InvalidEvent(Rejection.INVALID, f"{_FAILED}: no such header names the model that failed")
        place = place._replace(kind="model", name=failed)
    request = headers.get(_ID) or storable((record.key or b"").decode("utf-8", "replace"))
    if not request:
        raise InvalidEvent(Rejection.INVALID, f"{_ID}: neither this header nor a key says which request it is")
    pipeline = headers.get(_PIPELINE, "") if place.kind == "model" else ""
    parts = (request, pipeline if pipeline != place.name else "", place.name)
    return Call("/".join(filter(None, parts)), place, pipeline, headers)


def _read(record: Record, call: Call, roles: Roles, options: FormatOptions) -> Read:
    """What the value says, with the version of the model that said it."""
    value, side = record.value, call.place.side
    if _has_failed(record):
        return Read([_failure(value)])
    if value[:1] in (b"{", b"["):
        if side == "request":
            return read_request(value, roles, options.max_record_bytes)
        read = read_response(value, roles, options.max_record_bytes, call.place.name)
        read.version = _version(call, read.model, read.version)
        return read
    message = read_message(_without_schema(value), side)
    if side == "request":
        return infer_messages.asked(message, roles)
    message.version = _version(call, message.model, message.version)
    return infer_messages.said(message, roles, call.place.name)


def _base(call: Call, read: Read, options: FormatOptions) -> Fields:
    model: Fields = {"name": call.place.name}
    if version := read.version or _version(call, "", ""):
        model["version"] = version
    base: Fields = {"model": model}
    if slices := slices_of(options.slices, call.headers):
        base["slices"] = slices
    if call.place.side == "request":
        base["task"] = options.task
        base["extra"] = {"namespace": call.place.namespace}
        if call.pipeline:
            base["extra"]["pipeline"] = call.pipeline
        if parent := call.headers.get("traceparent"):
            base["trace_id"] = trace_id_of(parent)
    return base


def _version(call: Call, model: str, version: str) -> str:
    """Servers know a model by its name and generation, `vqa_3`, and call every version 1; of an experiment it may be
    another model that answers."""
    if call.place.kind == "pipeline":
        return call.headers.get(_PIPELINE_VERSION, "")
    if model and model != call.place.name:
        return model.removeprefix(f"{call.place.name}_") or version
    return version


def _has_failed(record: Record) -> bool:
    return any(name == _FAILED for name, _ in record.headers)


def _failure(value: bytes) -> Fields:
    """The words of gRPC's error, or the body that a server sent back."""
    text = storable(value.decode("utf-8", "replace"))
    body: Any = None
    if text.startswith("{"):
        try:
            body = _to_any(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None  # cut off: its words are kept
    if isinstance(body, dict) and body.get("error") is not None:
        return from_error(body["error"])
    code = _GRPC_CODE.search(text)
    return from_error({"message": text, "type": code[1] if code else None})


@refusing_wire
def _without_schema(value: bytes) -> bytes:
    """The message behind what the schema registry's serializers put ahead of it (Confluent Platform, "Wire Format")."""
    if not value or value[0] != _REGISTERED:
        return value
    if len(value) < _SCHEMA:
        raise IndexError
    return value[_SCHEMA + _INDEXES.get(value[_SCHEMA], 0) :] if len(value) > _SCHEMA else b""
