"""Messages as log records of their own, as the GenAI conventions had it up to 1.36.

https://github.com/open-telemetry/semantic-conventions/blob/v1.36.0/docs/gen-ai/gen-ai-events.md. So OpenTelemetry's own
instrumentations for Python write (`openai-v2`, `botocore`, `google-genai`): each message of a call in the context of
its span, the content in the body, or no body where content is not to be captured. .NET's (Microsoft.Extensions.AI) and
Semantic Kernel have the body as JSON text. Nothing in them names the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from monitor.domain.halves import Half, prelude
from monitor.errors import InvalidEvent
from monitor.formats.chats import Message, answered, asked, read_json
from monitor.formats.genai import CHOICE, OLD_ROLES, old_message
from monitor.formats.payloads.rows import Fields
from monitor.formats.predictions import request_id
from monitor.formats.spans import LogEvent, Said, Span, moment_of

NAMES: Final = frozenset({CHOICE, *OLD_ROLES})
_QUESTIONS: Final = frozenset({"gen_ai.system.message", "gen_ai.user.message"})
"""The others are answers and tools of earlier turns. Alone in a record they would pass for what was asked."""
_BROKEN: Final = "error"
"""What is written as the finish reason of a choice that never finished: its span failed."""


@dataclass(slots=True)
class Talk:
    """The messages of one call."""

    questions: list[Message] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    asked: LogEvent | None = None
    """The last question before its choice."""
    ended: LogEvent | None = None
    """Its last choice."""
    went_on: LogEvent | None = None
    """The last piece of an answer that an earlier record began."""

    def add(self, event: LogEvent) -> None:
        """
        Raises:
            InvalidEvent: its body is no message.
        """
        body = read_json(event.body)
        messages = old_message(event.name, body)
        if event.name in _QUESTIONS:
            self.questions.extend(messages)
            self.asked = event
        elif event.name == CHOICE and all(one.finish_reason != _BROKEN for one in messages):
            self._choose(event, body, messages)

    def _choose(self, event: LogEvent, body: Any, messages: list[Message]) -> None:
        if self.ended is not None or _is_first(body):
            self.ended = event
        elif _is_piece(body):
            self.went_on = event
        else:
            return
        for one in messages:
            self._answer(one)

    def _answer(self, message: Message) -> None:
        """Without a finish reason it is a piece, and the next goes on with it (streams of google-genai)."""
        if not self.answers or self.answers[-1].finish_reason:
            self.answers.append(message)
            return
        last = self.answers[-1]
        last.texts.extend(message.texts)
        refused = last.refused or message.refused
        self.answers[-1] = replace(last, refused=refused, finish_reason=message.finish_reason)

    def half(self) -> Half | None:
        """What was asked and answered, for the span to join; what was asked alone, or more of the answer, for its
        choice to take up.

        None: neither. The choice comes in a later record, or the call failed (see `is_whole`), and the messages say
        nothing.

        Raises:
            InvalidEvent: the last message has no time, or names no span that can be stored.
        """
        said: Fields = {"input": asked(self.questions), "output": answered(self.answers)}
        fields = {name: value for name, value in said.items() if value}
        last = self.ended or self.went_on or self.asked
        if last is None or not (fields or self.ended):
            return None
        span = last.as_span()
        call, time = request_id(span), moment_of(last.time_ns, f"{span.place}: the time of {last.name}")
        if self.ended is None:
            return prelude(call, time, fields)
        return Half(call, "response", time, fields, may_have_prelude=True)


def halves(events: Iterable[LogEvent]) -> Iterator[Half | InvalidEvent]:
    """At most one for each call of which a message is among the events, in the order in which they came."""
    talks: dict[tuple[str, str], Talk] = {}
    for event in events:
        try:
            talks.setdefault((event.trace_id, event.span_id), Talk()).add(event)
        except InvalidEvent as error:
            yield error
    for talk in talks.values():
        try:
            if (half := talk.half()) is not None:
                yield half
        except InvalidEvent as error:
            yield error


def is_whole(span: Span) -> bool:
    """A failed span of these conventions, which are known by `gen_ai.system`: no choice is logged beside it."""
    failed = span.failed or "error.type" in span.attributes
    return failed and "gen_ai.system" in span.attributes and "gen_ai.provider.name" not in span.attributes


def _is_first(choice: Any) -> bool:
    """Another choice, or another piece of a stream, goes on with what an earlier record began."""
    index = choice.get("index") if isinstance(choice, dict) else None
    return not (isinstance(index, int) and index > 0)


def _is_piece(choice: Any) -> bool:
    """Of google-genai, whose pieces are counted on: the choices of others hold messages, and each is an answer."""
    return isinstance(choice, dict) and "content" in choice


def apart(found: Iterable[Said], messages: list[LogEvent]) -> Iterator[Said]:
    """All but the messages, which are put on the list."""
    for said in found:
        if isinstance(said, LogEvent) and said.name in NAMES:
            messages.append(said)
        else:
            yield said
