"""A streamed response: whose events they are, and the response that they are pieces of.

The first event that an API can be known by decides; well-formed streams of others are refused, not taken for failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_response import CUT
from monitor.formats.payloads.chat_stream import ChatStream
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.generate_stream import GenerateStream
from monitor.formats.payloads.messages_api import MessageStream
from monitor.formats.payloads.ollama_api import OllamaStream
from monitor.formats.payloads.responses_api import ResponseStream
from monitor.formats.payloads.server_events import events
from monitor.formats.payloads.sglang_stream import SglangStream
from monitor.formats.payloads.text_streams import OF_COHERE, TextStream

Pieces = ChatStream | ResponseStream | MessageStream | GenerateStream | OllamaStream | SglangStream | TextStream
_DONE: Final = (b"[DONE]", b'"[DONE]"')
"""Also as an item of a list."""
_CHATS: Final = ("chat.completion.chunk", "chat.completion", "text_completion", "error")


class Mark(Struct, gc=False):
    """The members of an event by which its API is known."""

    choices: Any = None
    object: Any = None
    error: Any = None
    type: Any = None
    text_output: Any = None
    candidates: Any = None
    """Gemini's."""
    messageStart: Any = None
    """Of Bedrock's Converse; the last two are of its models."""
    outputText: Any = None
    generation_token_count: Any = None
    token: Any = None
    """Text Generation Inference's."""
    content: Any = None
    stop: Any = None
    """Both of llama.cpp."""
    meta_info: Any = None
    """SGLang's."""
    done: Any = None
    created_at: Any = None
    """Both of Ollama."""
    history_tokens: Any = None
    """LMDeploy's."""
    event_type: Any = None
    """Of Cohere's first Chat API."""


_to_mark = msgspec.json.Decoder(Mark).decode


def read_stream(body: bytes) -> Read:
    """The response put together of server-sent events; see `read_events`."""
    return read_events(events(body))


def read_events(found: Iterator[bytes]) -> Read:
    """The response put together of the data of its events.

    One that ended before its answer did is `stream_cut`, with what had come of it.

    Raises:
        InvalidEvent: an event other than the last is no JSON, or all of them are of an API that is not known.
        msgspec.ValidationError: an event is not what its API says; the message names the field.
    """
    pieces: Pieces | None = None
    unknown = b""
    done, torn = False, ""
    for data in found:
        if torn:
            raise InvalidEvent(Rejection.UNREADABLE, f"an event of the stream is no JSON: {torn}")
        if data in _DONE:
            done = True
            break
        try:
            if pieces is None:
                pieces = _pieces_of(_to_mark(data))
                unknown = unknown or data
            if pieces is not None:
                pieces.add(data)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not data.startswith(b"{"):
                raise InvalidEvent(Rejection.UNREADABLE, f"an event of the stream is no JSON: {error}") from None
            torn = str(error)  # the last one may have been cut
    if pieces is not None:
        return pieces.read(done=done, torn=bool(torn))
    if unknown or done:
        raise InvalidEvent(Rejection.INVALID, f"a stream of no API that is known; its first event is {unknown[:64]!r}")
    return Read([dict(CUT)])


def is_logged_stream(items: Sequence[bytes]) -> bool:
    """Are these items of a list the events of a stream, as Bedrock logs them and Gemini answers? Whole answers may
    come in a list too: servers give several prompts so."""
    try:
        mark = _to_mark(items[0]) if items else Mark()
    except msgspec.DecodeError:
        return False
    match _pieces_of(mark):
        case OllamaStream():
            return mark.done is False or len(items) == 1
        case SglangStream():  # a whole answer says why it ended
            return "finish_reason" in mark.meta_info and mark.meta_info["finish_reason"] is None
        case ResponseStream() | MessageStream() | TextStream():
            return not _is_of_a_server(mark)
    return False


def _pieces_of(mark: Mark) -> Pieces | None:
    """Empty, for the API of this event; None where the event does not tell it, such as a ping."""
    if mark.choices is not None or mark.object in _CHATS:
        return ChatStream()
    kind = mark.type if isinstance(mark.type, str) else ""
    if kind.startswith("response."):
        return ResponseStream()
    if kind == "message_start":
        return MessageStream()
    return _of_a_text(mark)


def _of_a_text(mark: Mark) -> Pieces | None:
    """The same for APIs that are not OpenAI's or Anthropic's."""
    if mark.text_output is not None:
        return GenerateStream()
    if isinstance(mark.done, bool) and mark.created_at is not None:
        return OllamaStream()
    if isinstance(mark.meta_info, dict):
        return SglangStream()
    if mark.error is not None:
        return ChatStream()
    if mark.type == "message-start" or mark.event_type in OF_COHERE:
        return TextStream()
    told = (mark.messageStart, mark.outputText, mark.generation_token_count, mark.history_tokens)
    known = isinstance(mark.candidates, list) or any(one is not None for one in told) or _is_of_a_server(mark)
    return TextStream() if known else None


def _is_of_a_server(mark: Mark) -> bool:
    return isinstance(mark.token, dict) or (isinstance(mark.content, str) and isinstance(mark.stop, bool))
