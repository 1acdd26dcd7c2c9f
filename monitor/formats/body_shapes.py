"""What bodies of calls look like that say by themselves of which API they are: enough of it to be told by."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType


class TgiAsked(Struct, gc=False, forbid_unknown_fields=True):
    """All that Text Generation Inference's `generate` takes."""

    inputs: str
    parameters: dict[str, Any] | None = None
    stream: bool | None = None


class TgiSaid(Struct, gc=False, forbid_unknown_fields=True):
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


class RankedByLogit(Struct, gc=False):
    index: int
    logit: float


class RankingsSaid(Struct, gc=False):
    """NVIDIA's NIM."""

    rankings: Annotated[list[RankedByLogit], Meta(min_length=1)]


class Scored(Struct, gc=False):
    index: int
    score: float


class ScoresSaid(Struct, gc=False):
    """vLLM's score."""

    data: Annotated[list[Scored], Meta(min_length=1)]


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


TgiSaidSeveral = Annotated[list[TgiSaid], Meta(min_length=1)]
GeminiPieces = Annotated[list[GeminiSaid], Meta(min_length=1)]

GEMINI_ASKED: Final = (msgspec.json.Decoder(GeminiAsked).decode,)
GEMINI_SAID: Final = (
    msgspec.json.Decoder(GeminiSaid | GeminiPieces).decode,
    msgspec.json.Decoder(GeminiRefused).decode,
)
AROUND_ASKED: Final = (msgspec.json.Decoder(SglangAsked).decode,)
AROUND_SAID: Final = tuple(
    msgspec.json.Decoder(one | Annotated[list[one], Meta(min_length=1)]).decode  # type: ignore[valid-type]
    for one in (SglangSaid, LlamaCppSaid, TitanSaid)
)
"""Of calls that have a body in an object around it; by itself such a body has to say more."""
POOLED_SAID: Final = tuple(
    msgspec.json.Decoder(one).decode for one in (EmbeddingsSaid, RerankSaid, RankingsSaid, ScoresSaid, ModerationSaid)
)
REQUESTS: Final = tuple(
    msgspec.json.Decoder(one).decode
    for one in (TgiAsked, TritonAsked, SglangTextAsked, SglangTokensAsked, LlamaCppAsked, TitanAsked)
)
RESPONSES: Final = (
    msgspec.json.Decoder(TgiSaid | TgiSaidSeveral).decode,
    *(msgspec.json.Decoder(one).decode for one in (TritonSaid, SglangAnswered, LlamaCppSaid, TitanSaid, OllamaSaid)),
)
OLLAMA_PIECE: Final = (msgspec.json.Decoder(OllamaSaid).decode,)


def has_shape(raw: Raw | UnsetType, shapes: tuple[Any, ...]) -> bool:
    """Is it one of these?"""
    if raw is UNSET:
        return False
    for decode in shapes:
        try:
            decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return True
    return False
