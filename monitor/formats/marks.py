"""What records are that no few bytes tell: their members do. Asked last, so that the others cost no more for it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from monitor.domain.halves import Side
from monitor.formats.bedrock_logs import BEDROCK
from monitor.formats.payloads.server_events import is_stream, lines_of


class Members(Struct, gc=False):
    """Of a record."""

    custom_id: Any = None
    databricks_request_id: Any = None
    captureData: Raw | UnsetType = UNSET
    logging_time: Any = None
    schemaType: Any = None
    key: Any = None
    error: Any = None
    body: Raw | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    request: Raw | UnsetType = UNSET
    response: Raw | UnsetType = UNSET
    call_type: Any = None
    startTime: Any = None
    """Both of LiteLLM."""
    done: Any = None
    """Of Ollama's answers, which may have a `response` too."""


class Asked(Struct, gc=False, forbid_unknown_fields=True):
    """All that Text Generation Inference's `generate` takes."""

    inputs: str
    parameters: dict[str, Any] | None = None
    stream: bool | None = None


class Said(Struct, gc=False, forbid_unknown_fields=True):
    """All that it answers."""

    generated_text: str
    details: Any = None


class TritonAsked(Struct, gc=False):
    """What Triton's and KServe's `generate` takes, beside parameters of any name."""

    text_input: str | list[str]


class TritonSaid(Struct, gc=False):
    """What it answers, beside other outputs."""

    text_output: str | list[str]


class SglangAsked(Struct, gc=False):
    """What SGLang's `generate` takes."""

    sampling_params: Any
    text: str | list[str] | None = None
    input_ids: list[Any] | None = None


class SglangSaid(Struct, gc=False):
    text: str
    meta_info: dict[str, Any]


class SglangTextAsked(Struct, gc=False):
    """The same without anything around it."""

    sampling_params: dict[str, Raw] | list[dict[str, Raw]]
    text: str | list[str]


class SglangTokensAsked(Struct, gc=False):
    sampling_params: dict[str, Raw] | list[dict[str, Raw]]
    input_ids: list[Any]


class SglangTold(Struct, gc=False):
    id: str
    completion_tokens: int


class SglangAnswered(Struct, gc=False):
    text: str
    meta_info: SglangTold


class LlamaCppAsked(Struct, gc=False):
    """What llama.cpp's `completion` takes."""

    prompt: Any
    n_predict: int


class LlamaCppSaid(Struct, gc=False):
    """What llama.cpp's `completion` answers."""

    content: str
    tokens_predicted: int


class TitanAsked(Struct, gc=False):
    inputText: str
    textGenerationConfig: dict[str, Any]


class TitanSaid(Struct, gc=False):
    results: list[dict[str, Raw]]
    inputTextTokenCount: int


class OllamaSaid(Struct, gc=False):
    """What Ollama answers, or a piece of it."""

    model: str
    created_at: str
    done: bool
    message: dict[str, Raw] | UnsetType = UNSET
    response: str | UnsetType = UNSET


class Embedded(Struct, gc=False):
    embedding: list[float] | str


class EmbeddingsSaid(Struct, gc=False):
    data: Annotated[list[Embedded], Meta(min_length=1)]


class Ranked(Struct, gc=False):
    index: int
    relevance_score: float


class RerankSaid(Struct, gc=False):
    results: Annotated[list[Ranked], Meta(min_length=1)]


class Moderated(Struct, gc=False):
    categories: dict[str, bool]
    category_scores: dict[str, float]


class ModerationSaid(Struct, gc=False):
    results: Annotated[list[Moderated], Meta(min_length=1)]


class GeminiAsked(Struct, gc=False):
    contents: list[dict[str, Raw]] | dict[str, Raw]


class GeminiSaid(Struct, gc=False):
    candidates: list[dict[str, Raw]]


class GeminiRefused(Struct, gc=False):
    promptFeedback: dict[str, Raw]


Several = Annotated[list[Said], Meta(min_length=1)]
Pieces = Annotated[list[GeminiSaid], Meta(min_length=1)]

_to_members = msgspec.json.Decoder(Members).decode
_to_gemini_asked = msgspec.json.Decoder(GeminiAsked).decode
_GEMINI: Final = (msgspec.json.Decoder(GeminiSaid | Pieces).decode, msgspec.json.Decoder(GeminiRefused).decode)
_ASKED: Final = (msgspec.json.Decoder(SglangAsked).decode,)
_SAID: Final = tuple(
    msgspec.json.Decoder(one | Annotated[list[one], Meta(min_length=1)]).decode  # type: ignore[valid-type]
    for one in (SglangSaid, LlamaCppSaid, TitanSaid)
)
"""Of calls that have a body in an object around it; by itself such a body has to say more."""
_OTHERS: Final = tuple(msgspec.json.Decoder(one).decode for one in (EmbeddingsSaid, RerankSaid, ModerationSaid))
_REQUESTS: Final = tuple(
    msgspec.json.Decoder(one).decode
    for one in (Asked, TritonAsked, SglangTextAsked, SglangTokensAsked, LlamaCppAsked, TitanAsked)
)
_RESPONSES: Final = (
    msgspec.json.Decoder(Said | Several).decode,
    *(msgspec.json.Decoder(one).decode for one in (TritonSaid, SglangAnswered, LlamaCppSaid, TitanSaid, OllamaSaid)),
)
_EVENT: Final = re.compile(rb"^data: ?\{", re.MULTILINE)
_to_piece = msgspec.json.Decoder(OllamaSaid).decode


def format_of(value: bytes) -> str | None:
    """The format that reads a line of a batch, a log of a cloud, a call of `generate`, `completion`, or one that no
    text answers, or a stream; else None."""
    try:
        members = _to_members(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = Members()  # answers may come in a list
    if _is_chat(members) or is_bare_stream(value):
        return "openai_chat"
    request, response = members.request, members.response
    if _is_any(request, _ASKED) or _is_any(response, _SAID):
        return "oip"
    if request is not UNSET or (response is not UNSET and members.done is None):
        return "oip" if _is_any(request, _REQUESTS) or _is_any(response, _RESPONSES) else None
    return "oip" if side_of(value) is not None else None


def _is_chat(members: Members) -> bool:
    bodies = (members.body, members.params, members.result, members.response)
    if members.custom_id is not None and any(one is not UNSET for one in bodies):
        return True
    request, response = members.request, members.response
    if (members.databricks_request_id is not None and request is not UNSET) or _is_of_a_cloud(members):
        return True
    if members.call_type is not None and members.startTime is not None:
        return True
    if _is_any(request, (_to_gemini_asked,)) or _is_any(response, _GEMINI) or _is_any(response, _OTHERS):
        return True
    is_failure = members.key is not None and isinstance(members.error, dict | str)
    return is_failure and request is UNSET and response is UNSET


def side_of(value: bytes) -> Side | None:
    """Which side of a call a record is that is nothing but a body of `generate` or `completion`; None where it is of
    no such API."""
    if _is_any(Raw(value), _REQUESTS):
        return "request"
    return "response" if _is_any(Raw(value), _RESPONSES) else None


def is_bare_stream(value: bytes) -> bool:
    """Server-sent events with objects as their data, or the lines of Ollama's."""
    if is_stream(value):
        return _EVENT.search(value) is not None
    return b'"created_at"' in value and any(_is_any(Raw(one), (_to_piece,)) for one in lines_of(value)[:1])


def _is_of_a_cloud(members: Members) -> bool:
    if members.captureData is not UNSET:
        return bytes(members.captureData).startswith(b"{")
    return members.logging_time is not None or members.schemaType == BEDROCK


def _is_any(raw: Raw | UnsetType, decoders: tuple[Any, ...]) -> bool:
    if raw is UNSET:
        return False
    for decode in decoders:
        try:
            decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return True
    return False
