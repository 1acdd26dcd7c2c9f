"""What annotators said of one answer: whose word decides, and which texts the answer is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from monitor.domain.results import Answer
from monitor.privacy import holds_marker


class Word(Protocol):
    @property
    def annotator_id(self) -> str: ...
    @property
    def adjudicates(self) -> bool: ...


W = TypeVar("W", bound=Word)


def deciding(words: Sequence[W]) -> list[W]:
    """The last word of each adjudicator where there is one, else of each annotator; `words` by age, without users'."""
    return last_words([one for one in words if one.adjudicates] or words)


def last_words(words: Sequence[W]) -> list[W]:
    """Of each annotator; `words` by age."""
    return list({one.annotator_id: one for one in words}.values())


def comparable(answer: Answer, accepted: Sequence[str]) -> tuple[str, ...]:
    """The accepted answers; none where something was removed from one of the texts.

    Comparing what is left would call different numbers the same.
    """
    texts = (answer.answer or "", *(one.answer for one in answer.candidates), *accepted)
    return () if any(map(holds_marker, texts)) else tuple(accepted)
