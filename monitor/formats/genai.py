"""The GenAI semantic conventions of OpenTelemetry: what the attributes of a model call say.

https://github.com/open-telemetry/semantic-conventions-genai (docs/gen-ai). Older spellings are read too: those up to
semantic conventions 1.36, the flattened ones of OpenLLMetry (https://github.com/traceloop/openllmetry), and those of
frameworks (`monitor.formats.dialects`).
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from monitor.domain.events import Event
from monitor.formats import evaluations
from monitor.formats.calls import served_version
from monitor.formats.chats import Message, answered, asked, is_cut, read_json, read_messages, texts_of
from monitor.formats.dialects import adk, translated
from monitor.formats.options import FormatOptions
from monitor.formats.payloads.rows import Fields
from monitor.formats.predictions import call_fields, known_tokens, prediction
from monitor.formats.retrievals import retrieval
from monitor.formats.spans import Attributes, LogEvent, Span, SpanEvent, with_attributes
from monitor.formats.trees import children, tree

DETAILS: Final = "gen_ai.client.inference.operation.details"
"""The event that carries what was asked and answered, beside its span or instead of it."""
_CHAT = re.compile(
    r"a?(chat|(text_)?completion|generate_content(_stream)?|responses|anthropic_messages)"
    r"|(chat|text)\.(streaming_)?completions"
)
"""Operations that are a chat: the convention's, LiteLLM's kinds of calls (with an `a` where they are asynchronous) and
Semantic Kernel's. Others are passed over: they may be embeddings, tools or agents.
"""
_CONTENT = ("gen_ai.content.prompt", "gen_ai.content.completion", DETAILS)
"""Span events whose attributes belong to the call."""
_BODY: Final = "gen_ai.event.content"
"""The attribute of a span event that holds what would be the body of a log record."""
SERVED: Final = "gen_ai.request.id"
"""What only servers say of a call (vLLM)."""
_OF_A_SERVER = ({"gen_ai.response.model"}, {SERVED}, {"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"})
"""Servers name no operation: two of these three make a span one of a chat."""
MESSAGES: Final = ("gen_ai.input.messages", "gen_ai.output.messages")
_KEPT = (
    "gen_ai.provider.name",
    "gen_ai.response.id",
    "gen_ai.conversation.id",
    "gen_ai.response.finish_reasons",
    *(f"{name}_ref" for name in MESSAGES),  # where they were uploaded to, by opentelemetry-util-genai
    SERVED,
)
_ASKED, _ANSWERED = "gen_ai.request.messages", "gen_ai.response.text"
"""As Sentry's SDKs call them."""
_COSTS: Final = ("gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost")
"""What a call cost in US dollars: as OpenLIT, LiteLLM and Pydantic AI call it. No convention has it."""
_OBJECT_IN_BASE64 = "eyJ"
"""How a JSON object begins that was set as bytes: LangSmith does so, and newer SDKs for Python leave it at that."""
CHOICE: Final = "gen_ai.choice"
OLD_ROLES: Final = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
"""Events that were one message each, up to 1.36: the answer, and the role of what came before it."""


def decoded(span: Span, options: FormatOptions) -> Iterator[Event]:
    """The prediction of a span of these conventions, and the labels that are put on it.

    Raises:
        InvalidEvent: they do not allow what it says.
    """
    said = None if adk.is_inner(span) else fields(span, options)
    if said is not None:
        yield prediction(span, said)
    yield from evaluations.of_span(span)


def inference(event: LogEvent) -> Span:
    """The span that a `DETAILS` event stands for. It is of an inference, also where only the span beside it says so (as
    OpenTelemetry's instrumentation of google-genai has it).
    """
    return with_attributes(said_by(event), {"gen_ai.operation.name": "chat"})


def said_by(event: LogEvent) -> Span:
    """The span that such an event stands for, by its attributes, or by a body that has them."""
    span = event.as_span()
    return with_attributes(span, event.body) if isinstance(event.body, dict) else span


def fields(span: Span, options: FormatOptions) -> Fields | None:
    """What the span says of a model call; None when it is about something else (a tool, an agent, an evaluation).

    Raises:
        InvalidEvent: the conventions do not allow what it says.
    """
    span = translated(_with_content(span))
    attributes = span.attributes
    operation = _operation(attributes)
    if _CHAT.fullmatch(operation):
        said = _chat(attributes, span.events)
    elif operation == "retrieval":
        said = retrieval(attributes)
    else:
        return None
    said["model"] = _model(attributes)
    said["tokens"] = _tokens(attributes)
    said["cost_usd"] = _cost(attributes)
    person = {"user.id": attributes.get("user.id") or attributes.get("enduser.id")}
    said["extra"] = {name: attributes.get(name) for name in _KEPT} | person | said.get("extra", {})
    return call_fields(span, said, options)


def _with_content(span: Span) -> Span:
    """The span, saying what its events say in its place."""
    lists: dict[str, list[Any]] = {}
    for event in span.events:
        if event.name in _CONTENT:
            span = with_attributes(span, event.attributes)
        elif event.name in MESSAGES and isinstance(found := read_json(event.attributes.get(_BODY)), list):
            lists.setdefault(event.name, []).extend(found)
    return with_attributes(span, lists) if lists else span


def _operation(attributes: Attributes) -> str:
    """The operation's name; before there was one, whoever names a model and what kind of request it is means a chat."""
    name = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if name is None:
        said = attributes.keys()
        of_a_client = "gen_ai.request.model" in said or said >= {"gen_ai.system", "gen_ai.response.model"}
        name = "chat" if of_a_client or sum(bool(said & names) for names in _OF_A_SERVER) > 1 else ""
    return str(name or "")


def _chat(attributes: Attributes, events: Iterable[SpanEvent]) -> Fields:
    nested = tree({name: value for name, value in attributes.items() if name.startswith("gen_ai.")}).get("gen_ai", {})
    asked_in, answered_in = MESSAGES
    questions = _messages(attributes, asked_in, _ASKED) or _old_messages(nested, "prompt")
    answers = _messages(attributes, answered_in, _ANSWERED) or _old_messages(nested, "completion")
    if not questions and not answers:
        questions, answers = _talk(attributes, events)
    instructions = attributes.get("gen_ai.system_instructions")
    context = texts_of(instructions, "gen_ai.system_instructions") if instructions is not None else []
    found = {asked_in: questions, answered_in: answers, "gen_ai.system_instructions": context}
    cut = [name for name, said in found.items() if not said and is_cut(attributes.get(name))]
    return {
        "input": asked(questions, context),
        "output": answered(answers, _finish_reasons(attributes)),
        "extra": {"cut": cut} if cut else {},
    }


def _talk(attributes: Attributes, events: Iterable[SpanEvent]) -> tuple[list[Message], list[Message]]:
    """Questions and answers out of messages that are events, of the span or in its attribute `events`."""
    questions: list[Message] = []
    answers: list[Message] = []
    logged = _logged(attributes.get("events"))
    for name, content in [*((one.name, _old_content(one.attributes)) for one in events), *logged]:
        side = answers if name == CHOICE else questions
        side.extend(old_message(name, content))
    if not answers and "error.type" not in attributes:  # of the Responses API the answer is one more message (Logfire)
        while questions and questions[-1].role == "assistant":
            answers.insert(0, questions.pop())
    return questions, answers


def _logged(value: Any) -> list[tuple[str, Any]]:
    """Names and contents of the events that Pydantic AI (up to version 1 of its instrumentation) and Logfire set as an
    attribute, a list or the same as JSON text."""
    found = read_json(value)
    rows = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [(str(one.get("event.name", "")), one) for one in rows]


def _finish_reasons(attributes: Attributes) -> list[Any]:
    """A list; also as text, in JSON (.NET, LiteLLM) or joined by commas (LangSmith; Semantic Kernel, by a name of its
    own).
    """
    said = attributes.get("gen_ai.response.finish_reasons", attributes.get("gen_ai.response.finish_reason"))
    return said if isinstance(said, list) else [one.strip(' []"') for one in str(said or "").split(",")]


def _messages(attributes: Attributes, *names: str) -> list[Message]:
    """By the first of these names that says any."""
    return next((read_messages(attributes[name], name) for name in names if attributes.get(name) is not None), [])


def _old_messages(nested: Mapping[str, Any], name: str) -> list[Message]:
    """`gen_ai.prompt` as JSON, or flattened as `gen_ai.prompt.0.content`, of text completions `gen_ai.prompt.0.user`.

    A flattened message of another shape says nothing.
    """
    value = nested.get(name)
    if value is None:
        return []
    if isinstance(value, str) and value.startswith(_OBJECT_IN_BASE64):
        value = _as_text(value)
    if isinstance(value, dict):
        rows = [one for one in children(value) if isinstance(one, dict)]
        value = [
            {"role": "user", "content": one["user"], **one} if "user" in one else {"content": None, **one}
            for one in rows
        ]
    return read_messages(value, f"gen_ai.{name}")


def _as_text(value: str) -> str:
    """What bytes say that stand as base64; any other text as it is."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError:
        return value


def _old_content(attributes: Attributes) -> Any:
    """Of messages that are span events: one attribute, in JSON (conventions 1.28 to 1.36).

    Strands Agents have the content alone there, and the finish reason beside it.
    """
    names = (_BODY, "content", "message")
    content = read_json(next((attributes[name] for name in names if name in attributes), None))
    if content is None or isinstance(content, dict):
        return content
    return {"content": content, "finish_reason": attributes.get("finish_reason")}


def old_message(name: str, content: Any) -> list[Message]:
    """The message of such an event, by the event's name; none where nothing was captured.

    Raises:
        InvalidEvent: it is none.
    """
    role = OLD_ROLES.get(name)
    if content is None or (role is None and name != CHOICE):
        return []
    content = content if isinstance(content, dict) else {"content": content}
    message = content.get("message", content)
    around = {"role": role or "assistant", "finish_reason": content.get("finish_reason")}
    return read_messages([around | (message if isinstance(message, dict) else {"content": message})], name)


def _model(attributes: Attributes) -> Fields:
    """What was asked for is the name; what answered, where it is called otherwise, says the version."""
    asked_for, answering = attributes.get("gen_ai.request.model"), attributes.get("gen_ai.response.model")
    name = asked_for or answering or attributes.get("gen_ai.data_source.id")
    return {"name": name, "version": served_version(str(name), str(answering)) if answering else None}


def _tokens(attributes: Attributes) -> Fields:
    return known_tokens(
        {
            "in": attributes.get("gen_ai.usage.input_tokens", attributes.get("gen_ai.usage.prompt_tokens")),
            "out": attributes.get("gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens")),
            "image": attributes.get("gen_ai.usage.image.input_tokens"),
        }
    )


def _cost(attributes: Attributes) -> float | None:
    found = next((attributes[name] for name in _COSTS if name in attributes), None)
    return found if isinstance(found, int | float) and math.isfinite(found) and found >= 0 else None
