"""Log-probabilities of an answer's tokens, as chat completions and text completions write them.

OpenAI API reference, "The chat completion object" and "The completion object"
(https://platform.openai.com/docs/api-reference/completions/object).
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import Struct

from monitor.formats.payloads.confidence import Token, TopToken


class Logprobs(Struct, gc=False):
    content: list[Token] | None = None
    refusal: list[Token] | None = None
    tokens: list[Any] | None = None
    token_logprobs: list[Any] | None = None
    top_logprobs: list[Any] | None = None
    """The last three are what text completions have, as `TextLogprobs` if we can use them."""


class TextLogprobs(Struct, gc=False):
    """One entry for each token. Older versions of mlx-lm write ids for the tokens and pairs for the best: they say
    nothing to us."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


def tokens_of_text(given: Logprobs) -> list[Token]:
    """The tokens of a text completion; none where they are of another shape."""
    if not given.tokens or not given.token_logprobs:
        return []
    try:
        said = msgspec.convert(given, TextLogprobs, from_attributes=True)
    except msgspec.ValidationError:
        return []
    tokens, tops = said.tokens or [], said.top_logprobs or []
    return [
        Token(token, logprob, [TopToken(*one) for one in (top or {}).items()])
        for token, logprob, top in zip_longest(tokens, said.token_logprobs or (), tops[: len(tokens)], fillvalue=None)
        if token is not None
    ]
