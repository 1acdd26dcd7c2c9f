"""Streams of SGLang's `generate`: each event has the text so far, or the next piece of it.

SGLang, "Native APIs" (https://docs.sglang.io/docs/basic_usage/native_api). All so far is the rule; with
`--incremental-streaming-output` (before March 2026 `--stream-output`, which left the text as it was) it is pieces, and
nothing in an event says which. So the events are compared: a text that goes on from the one before is all so far.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_response import MAX_CHOICES, read_chat
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import Read
from monitor.formats.payloads.text_answers import of_sglang

_UNFINISHED = "\ufffd"
"""What stands for the first bytes of a character whose others are in the next token."""


class Event(Struct, gc=False):
    text: str | None = None
    output_ids: Any = None
    meta_info: dict[str, Any] = {}
    index: int = 0
    """Of the text, where several were asked for."""
    error: Any = None


_to_event = msgspec.json.Decoder(Event).decode


class SglangStream:
    """The events of one call; each of several texts is an item."""

    def __init__(self) -> None:
        self._growing: dict[int, _Growing] = {}
        self._error: Any = None

    def add(self, data: bytes) -> None:
        """
        Raises:
            InvalidEvent: there are more texts than allowed.
            msgspec.DecodeError: this is no event.
        """
        event = _to_event(data)
        if event.error is not None:
            self._error = event.error
            return
        self._growing.setdefault(event.index, _Growing()).add(event)
        if len(self._growing) > MAX_CHOICES:
            raise InvalidEvent(Rejection.INVALID, f"index: more than the {MAX_CHOICES} texts that are allowed")

    def read(self, *, done: bool, torn: bool) -> Read:
        """A text is complete where the reason of its end is there, or the stream said that it is done."""
        del torn
        if self._error is not None:
            return Read([from_error(self._error)])
        each = [one.read(done=done) for _, one in sorted(self._growing.items())]
        first = each[0]
        first.rows = [row for one in each for row in one.rows]
        first.id = first.answer_id if len(each) == 1 else ""
        return first


class _Growing(Struct):
    """One text."""

    texts: list[str] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    goes_on: bool = True
    """Each text went on from the one before."""
    last: Event = field(default_factory=Event)

    def add(self, event: Event) -> None:
        if event.text is not None:
            self.goes_on = self.goes_on and (not self.texts or _goes_on(self.texts[-1], event.text))
            self.texts.append(event.text)
        if isinstance(given := event.meta_info.get("output_token_logprobs"), list):
            self.logprobs += given
        self.last = event

    def read(self, *, done: bool) -> Read:
        told = {**self.last.meta_info, "output_token_logprobs": self._all_logprobs()}
        return read_chat(of_sglang(self._text(), told), cut=not (done or told.get("finish_reason")))

    def _text(self) -> str | None:
        if not self.texts:  # the server gives tokens alone
            return None
        ids = self.last.output_ids
        whole = isinstance(ids, list) and len(ids) == self.last.meta_info.get("completion_tokens")
        return self.texts[-1] if whole or self.goes_on else "".join(self.texts)

    def _all_logprobs(self) -> Any:
        """Those of the last event where they are as many as the tokens, else those of all events if these are."""
        written, given = self.last.meta_info.get("completion_tokens"), self.last.meta_info.get("output_token_logprobs")
        if isinstance(given, list) and len(given) == written:
            return given
        return self.logprobs if len(self.logprobs) == written else None


def _goes_on(before: str, after: str) -> bool:
    """Is the text `after` all so far? Cut off where it is to stop, it may be shorter in the end."""
    return after.startswith(before.rstrip(_UNFINISHED)) or (after != "" and before.startswith(after))
