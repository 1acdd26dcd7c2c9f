"""Parts of messages in telemetry: the text and the picture of one, in the shapes that instrumentations write.

Those of OpenTelemetry (text, uri, blob, file, reasoning, refusal), OpenAI (text, image_url, refusal), Anthropic
(image), Pydantic AI (image-url, binary) and Vercel's AI SDK (image, file), and those without a type of Gemini and
Bedrock's Converse API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.formats.payloads import images
from monitor.formats.payloads.chat_request import Part, address_of

REDACTED: Final = "__REDACTED__"
"""What OpenInference writes in place of texts and pictures that are hidden."""
HIDDEN: Final = frozenset({REDACTED, "<elided>", "redacted-by-litellm"})
"""All such placeholders: OpenTelemetry's instrumentation of google-genai writes the second, LiteLLM the third."""
FILE_REF: Final = "urn:gen-ai-file:{}"
"""A picture that was uploaded before, by its id: nothing that could be opened."""
_BLOCKS: Final = frozenset(
    {"text", "image", "document", "video", "audio", "toolUse", "toolResult", "reasoningContent", "guardContent"}
)
"""Members of a content block of Bedrock's Converse API, which has one of them and no type."""

_KINDS: Final = ("mime_type", "media_type", "mimeType", "mediaType")
_ANY_IMAGE: Final = ("", "image", "image/*")
"""What is said of the kind of a picture whose kind nobody asked for."""
_ADDRESS: Final = re.compile(r"(?:https?|data|s3|gs):", re.IGNORECASE)


def are_parts(value: Any) -> bool:
    """Is this a list of parts, as nothing else that stands in JSON would be?"""
    return isinstance(value, list) and all(
        isinstance(one, dict) and ("type" in one or (len(one) == 1 and one.keys() <= _BLOCKS)) for one in value
    )


def text_of(part: Any) -> str:
    """What it says, reasoning aside; empty where that is nothing."""
    if isinstance(part, dict):
        if isinstance(guarded := part.get("guardContent"), dict):
            part = guarded.get("text") if isinstance(guarded.get("text"), dict) else {}
        known = part.get("type", "text") in ("text", "input_text", "output_text") and not part.get("thought")
        part = part.get("content", part.get("text")) if known else None
    return part if isinstance(part, str) and not is_hidden(part) else ""


def picture_of(part: Any) -> str:
    """The address of its picture, a `data:` address of one that came inside; empty without any."""
    match part:
        case {"type": "uri", "uri": str(found)} if _is_image(part):
            pass
        case {"type": "image_url" | "input_image", "image_url": {"url": str(found)} | str(found)}:
            pass
        case {"type": "image", "image": {"url": str(found)}} | {"type": "image-url", "url": str(found)}:
            pass
        case {"image": {"source": {"s3Location": {"uri": str(found)}} | {"s3Uri": str(found)}}}:
            pass
        case {"file_data": {"file_uri": str(found), **told}} if _is_image(told):
            pass
        case {"type": "blob" | "binary", "content": str(content)} if _is_image(part):
            found = _inline(content, part)
        case {"type": "image", "image": str(content)} | {"type": "file", "data": str(content)} if _is_image(part):
            found = content if _ADDRESS.match(content) else _inline(content, part)
        case {"inline_data": {"data": str(content), **told}} if _is_image(told):
            found = _inline(content, told)
        case {"image": {"source": {"bytes": str(content)}}}:
            found = _inline(content, {})
        case {"type": "file", "file_id": str(file_id)} if _is_image(part):
            found = FILE_REF.format(file_id)
        case {"type": "image", "source": source}:
            found = address_of(Part("image", source=source)) or ""
        case _:
            return ""
    return "" if REDACTED in found else found


def is_hidden(value: Any) -> bool:
    """Does it stand where a text or a picture was hidden?"""
    return isinstance(value, str) and value in HIDDEN


def is_refusal(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "refusal"


def _inline(content: str, told: Mapping[Any, Any]) -> str:
    kind = _kind(told)
    if kind in _ANY_IMAGE:
        kind = f"image/{images.kind_of_base64(content) or 'unknown'}"
    return f"data:{kind};base64,{content}"


def _is_image(told: Mapping[Any, Any]) -> bool:
    return "image" in (told.get("modality"), told.get("type")) or _kind(told).startswith("image")


def _kind(told: Mapping[Any, Any]) -> str:
    return str(next((told[name] for name in _KINDS if told.get(name)), ""))
