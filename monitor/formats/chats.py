"""Chats as telemetry writes them: what was asked and answered, out of messages made of parts.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-input-messages.json
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.parts import HIDDEN, are_parts, is_refusal, picture_of, text_of
from monitor.formats.payloads import images
from monitor.formats.payloads.rows import Fields

_FILTERED = frozenset(
    {"content_filter", "content_filtered", "guardrail_intervened", "safety", "prohibited_content", "blocklist"}
)
"""Finish reasons of answers that a filter stopped: OpenAI's, Bedrock's (two), Gemini's."""
_IN_PLACE_OF_FILTERED = "FILTERED"
"""What OpenLLMetry writes as the content of such an answer."""
_OF_MESSAGES = frozenset({"role", "parts", "content", "type"})
_SYSTEM = frozenset({"system", "developer"})


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

    Args:
        finish_reasons: those of the call, for answers that do not say theirs.
    """
    found: Fields = {}
    first = next(iter(messages), Message(""))
    reasons = {str(one).lower() for one in ([first.finish_reason] if first.finish_reason else finish_reasons)}
    filtered = not _FILTERED.isdisjoint(reasons)
    answer = "".join(first.texts)
    if answer and not (filtered and answer == _IN_PLACE_OF_FILTERED):
        found["answer"] = answer
    if filtered or first.refused or "refusal" in reasons:
        found["refused"] = True
    if filtered:
        found["safety"] = {"flagged": True, "categories": ["content_filter"]}
    return found


def read_messages(value: Any, name: str) -> list[Message]:
    """Messages of an attribute: a list of objects, the same as JSON text, or plain text, which is one message.

    Raises:
        InvalidEvent: they are none; the message names the attribute.
    """
    found = read_json(value)
    if isinstance(found, dict):
        found = found.get("messages", [found])
    if isinstance(found, list) and all(isinstance(one, dict) and one.keys() & _OF_MESSAGES for one in found):
        return [_message(one) for one in found]
    if isinstance(value, str):
        return [Message("user", [value])] if value and value not in HIDDEN else []
    raise InvalidEvent(Rejection.INVALID, f"{name} is neither text nor a list of messages")


def read_json(value: Any) -> Any:
    """What a text that may be JSON says; other texts and values as they are."""
    if isinstance(value, str) and value[:64].lstrip().startswith(("[", "{")):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def texts_of(value: Any, name: str) -> list[str]:
    """The texts of parts that stand for themselves, such as `gen_ai.system_instructions`."""
    return [text for one in read_messages(value, name) for text in one.texts]


def _message(value: dict[str, Any]) -> Message:
    """A message, or a part that stands alone."""
    content = value.get("content")
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
    """Parts, also written as JSON text; any other text is an answer, even one in JSON."""
    found = read_json(content)
    return found if are_parts(found) else content
