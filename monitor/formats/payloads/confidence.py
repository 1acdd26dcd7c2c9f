"""How sure a model was of its text: a confidence from the log-probabilities of the answer's tokens.

confidence = exp(mean of the tokens' log-probabilities), their geometric mean: one over the perplexity of the answer.
Unlike the product it does not fall with length, so short and long answers share one scale (length normalisation:
Malinin & Gales, "Uncertainty Estimation in Autoregressive Structured Prediction", ICLR 2021). Of a one-token answer it
is the token's probability. It is neither the probability that the answer is right, nor that of the whole text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from msgspec import Struct

UNKNOWN = -9999.0
"""What OpenAI and vLLM write for a token outside the most likely ones: its probability is not known."""
_ABSURD = 1e300
"""No probability has such a logarithm; integers beyond all floats cannot be added up."""
_SPECIAL_STARTS = ("<", "[")
_SPECIAL = re.compile(r"<\|[^|]*\|>|</?s>|<eos>|<end_of_turn>|\[EOS\]|<｜[^｜]*｜>")


class TopToken(Struct, gc=False):
    token: str = ""
    logprob: float | None = None


class Token(Struct, gc=False):
    token: str = ""
    logprob: float | None = None
    top_logprobs: list[TopToken] | None = None


def answer_tokens(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens without the white space and the markers (end of sequence, say) before and behind the answer."""
    first, last = 0, len(tokens)
    while first < last and _is_empty(tokens[first].token):
        first += 1
    while last > first and _is_empty(tokens[last - 1].token):
        last -= 1
    return tokens[first:last]


def spelling(answer: str, tokens: Sequence[Token]) -> Sequence[Token]:
    """The fewest tokens at the end that spell the answer, white space around it aside; none where they do not.

    Servers that take the reasoning out of an answer leave it in the log-probabilities (SGLang, issue 25055; vLLM and
    Ollama too).

    Args:
        answer: the text.
        tokens: as `answer_tokens` leaves them.
    """
    said = answer.strip()
    if not said or not tokens:
        return ()
    last = tokens[-1].token
    first, missing = len(tokens), len(said) + len(last) - len(last.rstrip())
    while first > 0 and missing > 0:
        first -= 1
        missing -= len(tokens[first].token)
    found = tokens[first:]
    return found if "".join(one.token for one in found).strip() == said else ()


def confidence(tokens: Sequence[Token]) -> float | None:
    """Geometric mean of the tokens' probabilities, in [0, 1]; None without tokens or where one of them is unknown."""
    if not tokens:
        return None
    total = 0.0
    for token in tokens:
        if token.logprob is None or not UNKNOWN < token.logprob < _ABSURD:
            return None
        total += token.logprob
    return math.exp(min(0.0, total / len(tokens)))


def alternatives(token: Token) -> list[dict[str, str | float]]:
    """Candidates of a one-token answer: what else the token could have been, the likeliest first."""
    best: dict[str, float] = {}
    for top in token.top_logprobs or ():
        text = top.token.strip()
        if top.logprob is not None and top.logprob > UNKNOWN and not _is_empty(text):
            best[text] = max(best.get(text, 0.0), math.exp(min(0.0, top.logprob)))
    ordered = sorted(best.items(), key=lambda one: -one[1])
    return [{"answer": answer, "score": score} for answer, score in ordered]


def _is_empty(token: str) -> bool:
    text = token.strip()
    return not text or (text.startswith(_SPECIAL_STARTS) and _SPECIAL.fullmatch(text) is not None)
