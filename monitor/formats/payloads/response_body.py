"""The body of a logged response, of whichever protocol. KServe labels it with the content type of its request, so a
stream may be called JSON: only the members count."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.limits import inflated, refuse_nul
from monitor.formats.payloads import (
    chat_response,
    cloud_apis,
    dashscope_api,
    images,
    infer_messages,
    messages_api,
    oip,
    ollama_api,
    pooling_apis,
    responses_api,
    seldon_message,
    text_answers,
    v1,
)
from monitor.formats.payloads.answers import are_shares
from monitor.formats.payloads.failures import error_in, from_error, message_in
from monitor.formats.payloads.framing import (
    Read,
    are_tensors,
    decoded,
    demand_content,
    items_of,
    refusing,
    rows_of,
    word,
)
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields, over
from monitor.formats.payloads.seldon_message import SeldonMessage, is_message
from monitor.formats.payloads.server_events import is_stream, lines_of
from monitor.formats.payloads.streams import is_logged_stream, read_events, read_stream

_OK: Fields = {"status": "ok"}
_CHAT = ("chat.completion", "text_completion", "error")


class ResponseBody(chat_response.ChatResponse, gc=False):
    """A chat response is read at once; of the others only the member by which they are known, raw."""

    model_name: Any = None
    model_version: Any = None
    predictions: Raw | UnsetType = UNSET
    outputs: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    strData: Raw | UnsetType = UNSET
    jsonData: Raw | UnsetType = UNSET
    binData: Raw | UnsetType = UNSET
    status: Raw | UnsetType = UNSET
    done: Any = None
    """Ollama's; false where this is a piece of a stream."""


_body = msgspec.json.Decoder(ResponseBody)
_seldon = msgspec.json.Decoder(SeldonMessage)
_any = msgspec.json.Decoder(Any)
_raws = msgspec.json.Decoder(list[Raw])
_chat = msgspec.json.Decoder(chat_response.ChatResponse)
_encode = msgspec.json.Encoder().encode
_CHUNK = b'"chat.completion.chunk"'
_GUARDED = b'"amazon-bedrock-guardrailAction"'
"""What stands in place of the reason why a message of Bedrock's ended, where a guardrail wrote it."""


@refusing("response")
def read_response(body: bytes, roles: Roles, max_bytes: int, embedder: str) -> Read:
    """What a response says; arguments and errors as for `read_request`.

    Args:
        embedder: fingerprint of the model, under which configured embeddings go.
    """
    if not body.startswith(b"{"):  # mostly it does
        body = demand_content(inflated(body, max_bytes))
        if not body.startswith(b"{"):
            return _without_members(body, roles, max_bytes, embedder)
    try:
        response, head, tail = decoded(_body.decode, body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not (lines := lines_of(body)):
            raise
        refuse_nul(body)
        return read_events(iter(lines))
    if response.choices or response.choices is None or response.object in _CHAT:
        return chat_response.read_chat(response)
    if response.error is not None:
        return Read([from_error(chat_response.error_of(response))], word(response.id))
    return _other(response, head, tail, roles, embedder)


def _without_members(body: bytes, roles: Roles, max_bytes: int, embedder: str) -> Read:
    """A message of gRPC, a stream, the list of its events, or a list of predictions."""
    if (message := infer_messages.grpc_message(body, max_bytes)) is not None:
        return infer_messages.said(infer_messages.read_message(message, "response"), roles, embedder)
    refuse_nul(body)
    if is_stream(body):
        return read_stream(body)
    if body.startswith(b"["):
        raws = [bytes(one) for one in _raws.decode(body)]
        if _CHUNK in body or is_logged_stream(raws):
            return read_events(iter(raws))
    items = items_of(body)
    if chats := text_answers.answers_in(items):
        return _each(chats)
    if (pooled := pooling_apis.read_response(items)) is not None:
        return pooled
    return _listed(items, roles)


def _listed(items: list[Any], roles: Roles) -> Read:
    """A list without a name: predictions, or the candidates of one, as Hugging Face's pipelines answer."""
    each, ranked = _predictions(items, roles), v1.prediction(items, roles) if len(items) > 1 else {}
    if not ranked.get("output"):
        return Read(each, is_guess=True)
    one = [over(ranked, _OK)]
    if are_shares(ranked["output"]["candidates"], [item["output"] for item in each]):
        return Read(one, is_guess=True, otherwise=each)
    return Read(each, is_guess=True, otherwise=one)


def _each(chats: list[chat_response.ChatResponse]) -> Read:
    """What each of them says is an item."""
    read = [chat_response.read_chat(one) for one in chats]
    first = read[0]
    first.rows = [row for one in read for row in one.rows]
    return first


def _other(response: ResponseBody, head: bytes, tail: bytes, roles: Roles, embedder: str) -> Read:
    if are_tensors(response.outputs):
        version = word(response.model_version)
        vectors = f"{embedder}@{version}" if version else embedder
        rows = oip.response_rows(response.outputs, tail, roles, vectors)
        return Read([_OK | row for row in rows], word(response.id), model=word(response.model_name), version=version)
    if response.predictions is not UNSET:
        return Read(_predictions(items_of(response.predictions), roles))
    if response.outputs is not UNSET:
        return Read(_predictions(rows_of(response.outputs), roles))
    if _is_seldon(response):
        message = _seldon.decode(head)
        outcome = seldon_message.outcome_of(message)
        rows = [over(row, outcome) for row in seldon_message.response_rows(message, roles)]
        return Read(rows, seldon_message.puid_of(message), metadata=seldon_message.tags_of(message))
    if (chat := _as_chat(response, head)) is not None:
        return chat_response.read_chat(chat, cut=response.done is False)
    body: Any = _any.decode(head)
    return _guessed(response, body, roles)


def _guessed(response: ResponseBody, body: dict[str, Any], roles: Roles) -> Read:
    """What an object says that is of no API above, by its names."""
    if (chat := cloud_apis.as_chat(body) or dashscope_api.as_chat(body)) is not None:
        return chat_response.read_chat(chat)
    if chats := text_answers.answers_in([body]):
        read = _each(chats)
        read.id = read.answer_id if "meta_info" in body else ""  # SGLang's `rid`, which the request may give
        return read
    if (pooled := pooling_apis.read_response(body)) is not None:
        return pooled
    if (error := error_in(body)) is not None:
        return Read([from_error(error)])
    if images.are_made(body):
        raise InvalidEvent(
            Rejection.INVALID, "the answer is pictures that were made, of which nothing is measured: keep them apart"
        )
    row = over(v1.prediction(body, roles), _OK)
    if not row["output"] and pooling_apis.is_vector(body) and "embeddings" not in row:
        row["task"] = pooling_apis.EMBEDDING
    name, version = word(response.model_name), word(response.model_version)
    said = message_in(body)
    failed = from_error(said) if said is not None else None
    return Read([row], word(response.id), model=name, version=version, is_guess=True, else_failed=failed)


def _as_chat(response: ResponseBody, head: bytes) -> chat_response.ChatResponse | None:
    """The answer of an API that has a chat completion's content under other names."""
    if response.object == "response":
        return responses_api.as_chat(responses_api.settled(responses_api.to_response(head)))
    if response.type == "message" and (b'"stop_reason"' in head or _GUARDED in head):
        return messages_api.as_chat(messages_api.to_message(head))
    if isinstance(response.done, bool) and b'"created_at"' in head:
        return ollama_api.as_chat(ollama_api.to_response(head))
    return None


def _is_seldon(response: ResponseBody) -> bool:
    return is_message(response.data, response.strData, response.jsonData, response.binData) or (
        response.status is not UNSET and bytes(response.status).startswith(b"{")
    )


def _predictions(items: list[Any], roles: Roles) -> list[Fields]:
    return [_predicted(one, roles) for one in items]


def _predicted(item: Any, roles: Roles) -> Fields:
    """Vertex AI's Model Garden has a chat completion in the place of a prediction."""
    if _failed(item):
        return from_error(item["error"])
    if isinstance(item, dict) and isinstance(item.get("choices"), list):
        with suppress(msgspec.ValidationError, InvalidEvent):
            rows = chat_response.from_response(_chat.decode(_encode(item)))
            if len(rows) == 1:
                return rows[0]
    return over(v1.prediction(item, roles), _OK)


def _failed(item: Any) -> bool:
    """An error in the place of a prediction; Gemini's chat completions say theirs as a list of one."""
    return isinstance(item, dict) and item.keys() == {"error"} and isinstance(item["error"], dict | str)
