"""Parts of messages in telemetry: the text and the picture of one, in the shapes that instrumentations write.

Those of OpenTelemetry (text, uri, blob, file, reasoning, refusal), OpenAI (text, image_url, refusal), Anthropic
(image), Pydantic AI (image-url, binary), Vercel's AI SDK (image, file), LangChain (image) and Strands Agents (image),
and those without a type of Gemini, Genkit and Bedrock's Converse API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.formats.payloads import images
from monitor.formats.payloads.chat_request import Part, address_of

REDACTED: Final = "__REDACTED__"
"""What OpenInference writes in place of texts and pictures that are hidden."""
HIDDEN: Final = frozenset({REDACTED, "<elided>", "redacted-by-litellm", "<replaced>", "<redacted>"})
"""All such placeholders: OpenTelemetry's instrumentation of google-genai writes the second, LiteLLM the third, Strands
Agents the fourth in place of bytes, and Genkit's exporters the last."""
FILE_REF: Final = "urn:gen-ai-file:{}"
"""A picture that was uploaded before, by its id: nothing that could be opened."""
_BLOCKS: Final = frozenset(
    {"text", "image", "document", "video", "audio", "toolUse", "toolResult", "reasoningContent", "guardContent"}
)
"""Members of a content block of Bedrock's Converse API, which has one of them and no type."""

_KINDS: Final = ("mime_type", "media_type", "mimeType", "mediaType", "contentType")
_ANY_IMAGE: Final = ("", "image", "image/*")
"""What is said of the kind of a picture whose kind nobody asked for."""
_ADDRESS: Final = re.compile(r"(?:https?|data|s3|gs):", re.IGNORECASE)
_UPLOADED: Final = re.compile(r"@@@langfuseMedia:.{0,200}?\bid=([^|@]{1,128})")
"""What Langfuse's SDKs write in place of pictures in base64, which they upload."""


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
    if not isinstance(part, dict) or part.get("type") == "text":
        return ""
    found = _at_an_address(part) or _inside(part) or _elsewhere(part)
    if found.startswith("@@@") and (uploaded := _UPLOADED.match(found)):
        return FILE_REF.format(uploaded[1])
    return "" if REDACTED in found else found


def _at_an_address(part: Mapping[Any, Any]) -> str:
    match part:
        case {"type": "image_url" | "input_image" | "image", "image_url": {"url": str(found)} | str(found)}:
            return found
        case {"type": "image" | "image-url", "url": str(found)} | {"type": "image", "image": {"url": str(found)}}:
            return found
        case {"type": "uri", "uri": str(found)} | {"type": "media", "file_uri": str(found)} if _is_image(part):
            return found
        case (
            {"kind": "image-url", "url": str(found)}  # Pydantic AI's first version
            | {"image": {"source": {"s3Location": {"uri": str(found)}} | {"s3Uri": str(found)}}}  # Bedrock, its logs
            | {"image": {"source": {"location": {"uri": str(found)}}}}  # Strands Agents
        ):
            return found
        case (
            {"file_data": {"file_uri": str(found), **told}}
            | {"fileData": {"fileUri": str(found), **told}}
            | {"media": {"url": str(found), **told}}  # Genkit
        ) if _is_image(told) or found.startswith("data:image/"):
            return found
    return ""


def _inside(part: Mapping[Any, Any]) -> str:
    match part:
        case (
            {"type": "blob" | "binary", "content": str(content)}
            | {"kind": "binary", "binary_content": str(content)}
            | {"type": "image", "image": str(content)}
            | {"type": "image", "base64": str(content)}
            | {"type": "image" | "file" | "media", "data": str(content)}
        ):
            told = part
        case {"inline_data": {"data": str(content)} as told} | {"inlineData": {"data": str(content)} as told}:
            pass
        case {"image": {"source": {"bytes": str(content)}}}:
            told = {"type": "image"}
        case _:
            return ""
    if not _is_image(told):
        return ""
    return content if _ADDRESS.match(content) else _inline(content, told)


def _elsewhere(part: Mapping[Any, Any]) -> str:
    """Uploaded before, or in a part of another shape inside this one."""
    match part:
        case {"type": "file", "file_id": str(file_id)} if _is_image(part):
            return FILE_REF.format(file_id)
        case {"type": "input_image", "file_id": str(file_id)} | {"type": "image", "source": {"file_id": str(file_id)}}:
            return FILE_REF.format(file_id)
        case {"type": "image", "source": source}:
            return address_of(Part("image", source=source)) or ""
        case {"type": "image", "content": {"source": dict()} as block}:  # Strands Agents
            return picture_of({"image": block})
    return ""


def is_hidden(value: Any) -> bool:
    """Does it stand where a text or a picture was hidden?"""
    return isinstance(value, str) and value in HIDDEN


def is_refusal(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "refusal"


def _inline(content: str, told: Mapping[Any, Any]) -> str:
    if is_hidden(content):
        return ""
    kind = _kind(told)
    if kind in _ANY_IMAGE:
        kind = f"image/{images.kind_of_base64(content) or 'unknown'}"
    return f"data:{kind};base64,{content}"


def _is_image(told: Mapping[Any, Any]) -> bool:
    return "image" in (told.get("modality"), told.get("type")) or _kind(told).startswith("image")


def _kind(told: Mapping[Any, Any]) -> str:
    return str(next((told[name] for name in _KINDS if told.get(name)), ""))
