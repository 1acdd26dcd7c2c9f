"""What is to be done with personal data in texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Handling = Literal["keep", "redact", "hide"]
"""As it came; with what was found in it replaced; replaced as a whole."""
Kind = Literal["email", "phone", "card"]


@dataclass(frozen=True, slots=True)
class PrivacyOptions:
    """One choice per kind of text. The default is that of the settings."""

    prompts: Handling = "redact"
    """`input.prompt`."""
    contexts: Handling = "redact"
    """`input.context`."""
    answers: Handling = "redact"
    """`output.answer` and `output.candidates` of predictions, `answers` of labels."""
    comments: Handling = "redact"
    """`comment` and `correction` of labels, `note` of deployments."""
    extra: Handling = "redact"
    """All texts in `extra`, names included. Hidden, nothing of it is kept."""
    pictures: Literal["keep", "drop"] = "keep"
    """Pictures that stand in the record itself (`data:` references)."""
    dead_letters: Literal["keep", "redact", "drop"] = "redact"
    find: tuple[Kind, ...] = ("email", "phone", "card")
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Name -> regular expression."""

    @property
    def handlings(self) -> frozenset[str]:
        return frozenset((self.prompts, self.contexts, self.answers, self.comments, self.extra))
