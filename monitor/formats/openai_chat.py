"""OpenAI chat completions, as clients, gateways and proxies log them: both bodies in one record, or one in each.

Five shapes: the envelope of `monitor.formats.calls`; lines of batch files (`monitor.formats.batches`); what clouds log
(`monitor.formats.cloud_logs`); LiteLLM's StandardLoggingPayload (LiteLLM
documentation, "StandardLoggingPayload Specification", https://docs.litellm.ai/docs/proxy/logging_spec); and bare bodies
whose record carries the id of the call in a header.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.batches import from_line
from monitor.formats.calls import Call, Calls, Envelope, bare, body_of, from_envelope
from monitor.formats.cloud_logs import from_cloud
from monitor.formats.decoder import Decoder
from monitor.formats.headers import headers_of
from monitor.formats.limits import refuse_nul
from monitor.formats.marks import is_bare_stream, side_of
from monitor.formats.moments import moment
from monitor.formats.options import FormatOptions
from monitor.formats.parts import HIDDEN
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import refusing, word
from monitor.formats.payloads.rows import MAX_ID, Fields
from monitor.formats.payloads.server_events import is_stream

_LITELLM_METADATA = ("requester_metadata", "spend_logs_metadata")
_RESPONSES: Final = ("responses", "aresponses")
"""LiteLLM's `call_type` of OpenAI's Responses API."""
_TEXTS: Final = ("text_completion", "atext_completion")
"""That of text completions."""
_EMBEDDINGS: Final = ("embedding", "aembedding")
"""That of embeddings, whose messages are the texts themselves."""
_PROVIDERS_ID: Final = re.compile(rb";response_id:([!-~]+)\Z")
"""The end of what LiteLLM writes in base64 as the id of a response: `litellm:custom_llm_provider:P;model_id:M;...`."""
_OF_RESPONSES: Final = re.compile(rb'"object\\?"\s*:\s*\\?"response\\?"|"type\\?"\s*:\s*\\?"response\.')
"""As JSON, or as text in JSON: so streams are logged."""
_HIDDEN: Final = tuple(text.encode() for text in HIDDEN)


class ChatLog(Envelope, gc=False):
    """The envelope, what LiteLLM writes instead, and the members by which lines of batches and bare bodies are
    known."""

    custom_id: Any = None
    key: Any = None
    processed_time: Any = None
    messages: Raw | UnsetType = UNSET
    choices: Raw | UnsetType = UNSET
    startTime: Any = None
    endTime: Any = None
    response_cost: Any = None
    status: Any = None
    error_str: Any = None
    error_information: Any = None
    call_type: Any = None
    litellm_call_id: Any = None
    prompt_tokens: Any = None
    completion_tokens: Any = None
    custom_llm_provider: Any = None
    cache_hit: Any = None
    end_user: Any = None


class Answered(Struct, gc=False):
    choices: list[Raw] = []


_to_log = msgspec.json.Decoder(ChatLog).decode
_to_answered = msgspec.json.Decoder(Answered).decode
_to_asked = msgspec.json.Decoder(dict[str, list[Any]]).decode
_encode = msgspec.json.Encoder().encode


def recognises(record: Record) -> bool:
    """Messages with roles, choices, chunks of a streamed answer, or a response of the Responses API."""
    value = record.value
    if value.lstrip()[:1] != b"{":
        return is_stream(value) and (b'"choices"' in value or _OF_RESPONSES.search(value) is not None)
    if b'"choices"' in value or (b'"messages"' in value and b'"role"' in value):
        return True
    return _OF_RESPONSES.search(value) is not None


def decoder(options: FormatOptions) -> Decoder:
    """Predictions or halves of calls. Uses `task`, `model` (where the bodies name none), `slices` and `subject`
    (keys of `metadata`).

    Raises:
        SettingsError: `fields` names what there is not.
    """
    return Calls(options).decoder(_call)


@refusing("record")
def _call(record: Record) -> Call:
    if is_stream(record.value):
        return bare("response", record)
    refuse_nul(record.value)
    try:
        log = _to_log(record.value)
    except msgspec.DecodeError:
        if not is_bare_stream(record.value):
            raise
        return bare("response", record)
    named = log.custom_id is not None or log.key is not None or log.processed_time is not None
    if named and (line := from_line(record.value)) is not None:
        return line
    return from_cloud(log, record.value) or _of_a_log(log, record)


def _of_a_log(log: ChatLog, record: Record) -> Call:
    """What services, gateways and proxies write."""
    if log.done is not None and side_of(record.value) == "response":
        return bare("response", record)
    if log.request is not UNSET or (log.response is not UNSET and log.messages is UNSET):
        return from_envelope(log, headers_of(record))
    if log.startTime is not None or log.response is not UNSET:
        call = _from_litellm(log)
        call.redacted = any(text in record.value for text in _HIDDEN)
        return call
    if log.messages is not UNSET:
        return bare("request", record)
    if log.choices is not UNSET or log.error is not None or _OF_RESPONSES.search(record.value) is not None:
        return bare("response", record)
    if (side := side_of(record.value)) is not None:
        return bare(side, record)
    raise InvalidEvent(Rejection.INVALID, "no request, response, messages, choices or error in the record")


def _from_litellm(log: ChatLog) -> Call:
    metadata: dict[str, Any] = log.metadata if isinstance(log.metadata, dict) else {}
    started = moment(log.startTime, "startTime") if isinstance(log.startTime, str | int | float) else None
    fields: Fields = {}
    if started is not None and isinstance(log.endTime, str | int | float):
        fields["latency_ms"] = max(0.0, (moment(log.endTime, "endTime") - started).total_seconds() * 1000)
    if isinstance(log.response_cost, int | float):
        fields["cost_usd"] = log.response_cost
    tokens = {"in": log.prompt_tokens, "out": log.completion_tokens}
    fields["tokens"] = {name: count for name, count in tokens.items() if isinstance(count, int)}
    extra = {"provider": log.custom_llm_provider, "cache_hit": log.cache_hit}
    fields["extra"] = {name: value for name, value in extra.items() if isinstance(value, str | bool)}
    failed = log.status == "failure"
    request, response = _request_of(log), None if failed else body_of(log.response)
    if log.call_type in _TEXTS:
        request, response = _as_texts(request, response)
    nested = [one for name in _LITELLM_METADATA if isinstance(one := metadata.get(name), dict)]
    if user := _user_of(log, metadata, nested):
        fields["extra"]["user_id"] = user
    return Call(
        _id_of(log),
        started,
        request,
        response,
        word(log.model),
        _failure(log) if failed else None,
        fields,
        [metadata, *nested],
        succeeded=not failed,
    )


def _id_of(log: ChatLog) -> str:
    """LiteLLM's id of the call, where that is not too long. Those of the Responses API are: they hold the provider and
    its own id (`ResponsesAPIRequestUtils._build_responses_api_response_id`). There it is the id that clients get as the
    header `x-litellm-call-id`; versions that do not log that one leave the provider's."""
    given = word(log.id)
    if len(given) <= MAX_ID:
        return given
    return word(log.litellm_call_id) or _providers_id(given) or given


def _providers_id(given: str) -> str:
    try:
        content = base64.b64decode(given.removeprefix("resp_"), validate=True)
    except ValueError:
        return ""
    found = _PROVIDERS_ID.search(content)
    return found[1].decode() if found else ""


def _user_of(log: ChatLog, metadata: Mapping[str, Any], nested: Sequence[Mapping[str, Any]]) -> str:
    """The person behind the call, else whose key was used."""
    said = [log.end_user, metadata.get("user_api_key_end_user_id"), *(one.get("user_id") for one in nested)]
    return next(filter(None, map(word, [*said, log.user, metadata.get("user_api_key_user_id")])), "")


def _request_of(log: ChatLog) -> bytes:
    """LiteLLM logs a request's messages and parameters apart; put together they are the request again. The messages of
    the Responses API are its `input`."""
    messages = b"[]" if log.messages is UNSET else bytes(log.messages)
    if log.call_type in _RESPONSES and messages.startswith((b"[", b'"')):
        return b'{"model":"","input":%b}' % messages
    if log.call_type in _EMBEDDINGS and messages.startswith((b"[", b'"')):
        return b'{"model":"","encoding_format":"","input":%b}' % messages
    if not messages.startswith(b"["):
        messages = b'[{"role":"user","content":%b}]' % (messages if messages.startswith(b'"') else b"null")
    return b'{"messages":%b}' % messages


def _as_texts(request: bytes, response: bytes | None) -> tuple[bytes, bytes | None]:
    """A text completion that LiteLLM logs as a chat, as what it was: each prompt is a message of the user, and a choice
    may have a message in place of its text.

    The choices tell how many were asked for. Where they cannot be shared out evenly, a model for chats answered: to it
    the prompts were one conversation, and so they stay.
    """
    prompts, choices = _prompts_in(request), _choices_in(response)
    if not prompts or choices % len(prompts):
        return request, response
    request = b'{"model":"","prompt":%b,"n":%d}' % (_encode(prompts), choices // len(prompts))
    if response is not None and choices > 1:
        response = response.rstrip()[:-1] + b',"object":"text_completion"}'
    return request, response


def _prompts_in(request: bytes) -> list[str | list[Any]]:
    """Of a text completion logged as a chat; nothing where it is a chat indeed. One of which only the tokens are known
    is an empty list; those stand in a single message, or in the place of messages."""
    said: list[Any] = [one.get("content") if isinstance(one, dict) else one for one in _to_asked(request)["messages"]]
    if len(said) == 1 and isinstance(said[0], list):
        said = said[0]
    if any(isinstance(one, dict) for one in said):
        return []
    if said and isinstance(said[0], int):
        return [[]]
    return [one if isinstance(one, str) else [] for one in said]


def _choices_in(response: bytes | None) -> int:
    try:
        return len(_to_answered(response or b"{}").choices)
    except msgspec.DecodeError:
        return 0


def _failure(log: ChatLog) -> Fields:
    given = log.error_information if isinstance(log.error_information, dict) else {}
    code = word(given.get("error_code"))
    error = {"message": log.error_str, "type": given.get("error_class"), "code": code}
    return from_error(error, int(code) if code.isdecimal() and len(code) == 3 else None)
