"""A streamed chat completion: server-sent events put together to the response that they are pieces of.

Server-sent events: WHATWG HTML, section 9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html);
chunks: OpenAI API reference, "The chat completion chunk object".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_request import text_in
from monitor.formats.payloads.chat_response import (
    MAX_CHOICES,
    MAX_TOOL_CALLS,
    Answer,
    ChatResponse,
    Choice,
    Function,
    Logprobs,
    ToolCall,
    from_response,
    text_of_arguments,
)
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.rows import Fields

CUT: Fields = {"status": "error", "error_code": "stream_cut"}
"""What is said of a stream that ended before its answer did; what had come of the answer stays beside it."""
_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_to_chunk = msgspec.json.Decoder(ChatResponse).decode


def is_stream(body: bytes) -> bool:
    """Does the body begin as server-sent events do? Its content type may say otherwise."""
    return body[:64].removeprefix(_BOM).lstrip().startswith(_STARTS)


def events(body: bytes) -> Iterator[bytes]:
    """The data of each event: its `data` lines joined. Comments and other fields are passed over.

    A last event that no empty line ends counts too: logs often strip what is at the end.
    """
    lines: list[bytes] = []
    for line in body.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif not line and lines:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


def from_stream(body: bytes) -> tuple[Fields, ChatResponse]:
    """The fields of the answer, as `chat_response.from_response` gives them, and the response put together.

    Raises:
        InvalidEvent: an event other than the last is no JSON, or there are too many choices.
        msgspec.ValidationError: a chunk is not what the API says; the message names the field.
    """
    response, complete = response_of(body)
    if complete or response.error is not None:
        return from_response(response), response
    return {**(from_response(response) if response.choices else {}), **CUT}, response


def response_of(body: bytes) -> tuple[ChatResponse, bool]:
    """The response, and whether it is complete: each choice has ended, or the stream said that it is done.

    Raises:
        InvalidEvent, msgspec.ValidationError: as `from_stream`.
    """
    whole = ChatResponse()
    growing: dict[int, _Growing] = {}
    done, broken = False, ""
    for data in events(body):
        if broken:
            raise InvalidEvent(Rejection.UNREADABLE, f"an event of the stream is no JSON: {broken}")
        if data == _DONE:
            done = True
            break
        try:
            _add(_to_chunk(data), whole, growing)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            broken = str(error)  # the last one may have been cut
    whole.choices = [one.choice(index) for index, one in growing.items()]
    return whole, done or (bool(growing) and all(one.finish_reason is not None for one in growing.values()))


@dataclass(slots=True)
class _Growing:
    """A choice while its pieces come in, in lists: joining texts piece by piece would take quadratic time."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    refusal_tokens: list[Token] = field(default_factory=list)
    calls: dict[int, tuple[str | None, list[str]]] = field(default_factory=dict)
    finish_reason: str | None = None
    filters: dict[str, Raw] | None = None

    def add(self, piece: Choice) -> None:
        self.finish_reason = piece.finish_reason or self.finish_reason
        self.filters = piece.content_filter_results or self.filters
        delta = piece.delta or piece.message or Answer(content=piece.text)
        if content := text_in(delta.content):
            self.content.append(content)
        if delta.refusal:
            self.refusal.append(delta.refusal)
        for call in delta.tool_calls or ():
            self._call(call.index, call.function or Function())
        if piece.logprobs is not None:
            self.tokens.extend(piece.logprobs.content or ())
            self.refusal_tokens.extend(piece.logprobs.refusal or ())

    def _call(self, index: int, function: Function) -> None:
        """The first piece of a call names its function, the following ones bring its arguments."""
        if index in self.calls or len(self.calls) < MAX_TOOL_CALLS:
            self.calls.setdefault(index, (function.name, []))[1].append(text_of_arguments(function) or "")

    def choice(self, index: int) -> Choice:
        calls = [ToolCall(Function(name, "".join(arguments))) for name, arguments in self.calls.values()]
        refusal = "".join(self.refusal) or None
        content = "".join(self.content) if self.content or not (refusal or calls) else None
        return Choice(
            index=index,
            message=Answer(content, refusal, calls or None),
            finish_reason=self.finish_reason,
            logprobs=Logprobs(self.tokens, self.refusal_tokens),
            content_filter_results=self.filters,
        )


def _add(chunk: ChatResponse, whole: ChatResponse, growing: dict[int, _Growing]) -> None:
    whole.id = whole.id or chunk.id
    whole.model = whole.model or chunk.model
    whole.created = whole.created or chunk.created
    whole.usage = chunk.usage or whole.usage
    whole.system_fingerprint = chunk.system_fingerprint or whole.system_fingerprint
    whole.error = chunk.error if chunk.error is not None else whole.error
    for piece in chunk.choices:
        growing.setdefault(piece.index, _Growing()).add(piece)
        if len(growing) > MAX_CHOICES:
            raise InvalidEvent(Rejection.INVALID, f"choices: more than the {MAX_CHOICES} that are allowed")
