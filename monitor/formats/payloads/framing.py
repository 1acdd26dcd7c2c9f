"""What lies around the content of a logged HTTP body, and what reading it gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeGuard, TypeVar, TypeVarTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.limits import refuse_nul
from monitor.formats.payloads.rows import Fields, demand_few

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
"""A text that never ends is read to the end once, not again from each of its quotation marks."""
_any = msgspec.json.Decoder(Any)
Ts = TypeVarTuple("Ts")
R = TypeVar("R")


class Read(Struct):
    """What a body says."""

    rows: list[Fields]
    id: str = ""
    """Of the call, as the bodies of both sides have it."""
    answer_id: str = ""
    """Of the answer alone: chat completions give one, but requests do not know it."""
    model: str = ""
    version: str = ""
    created: Any = None
    metadata: Mapping[str, Any] = {}
    """Names and values that may be slices."""
    answers: int = 1
    """So many were asked for to each prompt: it is as many rows, one after the other."""
    is_guess: bool = False
    """Of no protocol that is known: an answer where the call succeeded, and where it failed whatever was sent back.
    Of a request: its task, which the response may refute."""
    else_failed: Fields | None = None
    """How the call failed, where it is not known to have succeeded: gateways send such a body back in its place."""
    otherwise: Sequence[Fields] = ()
    """What the rows are if they are not as many as the other side's: labels with their scores may be the candidates of
    one item, or the best of each."""
    documents: Sequence[str] = ()
    """Of a request: what is to be ranked."""
    by_place: bool = False
    """Of its response: candidates are places among them."""


def decoded(decode: Callable[[bytes], R], body: bytes) -> tuple[R, bytes, bytes]:
    """The JSON object of a body as `decode` reads it, its bytes, and those of binary tensors behind it.

    Raises:
        InvalidEvent: there is nothing, or a text has the NUL character.
        msgspec.DecodeError: it is no JSON.
    """
    head, tail = body, b""
    try:
        read = decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        if b"binary_data_size" not in body:
            raise
        end = _end_of_json(body)
        head, tail = body[:end], body[end:]
        read = decode(head)
    refuse_nul(head)
    return read, head, tail


def demand_content(body: bytes) -> bytes:
    """The body from its first byte that is no white space.

    Raises:
        InvalidEvent: there is none.
    """
    if body[:1].isspace():
        body = body.lstrip()
    if not body:
        raise InvalidEvent(Rejection.UNREADABLE, "the body is empty")
    return body


def _end_of_json(body: bytes) -> int:
    """Where the first JSON object closes.

    The header Inference-Header-Content-Length would say so, but it is lost unless allow-listed, and beside a response
    KServe logs the one of the request.
    """
    depth = 0
    for token in _TOKEN.finditer(body):
        mark = body[token.start()]
        depth += (mark in b"{[") - (mark in b"}]")
        if depth == 0:
            return token.end()
    return len(body)


def are_tensors(raw: Raw | UnsetType) -> TypeGuard[Raw]:
    """A list of objects with a datatype: V1 has `inputs` and `outputs` of other kinds."""
    if raw is UNSET:
        return False
    content = bytes(raw)
    return content.startswith(b"[") and (b'"datatype"' in content or content[1:].lstrip().startswith(b"]"))


def items_of(raw: bytes | Raw) -> list[Any]:
    """The items of a V1 list; anything else is one item.

    Raises:
        InvalidEvent: there are more than allowed.
        msgspec.DecodeError: it is no JSON.
    """
    return _items(_any.decode(raw))


def rows_of(raw: bytes | Raw) -> list[Any]:
    """The items of `inputs` or `outputs` that are no tensors, where TensorFlow Serving has columns too: lists of one
    length under their names. Errors as of `items_of`.

    >>> rows_of(b'{"label": ["cat", "dog"], "score": [0.9, 0.8]}')
    [{'label': 'cat', 'score': 0.9}, {'label': 'dog', 'score': 0.8}]
    """
    value: Any = _any.decode(raw)
    lengths = {len(one) if isinstance(one, list) else 0 for one in value.values()} if isinstance(value, dict) else {0}
    if len(lengths) != 1 or 0 in lengths:
        return _items(value)
    demand_few(max(lengths))
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def _items(value: Any) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    demand_few(len(items))
    return items


def word(value: Any) -> str:
    """An id or a version, which some write as a number."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def refusing(side: str) -> Callable[[Callable[[*Ts], R]], Callable[[*Ts], R]]:
    """Turns msgspec's errors into ours; `side` begins the message."""

    def wrap(reads: Callable[[*Ts], R]) -> Callable[[*Ts], R]:
        @wraps(reads)
        def guarded(*args: *Ts) -> R:
            try:
                return reads(*args)
            except msgspec.ValidationError as error:
                raise InvalidEvent(Rejection.INVALID, f"{side}: {error}") from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise InvalidEvent(Rejection.UNREADABLE, f"{side}: not JSON: {error}") from None

        return guarded

    return wrap
