"""Chats as telemetry writes them: what was asked and answered, out of messages made of parts.

Parts of OpenTelemetry (text, uri, blob, file, reasoning, refusal) and of OpenAI (text, image_url, refusal) are read.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-input-messages.json
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads import images
from monitor.formats.payloads.rows import Fields

REDACTED = "__REDACTED__"
"""What OpenInference writes in place of texts and pictures that are hidden."""
FILE_REF = "urn:gen-ai-file:{}"
"""A picture that was uploaded before, by its id: nothing that could be opened."""
_FILTERED = frozenset({"content_filter", "safety", "refusal"})
_OF_MESSAGES = frozenset({"role", "parts", "content", "type"})
_SYSTEM = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    refused: bool = False


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
        found["image"] = images.from_address(picture)
    return found


def answered(messages: Iterable[Message], finish_reasons: Iterable[Any] = ()) -> Fields:
    """`output` of a prediction: the first answer, whether the model refused, and whether a filter cut in."""
    found: Fields = {}
    first = next(iter(messages), None)
    if first is not None and first.texts:
        found["answer"] = "".join(first.texts)
    filtered = _FILTERED & {str(one) for one in finish_reasons}
    if filtered or (first is not None and first.refused):
        found["refused"] = True
    if "content_filter" in filtered:
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
        return [Message("user", [value])] if value and value != REDACTED else []
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
    message = Message(str(value.get("role", "")), refused=bool(value.get("refusal")))
    content = value["parts"] if "parts" in value else _parts(value.get("content"))
    for part in content if isinstance(content, list) else [value if "role" not in value else content]:
        message.texts.extend(_texts(part))
        message.pictures.extend(_pictures(part))
        if isinstance(part, dict) and part.get("type") == "refusal":
            return Message(message.role, message.texts, message.pictures, refused=True)
    return message


def _parts(content: Any) -> Any:
    """OpenAI's parts, also written as JSON text; any other text is an answer, even one in JSON."""
    found = read_json(content)
    typed = isinstance(found, list) and all(isinstance(one, dict) and "type" in one for one in found)
    return found if typed else content


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        known = part.get("type", "text") in ("text", "input_text", "output_text")
        part = part.get("content", part.get("text")) if known else None
    if isinstance(part, str) and part and part != REDACTED:
        yield part


def _pictures(part: Any) -> Iterator[str]:
    match part:
        case {"type": "uri", "uri": str(found)} if _is_image(part):
            pass
        case {"type": "blob", "content": str(content)} if _is_image(part):
            kind = str(part.get("mime_type") or f"image/{images.kind_of_base64(content) or 'unknown'}")
            found = f"data:{kind};base64,{content}"
        case {"type": "file", "file_id": str(file_id)} if _is_image(part):
            found = FILE_REF.format(file_id)
        case {"type": "image_url" | "input_image", "image_url": {"url": str(found)} | str(found)}:
            pass
        case {"type": "image", "image": {"url": str(found)}}:
            pass
        case _:
            return
    if found and REDACTED not in found:
        yield found


def _is_image(part: dict[str, Any]) -> bool:
    return part.get("modality") == "image" or str(part.get("mime_type", "")).startswith("image/")
