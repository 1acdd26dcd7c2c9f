"""Chats as telemetry writes them: what was asked and answered, out of messages made of parts.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-input-messages.json
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.parts import are_parts, is_hidden, is_refusal, picture_of, text_of
from monitor.formats.payloads import images
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.thoughts import without_thoughts
from monitor.formats.trees import at

_FILTERED = frozenset(
    {
        "content_filter",
        "content-filter",
        "contentfilter",
        "content_filtered",
        "guardrail_intervened",
        "safety",
        "prohibited_content",
        "blocklist",
        "blocked",
    }
)
"""Finish reasons of answers that a filter stopped: OpenAI's (as Vercel's AI SDK and .NET spell it, too), Bedrock's
(two), Gemini's, Genkit's."""
_IN_PLACE_OF_FILTERED = "FILTERED"
"""What OpenLLMetry writes as the content of such an answer."""
_OF_MESSAGES = frozenset({"role", "parts", "content", "type"})
_MESSAGES = re.compile(r'\s{0,9}(?:\[\s{0,9}\{\s{0,9}"(?:role|parts|content|type)"|\{\s{0,9}"(?:role|parts)")\s{0,9}:')
_PARTS = re.compile(
    r'\s{0,9}\[\s{0,9}\{\s{0,9}"type"\s{0,9}:\s{0,9}"'
    r'(?:(?:input_|output_)?(?:text|image)|image_url|blob|uri|file|thinking|reasoning|refusal|tool_\w{1,20})"'
)
"""How messages, and the parts of one, begin as JSON. An answer in JSON that the model did not end begins otherwise."""
_SYSTEM = frozenset({"system", "developer"})
_ROLES = {"human": "user", "ai": "assistant"}
"""LangChain's word for a role -> everyone else's."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    refused: bool = False
    finish_reason: str = ""
    """Of an answer, where it is said with it."""


def asked(messages: Iterable[Message], instructions: Iterable[str] = ()) -> Fields:
    """`input` of a prediction: the last question of the user with its picture, and the instructions as its context.

    Earlier turns are not part of it, except for the picture that a later question is about.
    """
    messages = list(messages)
    users = [one for one in messages if one.role == "user"] or [one for one in messages if one.role not in _SYSTEM]
    context = [*instructions, *(text for one in messages if one.role in _SYSTEM for text in one.texts)]
    found: Fields = {}
    if prompt := next((one.texts for one in reversed(users) if one.texts), []):
        found["prompt"] = "\n".join(prompt)
    if context:
        found["context"] = "\n\n".join(context)
    if picture := next((one.pictures[0] for one in reversed(users) if one.pictures), ""):
        found["image"] = images.from_text(picture)
    return found


def answered(messages: Iterable[Message], finish_reasons: Iterable[Any] = ()) -> Fields:
    """`output` of a prediction: the first answer, whether the model refused, and whether a filter cut in.

    Reasoning and calls of tools may stand in messages of their own before it.

    Args:
        finish_reasons: those of the call, for answers that do not say theirs.
    """
    found: Fields = {}
    messages = list(messages)
    first = next(filter(_says, messages), messages[0] if messages else Message(""))
    reasons = _lowered([first.finish_reason] if first.finish_reason else finish_reasons)
    filtered = not _FILTERED.isdisjoint(reasons)
    answer = without_thoughts("".join(first.texts))
    if answer and not (filtered and answer == _IN_PLACE_OF_FILTERED):
        found["answer"] = answer
    if filtered or first.refused or "refusal" in reasons:
        found["refused"] = True
    if filtered:
        found["safety"] = {"flagged": True, "categories": ["content_filter"]}
    return found


def read_messages(value: Any, name: str) -> list[Message]:
    """Messages of an attribute: a list of objects, the same as JSON text, or plain text, which is one message.

    Text that is any other JSON object says nothing: it is the body of some API. Nor do messages that were cut off.

    Raises:
        InvalidEvent: they are none; the message names the attribute.
    """
    said = read_json(value)
    found = _listed(said) if isinstance(said, dict) else said
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        if is_cut(found):
            return []
        found = [read_json(one) for one in found]  # each a text by itself: a list of OpenTelemetry holds no objects
    if isinstance(found, list) and all(isinstance(one, dict) and one.keys() & _OF_MESSAGES for one in found):
        return [_message(one) for one in found]
    if isinstance(value, list) and found and all(isinstance(one, str) for one in value):
        return [Message("user", [one]) for one in value if one and not is_hidden(one)]
    if not isinstance(value, str):
        raise InvalidEvent(Rejection.INVALID, f"{name} is neither text nor a list of messages")
    plain = not isinstance(said, dict) and not is_hidden(value) and not is_cut(value)
    return [Message("user", [value])] if value and plain else []


def read_json(value: Any) -> Any:
    """What a text that may be JSON says; other texts and values as they are."""
    if isinstance(value, str) and value[:64].lstrip().startswith(("[", "{")):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def is_cut(value: Any, begins: re.Pattern[str] = _MESSAGES) -> bool:
    """Messages (or parts) as JSON text that ends too soon: SDKs cut attributes at a length that they are told
    (`OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`), as backends do, and a picture inside makes them long. Which message was the
    last, or what it asked, can no longer be told."""
    if isinstance(value, list):
        return any(is_cut(one, begins) for one in value)
    return isinstance(value, str) and begins.match(value) is not None and isinstance(read_json(value), str)


def texts_of(value: Any, name: str) -> list[str]:
    """The texts of parts that stand for themselves, such as `gen_ai.system_instructions`."""
    return [text for one in read_messages(value, name) for text in one.texts]


def _says(message: Message) -> bool:
    return bool(message.texts) or message.refused or not _FILTERED.isdisjoint(_lowered([message.finish_reason]))


def _lowered(finish_reasons: Iterable[Any]) -> set[str]:
    """In lower case, without what Python puts before members of an enum: `FinishReason.CONTENT_FILTER`."""
    return {str(one).lower().rpartition(".")[2] for one in finish_reasons}


def _listed(value: dict[str, Any]) -> list[Any]:
    """The messages of an object: it is one, or the body of a request or response that holds them (LangSmith, Langfuse,
    MLflow): OpenAI's, Gemini's, those of Ollama, Genkit and Bedrock's Converse API."""
    match value:
        case {"messages": list(found)}:
            return [_constructed(one) for one in _first_batch(found)]
        case {"choices": list(found)} | {"generations": list(found)} | {"candidates": list(found)}:
            return [_chosen(one) for one in _first_batch(found)]
        case {"prompts": [str(text), *_]} | {"prompt": str(text)} | {"contents": str(text)}:
            return [{"role": "user", "content": text}]
        case {"contents": list(found)} | {"input": list(found)} | {"output": list(found)}:
            return found
        case {"message": dict(message)} | {"output": {"message": dict(message)}}:
            return [message]
    return [value]


def _first_batch(found: list[Any]) -> list[Any]:
    """LangChain has batches of one."""
    return found[0] if found and isinstance(found[0], list) else found


def _chosen(one: Any) -> Any:
    """The message of a choice of OpenAI's, or of a generation of LangChain's; the text of a completion."""
    match one:
        case {"message": dict(message)}:
            said = _constructed(message)
        case {"text": str(text)}:
            said = {"role": "assistant", "content": text}
        case _:
            return one
    return {"finish_reason": at(one, "finish_reason") or at(one, "generation_info", "finish_reason")} | said


def _constructed(one: Any) -> Any:
    """A message that LangChain wrote as the class and the arguments that make it."""
    match one:
        case {"id": [*_, str(name)], "kwargs": dict(said)}:
            role = name.removesuffix("Chunk").removesuffix("Message").lower()
            return {"role": _ROLES.get(role, role)} | said
    return one


def _message(value: dict[str, Any]) -> Message:
    """A message, or a part that stands alone."""
    content = value.get("content", value.get("text") if "role" in value else None)
    if isinstance(content, dict) and "parts" in content:  # Gemini's messages, inside an event
        value = value | {name: one for name, one in content.items() if one is not None}
    content = value["parts"] if "parts" in value else _parts(content)
    parts = content if isinstance(content, list) else [value if "role" not in value else content]
    return Message(
        str(value.get("role") or ""),
        [text for part in parts if (text := text_of(part))],
        [picture for part in parts if (picture := picture_of(part))],
        refused=bool(value.get("refusal")) or any(is_refusal(part) for part in parts),
        finish_reason=str(value.get("finish_reason") or ""),
    )


def _parts(content: Any) -> Any:
    """Parts, also written as JSON text, of which nothing is left where it was cut off; any other text is an answer,
    even one in JSON."""
    found = read_json(content)
    if are_parts(found):
        return found
    return None if is_cut(content, _PARTS) else content
