"""Requests of OpenAI's chat completions, as vLLM, KServe and others take them; also of the older text completions.

OpenAI API reference, "Create chat completion" (https://platform.openai.com/docs/api-reference/chat/create).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads import images
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.rows import Fields, demand_few

MAX_MESSAGES = 1024
MAX_PARTS = 256
MAX_FURTHER_IMAGES = 16
_SYSTEM = ("system", "developer")


class ImageUrl(Struct, gc=False):
    url: str | None = None


class Part(Struct, gc=False):
    type: str = ""
    text: str | None = None
    image_url: ImageUrl | str | None = None
    source: Any = None
    """Anthropic's pictures."""
    image: Any = None
    """Bedrock's pictures (Converse), and the addresses of Qwen's."""
    guardContent: Any = None
    """A text or picture of Converse that a guardrail is to look at."""


class Message(Struct, gc=False):
    role: str = "user"
    content: str | list[Part] | None = None
    images: Any = None
    """Ollama's pictures, in base64."""


class ChatRequest(Struct, gc=False):
    """What is read of a request; everything else (tools, formats, penalties) is passed over."""

    model: Any = None
    messages: list[Message] | None = None
    prompt: Any = None
    n: Any = None
    """So many answers to each prompt; of a chat the response tells."""
    metadata: Any = None
    stream: Any = None
    temperature: Any = None
    top_p: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    seed: Any = None
    user: Any = None
    safety_identifier: Any = None
    system: Any = None
    """Anthropic's and Ollama's: it is no message."""
    images: Any = None
    """Ollama's, beside a prompt."""


class Beside(Struct, gc=False):
    """What other services take beside a prompt: one picture, or a list of them."""

    image: Any = None
    image_url: Any = None


_to_beside = msgspec.json.Decoder(Beside).decode
_TAG: Final = '<img src="'
_PICTURE: Final = re.compile(r'<img src="((?:data:image/|https?://)[^"<>]*)"\s*+/?>')
"""As NVIDIA's NIM takes pictures inside a text."""
_PARAMETERS = ("stream", "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed")
_NUMBERS = (int, float)
_PROMPTS = (str, int, list)


def asks_for_texts(request: ChatRequest) -> bool:
    """Is it a text completion? Its prompt is a text, several, the tokens of one, or a list of those."""
    prompt = request.prompt
    if request.model is None or prompt is None:
        return False
    return isinstance(prompt, str) or (isinstance(prompt, list) and all(isinstance(one, _PROMPTS) for one in prompt))


def from_texts(request: ChatRequest) -> list[Fields]:
    """`input` and `extra` of each item of a text completion: of each of the `n` answers to each of its prompts.

    They stand in the order of the choices that will come. A response does not say which of them answer one prompt:
    whoever reads it alone can only take each for an item, and the sides must agree.

    Raises:
        InvalidEvent: there are more items than allowed.
    """
    prompts = _prompts(request.prompt) if isinstance(request.prompt, list) else [request.prompt]
    answers = answers_to_each(request)
    demand_few(len(prompts) * answers)
    rows = [from_request(request, [Message(content=one, images=request.images)]) for one in prompts]
    return rows if answers == 1 else [row for row in rows for _ in range(answers)]


def pictures_beside(body: bytes) -> list[Any]:
    """The pictures that stand beside the prompt of a text completion, under names that its API does not have."""
    told = _to_beside(body)
    given = told.image_url if told.image is None else told.image
    several = given if isinstance(given, list) else [given]
    return [one.get("url") or one.get("b64") if isinstance(one, dict) else one for one in several]


def answers_to_each(request: ChatRequest) -> int:
    """How many were asked for to each prompt."""
    return request.n if isinstance(request.n, int) and request.n > 1 else 1


def _prompts(given: list[Any]) -> list[str | None]:
    """The texts; None stands for a prompt of which only the tokens are known."""
    if not given or isinstance(given[0], int):
        return [None]
    return [one if isinstance(one, str) else None for one in given]


def from_request(request: ChatRequest, messages: Sequence[Message]) -> Fields:
    """`input` and `extra` of a request with these messages.

    The prompt is the text of the last user message that has one, the image the first of the newest user message that
    has any, the context what the system (or developer) messages say.

    Raises:
        InvalidEvent: there are more messages or parts than allowed.
    """
    if len(messages) > MAX_MESSAGES:
        raise InvalidEvent(Rejection.INVALID, f"messages: {len(messages)} of them; {MAX_MESSAGES} are allowed")
    said: Fields = {}
    extra: Fields = {}
    users = [one for one in messages if one.role == "user" and not _only_results(one.content)]
    for message in reversed(users):
        if (prompt := text_in(message.content)) is not None:
            said["prompt"] = _PICTURE.sub("", prompt).strip() if _TAG in prompt else prompt
            break
    if len(users) > 1:
        extra["turns"] = len(users)
    others = len(users) < len(messages) or request.system is not None
    if others and (context := _context(request.system, messages)):
        said["context"] = context
    for message in reversed(users):
        if found := _images(message):
            said["image"] = images.from_text(found[0])
            if len(found) > 1:
                extra["images"] = _further(found[1:])
            break
    return _fields(said, request, extra)


def _fields(said: Fields, request: ChatRequest, extra: Fields) -> Fields:
    for name in _PARAMETERS:
        value = getattr(request, name)
        if value is not None and isinstance(value, _NUMBERS):
            extra[name] = value
    named = request.user is not None or request.safety_identifier is not None or request.metadata is not None
    if named and (user := user_of(request.user, request.safety_identifier, request.metadata)):
        extra["user_id"] = user
    fields: Fields = {"input": said}
    if extra:
        fields["extra"] = extra
    return fields


def user_of(user: Any, safety_identifier: Any, metadata: Any) -> str:
    """Whose request it is: what OpenAI calls the user, what it calls so now, or Anthropic's `metadata.user_id`."""
    named = metadata.get("user_id") if isinstance(metadata, dict) else None
    return word(user) or word(safety_identifier) or word(named)


def _only_results(content: str | list[Part] | None) -> bool:
    """Anthropic's answers of tools come as messages of the user, who has not said them."""
    if not isinstance(content, list) or not content or content[0].type != "tool_result":  # mostly
        return False
    return all(part.type == "tool_result" for part in content)


def _context(system: Any, messages: Sequence[Message]) -> str:
    blocks = system if isinstance(system, list) else [{"text": system}]
    said = [one.get("text") for one in blocks[:MAX_PARTS] if isinstance(one, dict)]
    said += [text_in(one.content) for one in messages if one.role in _SYSTEM]
    return "\n\n".join(one for one in said if one and isinstance(one, str))


def text_in(content: str | list[Part] | None) -> str | None:
    """The text of a message, whose parts are joined by line feeds; None without any.

    Raises:
        InvalidEvent: there are more parts than allowed.
    """
    if not isinstance(content, list):
        return content
    parts = _parts(content)
    texts = [text for one in parts if (text := one.text if one.guardContent is None else _guarded(one)) is not None]
    return "\n".join(texts) if texts else None


def _guarded(part: Part) -> str | None:
    match part.guardContent:
        case {"text": {"text": str(text)}}:
            return text
    return part.text


def _images(message: Message) -> list[str]:
    """Addresses of the pictures, or the base64 that some clients write in their place."""
    parts = _parts(message.content) if isinstance(message.content, list) else ()
    found = [address for part in parts if (address := address_of(part))]
    if isinstance(message.content, str) and _TAG in message.content:
        found += _PICTURE.findall(message.content)[:MAX_PARTS]
    if isinstance(message.images, list):
        found += [one for one in message.images[:MAX_PARTS] if isinstance(one, str)]
    return found


def address_of(part: Part) -> str | None:
    """That of a picture; `image_url` is an object or, from some clients, the address itself."""
    if part.image_url is not None:
        return part.image_url.url if isinstance(part.image_url, ImageUrl) else part.image_url
    match part.source:
        case {"url": str(url)} if part.type == "image":
            return url
        case {"data": str(data), **more} if part.type == "image":
            return f"data:{more.get('media_type') or 'image/unknown'};base64,{data}"
    guarded = part.guardContent
    return _of_bedrock(part.image or (guarded.get("image") if isinstance(guarded, dict) else None))


def _of_bedrock(picture: Any) -> str | None:
    """Also the bare address of Qwen's. What Bedrock logs says where it has put the picture (`s3Uri`)."""
    match picture:
        case str(address) | {"source": {"s3Location": {"uri": str(address)}} | {"s3Uri": str(address)}}:
            return address
        case {"source": {"bytes": str(data)}, **more}:
            return f"data:image/{more.get('format') or 'unknown'};base64,{data}"
    return None


def _parts(parts: list[Part]) -> list[Part]:
    if len(parts) > MAX_PARTS:
        raise InvalidEvent(Rejection.INVALID, f"content: {len(parts)} parts; {MAX_PARTS} are allowed")
    return parts


def _further(addresses: list[str]) -> list[Fields]:
    return [images.in_words(images.from_text(one)) for one in addresses[:MAX_FURTHER_IMAGES]]
