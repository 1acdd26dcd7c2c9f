"""KServe's agent logger: two CloudEvents per call with one id, of the request's body and of the response's.

KServe, `pkg/logger` (https://github.com/kserve/kserve/tree/master/pkg/logger). The agent posts binary CloudEvents;
what lies between it and Kafka (Knative's broker, KafkaSink) may make them structured. Both carry the metadata and
the content type of the request. A response is logged only where it was HTTP 200.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from monitor.domain.events import Rejection
from monitor.domain.halves import Half, Side
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.cloudevents import CloudEvent, cloud_events
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.headers import has_prefix, trace_id_of
from monitor.formats.moments import moment, record_time
from monitor.formats.options import FormatOptions
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import Read, refusing
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields, over, with_ids
from monitor.formats.slices import SUBJECT, named, slices_of, variant_of

SIDES: Final[Mapping[str, Side]] = {
    "org.kubeflow.serving.inference.request": "request",
    "org.kubeflow.serving.inference.response": "response",
}
_PREFIX = b"org.kubeflow.serving."
_QUOTED_PREFIX = b'"' + _PREFIX
_TYPE_HEADERS = ("ce_type", "ce-type")
_KEPT = ("namespace", "component")
_COMMON = ("type", "inferenceservicename", "endpoint", *_KEPT)
_RAW = re.compile(r'"inference-header-content-length"\s*:\s*\["0"\]', re.IGNORECASE)
_GRPC = "application/grpc"
_REMEMBERED, _SHORT = 1024, 512
"""So many metadata, and so many attributes that events have in common, of so many bytes at most."""
SlicesIn = Callable[[CloudEvent], dict[str, str]]


class Logged(NamedTuple):
    """What is looked up in the HTTP headers that were logged."""

    slices: SlicesIn
    subject: SlicesIn


class Common(NamedTuple):
    """What the events of one side of a service's calls have in common. Halves share `extra`: nobody changes it."""

    side: Side | None
    """None: of another type, an explainer's say."""
    name: str
    variant: str
    extra: Fields
    """Goes with the request; the event of the response repeats it."""


_to_object = msgspec.json.Decoder(dict[str, Any]).decode
_commons: dict[tuple[bytes | None, ...], Common] = {}


def recognises(record: Record) -> bool:
    """A CloudEvent of KServe's types, in binary or structured mode; also of those that are passed over."""
    if has_prefix(record, _TYPE_HEADERS, (_PREFIX,)):
        return True
    return b'"specversion"' in record.value and _QUOTED_PREFIX in record.value


def decoder(options: FormatOptions) -> Decoder:
    """Halves of calls. Uses `task`, `model` (where `inferenceservicename` is missing), `slices`, `subject` and
    `fields`.

    Raises:
        SettingsError: `fields` names what there is not.
    """
    roles = Roles(options.fields)
    logged = Logged(_slices_in(options.slices), _slices_in({SUBJECT: options.subject} if options.subject else {}))

    def decode(record: Record) -> list[Decoded]:
        events = cloud_events(record)
        if len(events) == 1:
            return _halves(events[0], record, roles, logged, options)
        return [half for event in events for half in _halves(event, record, roles, logged, options)]

    return decode


def _halves(event: CloudEvent, record: Record, roles: Roles, logged: Logged, options: FormatOptions) -> list[Decoded]:
    """One half for each item of the call; nothing for events of other types."""
    side, name, variant, extra = _common(event)
    if side is None:
        return []
    name = name or options.model or ""
    if side == "request":
        read = _asked(event, roles, options.max_record_bytes)
        base = _envelope(event, extra)
        base["task"] = options.task
        if options.slices and (slices := _slices(options.slices, read, logged.slices(event))):
            base["slices"] = slices
        if options.subject:
            read.rows = named(read.rows, logged.subject(event))
    else:
        read = _said(event, roles, options.max_record_bytes, name)
        base = {}
    time = event["time"]
    ts = moment(time, "ce_time") if time else record_time(record, "ce_time")
    base["model"] = _model(name, variant, read)
    rows = [over(base, row) for row in read.rows]
    identified = with_ids(event["id"], rows, "ce_id", options.max_record_bytes)
    return [Half(pair_id, side, ts, row) for pair_id, row in identified]


def _common(event: CloudEvent) -> Common:
    """A topic's events come from few services: what their attributes say is remembered."""
    said = tuple(map(event.attributes.get, _COMMON))
    known = _commons.get(said)
    if known is None:
        known = _read_common(event)
        if sum(len(one or b"") for one in said) <= _SHORT:
            if len(_commons) >= _REMEMBERED:
                _commons.clear()
            _commons[said] = known
    return known


def _read_common(event: CloudEvent) -> Common:
    side = SIDES.get(event["type"])
    if side is None:
        return Common(None, "", "", {})
    kept = _KEPT if side == "request" else ()
    extra = {key: text for key in kept if (text := event[key])}
    return Common(side, event["inferenceservicename"], variant_of(event["endpoint"]), extra)


def _asked(event: CloudEvent, roles: Roles, max_bytes: int) -> Read:
    """Of Triton's raw binary requests, whose JSON is 0 bytes long, only texts can be told; numbers say nothing."""
    try:
        return read_request(event.data, roles, max_bytes)
    except InvalidEvent as error:
        if error.reason is Rejection.UNREADABLE and _RAW.search(event["metadata"]):
            return Read([{"input": {}}])
        raise


def _said(event: CloudEvent, roles: Roles, max_bytes: int, name: str) -> Read:
    """A call of gRPC that failed is HTTP 200 without a body: its status is in the trailer, which nobody logs."""
    if not event.data and event.content_type.startswith(_GRPC):
        return Read([from_error("gRPC answered without a message, as it does where a call failed")])
    return read_response(event.data, roles, max_bytes, name)


def _model(name: str, variant: str, read: Read) -> Fields:
    """The served model's own name and version tell apart what one service serves in turn."""
    model: Fields = {"name": name or read.model, "variant": variant}
    if version := read.version or (read.model if read.model != name else ""):
        model["version"] = version
    return model


def _envelope(event: CloudEvent, extra: Fields) -> Fields:
    """What goes with the request."""
    fields: Fields = {"extra": extra} if extra else {}
    if parent := event["traceparent"]:
        fields["trace_id"] = trace_id_of(parent)
    return fields


def _slices(wanted: Mapping[str, str], read: Read, in_headers: dict[str, str]) -> dict[str, str]:
    """Headers come before what the body says."""
    return slices_of(wanted, read.metadata) | in_headers if read.metadata else in_headers


def _slices_in(wanted: Mapping[str, str]) -> SlicesIn:
    """Looks slices up in the HTTP headers of the request that KServe was told to log: name -> list of values.

    Many calls say the same: what short ones say is remembered.
    """

    @refusing("ce_metadata")
    def read(metadata: str) -> dict[str, str]:
        return slices_of(wanted, _to_object(metadata))

    remembered = lru_cache(maxsize=_REMEMBERED)(read)

    def slices_in(event: CloudEvent) -> dict[str, str]:
        metadata = event["metadata"]
        if not metadata:
            return {}
        return remembered(metadata) if len(metadata) <= _SHORT else read(metadata)

    return slices_in
