"""Calls logged as one JSON object with both bodies, or each body in a record of its own; openai_chat and oip share it.

`{"id", "ts", "request": {...}, "response": {...}, "latency_ms", "status_code", "error", "model", "metadata", ...}`:
with only `request` or only `response` it is half a call, and so is a record that is nothing but a body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, Side
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.exchanges import exchange
from monitor.formats.headers import headers_of
from monitor.formats.moments import moment, record_time
from monitor.formats.options import FormatOptions
from monitor.formats.parts import HIDDEN, is_hidden
from monitor.formats.payloads.chat_request import user_of
from monitor.formats.payloads.failures import UNTOLD, from_error, from_status_code, told
from monitor.formats.payloads.framing import Read, refusing, word
from monitor.formats.payloads.pooling_apis import with_documents
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields, over, with_ids
from monitor.formats.payloads.values import short
from monitor.formats.slices import SUBJECT, named, slices_of, variant_of

_ID_HEADERS = ("x-request-id", "request-id", "requestid", "ce_id")
_to_text = msgspec.json.Decoder(str).decode


class Envelope(Struct, gc=False):
    """What stands around the bodies; all of it optional."""

    id: Any = None
    request_id: Any = None
    ts: str | float | None = None
    timestamp: str | float | None = None
    created: str | float | None = None
    request: Raw | UnsetType = UNSET
    response: Raw | UnsetType = UNSET
    latency_ms: float | None = None
    cost_usd: float | None = None
    status_code: Any = None
    error: Any = None
    model: Any = None
    metadata: Any = None
    trace_id: Any = None
    user: Any = None
    safety_identifier: Any = None
    databricks_request_id: Any = None
    """Of a row of an inference table, which says the rest under other names (`monitor.formats.cloud_logs`)."""
    captureData: Any = None
    """Of a line of SageMaker's data capture."""
    logging_time: Any = None
    """Of a row of Vertex AI's logging."""
    schemaType: Any = None
    """Of Bedrock's log of an invocation."""
    specversion: Any = None
    """Of an event of Azure's data collector."""
    completed_at: Any = None
    urls: Any = None
    """Both of a prediction of Replicate's."""
    done: Any = None
    """Of an answer of Ollama's, whose text is its `response`: nothing stands around it."""


@dataclass(slots=True)
class Call:
    """One call, or half of one, as its format found it."""

    id: str
    ts: datetime | None
    request: bytes | None
    response: bytes | None
    model: str = ""
    outcome: Fields | None = None
    """`status`, `error_code` and what else is known of a failure; None where only the response tells."""
    fields: Fields = field(default_factory=dict)
    """`latency_ms`, `cost_usd`, `tokens`, `trace_id`, `extra`."""
    metadata: Sequence[Mapping[str, Any]] = ()
    """Where slices are looked up, beside the request's own metadata."""
    succeeded: bool = False
    """So its status says; where it is not known, the response alone tells."""
    redacted: bool = False
    """Texts were hidden before the call was logged: what stands in their place is not taken for them."""


class Calls:
    """Turns calls into predictions or halves, by the options of one topic.

    Raises:
        SettingsError: `fields` names what there is not.
    """

    def __init__(self, options: FormatOptions) -> None:
        self._options = options
        self._roles = Roles(options.fields)

    def decoder(self, call_of: Callable[[Record], Call]) -> Decoder:
        """Of records that are each a call, or half of one."""
        return lambda record: self._decoded(call_of(record), record)

    def _decoded(self, call: Call, record: Record) -> list[Decoded]:
        """Predictions, one for each item of the call, or halves where one side is logged elsewhere.

        Raises:
            InvalidEvent: a body cannot be read, an id, time or model is missing, or the items of both do not match.
        """
        request, response = self._request(call), self._response(call)
        if request is not None and response is not None:
            return self._predictions(call, request, response, record)
        side: Side = "request" if request is not None else "response"
        read = request or response
        if read is None:
            raise InvalidEvent(Rejection.INVALID, "neither a request nor a response")
        fields = self._request_fields(call, read) if side == "request" else over(call.fields, _names(call, read))
        ts = _time(call, None, record)
        call_id = call.id or read.id
        rows = [over(fields, row) for row in read.rows]
        return [Half(one, side, ts, row) for one, row in self._with_ids(call, call_id, rows)]

    def _predictions(self, call: Call, request: Read, response: Read, record: Record) -> list[Decoded]:
        ts = _time(call, response, record)
        base = self._asked(call, request)
        base["model"] = self._model(call, request, response)
        if not base["model"]["name"]:
            raise InvalidEvent(Rejection.INVALID, "model: nothing names it; set `model` for the topic")
        if response.otherwise and len(response.otherwise) == len(request.rows):
            response.rows = list(response.otherwise)
        if request.is_guess and any("task" not in row for row in response.rows):
            request.rows = [{name: said for name, said in row.items() if name != "task"} for row in request.rows]
        if response.by_place and request.documents:
            response.rows = with_documents(response.rows, request.documents)
        rows = [over(base, asked, said) for asked, said in _matched(request, response)]
        call_id = call.id or request.id or response.id or response.answer_id
        return [_prediction(row, one, ts) for one, row in self._with_ids(call, call_id, rows)]

    def _with_ids(self, call: Call, call_id: str, rows: list[Fields]) -> list[tuple[str, Fields]]:
        shown = list(map(_shown, rows)) if call.redacted else rows
        return with_ids(call_id, shown, "id", self._options.max_record_bytes)

    def _request(self, call: Call) -> Read | None:
        if call.request is None:
            return None
        read = read_request(call.request, self._roles, self._options.max_record_bytes)
        if subject := self._options.subject:
            read.rows = named(read.rows, slices_of({SUBJECT: subject}, *call.metadata, read.metadata))
        return read

    def _response(self, call: Call) -> Read | None:
        failure = call.outcome
        if call.response is None:
            return Read([failure]) if failure else None
        name = call.model or self._options.model or ""
        read = read_response(call.response, self._roles, self._options.max_record_bytes, name)
        if failure and read.is_guess:
            read.rows = [over(told(row), failure) for row in read.rows]
        elif read.else_failed and not call.succeeded:
            read.rows = [read.else_failed]
        elif failure:
            read.rows = [over(failure, row, _settled(failure, row)) for row in read.rows]
        return read

    def _request_fields(self, call: Call, request: Read) -> Fields:
        fields = self._asked(call, request)
        if name := call.model or request.model or self._options.model:
            fields["model"] = {"name": name, **_said_variant(call)}
        return fields

    def _asked(self, call: Call, request: Read) -> Fields:
        fields: Fields = {**call.fields, "task": self._options.task}
        if slices := slices_of(self._options.slices, *call.metadata, request.metadata):
            fields["slices"] = slices
        return fields

    def _model(self, call: Call, request: Read, response: Read) -> Fields:
        name = call.model or request.model or response.model or self._options.model or ""
        model: Fields = {"name": name, **_said_variant(call)}
        version = response.version or served_version(name, response.model)
        return model if not version or "version" in model else {**model, "version": version}


def from_envelope(envelope: Envelope, headers: Mapping[str, str]) -> Call:
    """The call that an envelope holds.

    Raises:
        InvalidEvent: its time is no time.
    """
    given = envelope.ts or envelope.timestamp or envelope.created
    metadata = envelope.metadata if isinstance(envelope.metadata, dict) else {}
    fields: Fields = {}
    if envelope.latency_ms is not None:
        fields["latency_ms"] = envelope.latency_ms
    if envelope.cost_usd is not None:
        fields["cost_usd"] = envelope.cost_usd
    if trace_id := word(envelope.trace_id):
        fields["trace_id"] = trace_id
    extra: Fields = {}
    if kept := {name: one for name, value in metadata.items() if (one := short(value)) is not None}:
        extra["metadata"] = kept
    said = envelope.user is not None or envelope.safety_identifier is not None or metadata
    if said and (user := user_of(envelope.user, envelope.safety_identifier, metadata)):
        extra["user_id"] = user
    if extra:
        fields["extra"] = extra
    request, response = body_of(envelope.request), body_of(envelope.response)
    code = envelope.status_code if isinstance(envelope.status_code, int) else None
    if http := exchange(request, response):
        request, response, code = body_of(http.request), body_of(http.response), code or http.status
    return Call(
        word(envelope.id) or word(envelope.request_id) or id_of(headers),
        moment(given, "ts") if given else None,
        request,
        response,
        word(envelope.model),
        _outcome(envelope.error, code),
        fields,
        (metadata,),
        succeeded=code is not None and code < 400,
    )


def bare(side: Side, record: Record) -> Call:
    """Half a call: a record that is nothing but the body; its id is in a header, or (oip) in the body."""
    headers = headers_of(record)
    request, response = (record.value, None) if side == "request" else (None, record.value)
    return Call(id_of(headers), None, request, response, metadata=(headers,))


def id_of(headers: Mapping[str, str]) -> str:
    """The id of a call by its record's headers; both halves must carry the same."""
    return next((headers[name] for name in _ID_HEADERS if name in headers), "")


def body_of(raw: Raw | UnsetType) -> bytes | None:
    """A body inside an envelope: an object or list as it stands, or the text that a string holds."""
    if raw is UNSET or (content := bytes(raw)) == b"null":
        return None
    return _unquoted(content) if content.startswith(b'"') else content


@refusing("body")
def _unquoted(content: bytes) -> bytes:
    text = _to_text(content).encode()
    return text if text.lstrip()[:1] in (b"{", b"[") or text.startswith((b"data:", b":", b"event:")) else content


def _outcome(error: Any, code: int | None) -> Fields | None:
    if error is not None:
        return from_error(error, code)
    return from_status_code(code) if code is not None and code >= 400 else None


def _settled(failure: Fields, said: Fields) -> Fields:
    """What of a failure counts whatever the response says: its status, and its code where the response has none."""
    names = ("status", "error_code") if said.get("error_code") == UNTOLD else ("status",)
    return {name: failure[name] for name in names}


def _shown(row: Fields) -> Fields:
    """The fields without texts that were hidden. Candidates go as a whole where an answer is: they would tell it."""
    output: Fields = row.get("output", {})
    candidates = output.get("candidates", ())
    if not HIDDEN.isdisjoint([output.get("answer"), *(one["answer"] for one in candidates)]):
        row = {**row, "output": {name: value for name, value in output.items() if name != "candidates"}}
    shown: Fields = _without_hidden(row)
    return shown


def _without_hidden(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_hidden(one) for name, one in value.items() if not is_hidden(one)}
        case list():
            return [_without_hidden(one) for one in value if not is_hidden(one)]
    return value


def _time(call: Call, response: Read | None, record: Record) -> datetime:
    if call.ts is not None:
        return call.ts
    if response is not None and isinstance(response.created, int | float):
        return moment(response.created, "created")
    return record_time(record, "ts")


def _names(call: Call, response: Read) -> Fields:
    """Model of a response that stands alone; the request knows better what it asked for."""
    model: Fields = dict(_said_variant(call))
    if name := call.model or response.model:
        model["name"] = name
    if response.version:
        model["version"] = response.version
    return {"model": model} if model else {}


def _said_variant(call: Call) -> Fields:
    """`variant` and `version` where the metadata say them."""
    said: Fields = {}
    for source in call.metadata:
        if isinstance(variant := source.get("variant"), str):
            said["variant"] = variant_of(variant)
        if version := word(source.get("version")):
            said["version"] = version
    return said


def served_version(asked: str, served: str) -> str:
    """gpt-4o answered by gpt-4o-2024-08-06 is version 2024-08-06; another name is a version by itself."""
    return "" if served == asked else served.removeprefix(f"{asked}-")


def _matched(request: Read, response: Read) -> list[tuple[Fields, Fields]]:
    """Items of request and response by their place. One item of the request holds for all of the response; one of the
    response does where it is no answer (a failure, say)."""
    asked, said = request.rows, response.rows
    if len(asked) == len(said):  # mostly
        return list(zip(asked, said, strict=True))
    if said and len(asked) == len(said) * request.answers:  # the server knows no `n`
        return list(zip(asked[:: request.answers], said, strict=True))
    count = max(len(asked), len(said))
    if {len(asked), len(said)} - {1, count} or (len(said) == 1 and _answers(said[0])):
        raise InvalidEvent(Rejection.INVALID, f"{len(asked)} items in the request, {len(said)} in the response")
    return [(asked[index % len(asked)], said[index % len(said)]) for index in range(count)] if asked and said else []


def _answers(said: Fields) -> bool:
    return said.get("status") == "ok" and bool(said.get("output"))


@refusing("call")
def _prediction(fields: Fields, request_id: str, ts: datetime) -> Prediction:
    fields |= {"schema": "prediction/v1", "request_id": request_id, "ts": ts}
    return msgspec.convert(fields, Prediction)
