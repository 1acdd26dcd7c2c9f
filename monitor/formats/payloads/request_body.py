"""The body of a logged request, of whichever protocol: known by its members, because content types of logs lie."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from monitor.formats.limits import inflated, refuse_nul
from monitor.formats.payloads import (
    chat_request,
    cloud_apis,
    dashscope_api,
    images,
    infer_messages,
    oip,
    pooling_apis,
    responses_api,
    seldon_message,
    text_requests,
    v1,
)
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
from monitor.formats.payloads.rows import Fields, demand_few
from monitor.formats.payloads.seldon_message import SeldonMessage, is_message
from monitor.formats.payloads.tensors import elements


class RequestBody(chat_request.ChatRequest, gc=False):
    """A chat request is read at once; of the others only the member by which they are known, raw."""

    id: Any = None
    instances: Raw | UnsetType = UNSET
    inputs: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    strData: Raw | UnsetType = UNSET
    jsonData: Raw | UnsetType = UNSET
    binData: Raw | UnsetType = UNSET


_body = msgspec.json.Decoder(RequestBody)
_seldon = msgspec.json.Decoder(SeldonMessage)
_any = msgspec.json.Decoder(Any)
_members = msgspec.json.Decoder(dict[str, Raw])
_messages = msgspec.json.Decoder(list[dict[str, Raw]])
_raws = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode


@refusing("request")
def read_request(body: bytes, roles: Roles, max_bytes: int) -> Read:
    """What a request says.

    Args:
        body: as it was logged; gzip is unpacked.
        roles: names of this topic's models.
        max_bytes: of the body when unpacked.

    Raises:
        InvalidEvent: it cannot be read, or a member is not what its protocol says.
    """
    if not body.startswith(b"{"):  # mostly it does
        raw = inflated(body, max_bytes)
        body = demand_content(raw)
        if not body.startswith(b"{"):
            return _without_members(body, raw, roles, max_bytes)
    try:
        request, head, tail = decoded(_body.decode, body)
    except msgspec.ValidationError:
        request, head, tail = decoded(_body.decode, _in_parts(body))
    if request.messages is not None:
        return _chat(request)
    if chat_request.asks_for_texts(request):
        request.images = request.images or chat_request.pictures_beside(head)
        return _chat(request)
    return _other(request, head, tail, roles)


def _in_parts(body: bytes) -> bytes:
    """A chat with parts in place of the plain texts among its parts, which vLLM takes too; any other body as it is."""
    try:
        request = _members.decode(body)
        messages = _messages.decode(request["messages"])
        for message in messages:
            if bytes(message.get("content", b"")).startswith(b"["):
                message["content"] = _in_place(_raws.decode(message["content"]))
    except (msgspec.DecodeError, KeyError):
        return body
    return _encode({**request, "messages": messages})


def _in_place(parts: list[Raw]) -> Raw:
    texts = [b'{"type":"text","text":%b}' % one if one.startswith(b'"') else one for one in map(bytes, parts)]
    return Raw(b"[%b]" % b",".join(texts))


def _other(request: RequestBody, head: bytes, tail: bytes, roles: Roles) -> Read:
    if are_tensors(request.inputs):
        return Read(oip.request_rows(request.inputs, tail, roles), word(request.id))
    if request.instances is not UNSET:
        return Read(_instances(items_of(request.instances), roles))
    if request.inputs is not UNSET:
        return Read(_instances(rows_of(request.inputs), roles))
    if is_message(request.data, request.strData, request.jsonData, request.binData):
        message = _seldon.decode(head)
        return Read(
            seldon_message.request_rows(message, roles),
            seldon_message.puid_of(message),
            metadata=seldon_message.tags_of(message),
        )
    body: Any = _any.decode(head)
    return _guessed(request, body, roles)


def _guessed(request: RequestBody, body: dict[str, Any], roles: Roles) -> Read:
    """What an object says that is known by more than one member, or by none."""
    if (pooled := pooling_apis.read_request(body)) is not None:
        return pooled
    asked = responses_api.request_of(body) if isinstance(request.model, str) else None
    asked = asked or cloud_apis.request_of(body) or dashscope_api.request_of(body)
    if asked is not None:
        return _chat(asked)
    if several := text_requests.requests_in(body):
        rows = [chat_request.from_request(one, one.messages or ()) for one in several]
        return Read(rows, word(body.get("rid")), model=word(request.model))
    read = Read(_instances(v1.rows_of_frame(body), roles), word(request.id))
    if documents := pooling_apis.documents_in(body):
        read.documents, read.model = documents, word(request.model)
        if pooling_apis.is_rerank(body):
            read.rows = [{**row, "task": pooling_apis.RETRIEVAL} for row in read.rows]
            read.is_guess = pooling_apis.says_the_least(body)
    return read


def _chat(request: chat_request.ChatRequest) -> Read:
    metadata = request.metadata if isinstance(request.metadata, dict) else {}
    model = word(request.model)
    if request.messages is not None:
        return Read([chat_request.from_request(request, request.messages)], model=model, metadata=metadata)
    rows, answers = chat_request.from_texts(request), chat_request.answers_to_each(request)
    return Read(rows, model=model, metadata=metadata, answers=answers)


def _without_members(body: bytes, raw: bytes, roles: Roles, max_bytes: int) -> Read:
    """A picture as it was posted, a message of gRPC, a tensor without JSON (whose first byte may look like white
    space), or a list of instances."""
    if images.looks_like_image(body):
        return Read([{"input": {"image": images.from_bytes(body)}}])
    if (message := infer_messages.grpc_message(body, max_bytes)) is not None:
        return infer_messages.asked(infer_messages.read_message(message, "request"), roles)
    refuse_nul(body)
    if (texts := elements(raw)) is not None:
        demand_few(len(texts))
        return Read([roles.request({"": text}) for text in texts])
    return Read(_instances(items_of(body), roles))


def _instances(items: list[Any], roles: Roles) -> list[Fields]:
    return [v1.instance(one, roles) for one in items]
