"""What records are that no few bytes tell: their members do. Asked last, so that the others cost no more for it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from monitor.formats.bedrock_logs import BEDROCK


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


class LlamaCppSaid(Struct, gc=False):
    """What llama.cpp's `completion` answers."""

    content: str
    tokens_predicted: int


class TitanSaid(Struct, gc=False):
    results: list[dict[str, Raw]]
    inputTextTokenCount: int


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
"""Of calls that have a body in an object around it; by itself such a body says too little."""
_REQUESTS: Final = (msgspec.json.Decoder(Asked).decode, msgspec.json.Decoder(TritonAsked).decode)
_RESPONSES: Final = (msgspec.json.Decoder(Said | Several).decode, msgspec.json.Decoder(TritonSaid).decode)


def format_of(value: bytes) -> str | None:
    """The format that reads a line of a batch, a log of a cloud, or a call of `generate` or `completion`; else None."""
    try:
        members = _to_members(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = Members()  # answers may come in a list
    bodies = (members.body, members.params, members.result, members.response)
    if members.custom_id is not None and any(one is not UNSET for one in bodies):
        return "openai_chat"
    request, response = members.request, members.response
    if (members.databricks_request_id is not None and request is not UNSET) or _is_of_a_cloud(members):
        return "openai_chat"
    if _is_any(request, (_to_gemini_asked,)) or _is_any(response, _GEMINI):
        return "openai_chat"
    if members.key is not None and request is UNSET and response is UNSET and isinstance(members.error, dict | str):
        return "openai_chat"
    if _is_any(request, _ASKED) or _is_any(response, _SAID):
        return "oip"
    if request is UNSET and response is UNSET:
        request = response = Raw(value)
    return "oip" if _is_any(request, _REQUESTS) or _is_any(response, _RESPONSES) else None


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
