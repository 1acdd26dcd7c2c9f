"""Candidates and confidence from classes and their scores."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.values import text_of

MAX_CANDIDATES = 100
_SUM_TOLERANCE = 1e-2
"""Probabilities in half precision over a thousand classes add up to 1 no better than this."""
_NUMBERED: Final = re.compile(r'\{"?\d+"?:')
_BARE_NUMBER: Final = re.compile(r"(?<=[{ ])\d+(?=:)")
_to_numbered = msgspec.json.Decoder(dict[int, float]).decode


def candidates(labels: Sequence[Any] | None, scores: Sequence[Any]) -> list[Fields]:
    """The best of the candidates, the likeliest first. Without labels a class goes by its index.

    Raises:
        InvalidEvent: labels and scores are not as many, or a score is not a finite number.
    """
    if labels is not None and len(labels) != len(scores):
        raise InvalidEvent(Rejection.INVALID, f"{len(labels)} labels, but {len(scores)} scores")
    numbers = [finite(score, "scores") for score in scores]
    best = sorted(range(len(numbers)), key=lambda index: -numbers[index])[:MAX_CANDIDATES]
    return [
        {"answer": str(index) if labels is None else text_of(labels[index]) or "", "score": numbers[index]}
        for index in best
    ]


def softmax(logits: Any) -> list[float]:
    """Probabilities from logits (shifted by their maximum, so that nothing overflows).

    Raises:
        InvalidEvent: a logit is not a finite number.
    """
    numbers = [finite(one, "logits") for one in (logits if isinstance(logits, list) else [logits])]
    top = max(numbers, default=0.0)
    powers = [math.exp(one - top) for one in numbers]
    total = math.fsum(powers)
    return [one / total for one in powers]


def confidence_of(given: Any, found: Sequence[Fields]) -> float | None:
    """What the model says of its answer, else the score of the first candidate if that can be a probability.

    Raises:
        InvalidEvent: it is not a finite number.
    """
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, int | float):
        return finite(given, "confidence")
    score = found[0]["score"] if found else -1.0
    return score if 0 <= score <= 1 else None


def are_probabilities(values: Any) -> bool:
    """At least two numbers in [0, 1] that add up to 1."""
    return (
        isinstance(values, list)
        and len(values) > 1
        and all(isinstance(one, int | float) and 0 <= one <= 1 for one in values)
        and abs(math.fsum(values) - 1) <= _SUM_TOLERANCE
    )


def are_shares(ranked: Sequence[Fields], given: Sequence[Fields]) -> bool:
    """Are these labels, each with its score, the best classes of one item? They are all different, the likeliest stands
    first, and together they are no more than 1.

    Args:
        ranked: candidates, the likeliest first.
        given: `output` of each label, in the order in which they came.
    """
    answers = [one["answer"] for one in given]
    scores = [one["score"] for one in ranked]
    in_order = answers[: len(ranked)] == [one["answer"] for one in ranked]
    return in_order and len(set(answers)) == len(answers) and math.fsum(scores) <= 1 + _SUM_TOLERANCE


def distribution(value: Any) -> list[Fields]:
    """Candidates from the probabilities of classes: a list of them, or an object that has them by the number of the
    class, also as the text that KServe makes of one (`{0: 0.25, 1: 0.75}`). Empty where it is none."""
    if isinstance(value, str):
        value = _numbered(value)
    if isinstance(value, dict) and all(map(str.isdecimal, value)) and are_probabilities(list(value.values())):
        return candidates(list(value), list(value.values()))
    return candidates(None, value) if are_probabilities(value) else []


def likeliest(found: Sequence[Fields]) -> Fields:
    """`output` of an item that has these candidates."""
    output: Fields = {"answer": found[0]["answer"], "candidates": found}
    if (sure := confidence_of(None, found)) is not None:
        output["confidence"] = sure
    return {"output": output}


def _numbered(text: str) -> dict[str, float]:
    """The object that a text holds, in JSON or as Python prints it; empty where it is no text of numbers."""
    if _NUMBERED.match(text):
        with suppress(msgspec.DecodeError):
            found = _to_numbered(_BARE_NUMBER.sub(r'"\g<0>"', text))
            return {str(key): value for key, value in found.items()}
    return {}


def finite(value: Any, name: str) -> float:
    """The number itself.

    Raises:
        InvalidEvent: it is no number, NaN or infinite.
    """
    try:
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an integer beyond all floats
        pass
    raise InvalidEvent(Rejection.INVALID, f"{name}: {type(value).__name__} where a finite number belongs")
