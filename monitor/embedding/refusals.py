"""Why a picture was not opened."""

from __future__ import annotations

from enum import StrEnum

from monitor.errors import ImageRefused


class Refusal(StrEnum):
    """Stable names, counted per reason."""

    UNSUPPORTED_SCHEME = "unsupported_scheme"
    """Neither a file nor inline: this version fetches nothing (http, https, s3, ...)."""
    MALFORMED = "malformed_reference"
    OUTSIDE_ROOTS = "outside_roots"
    MISSING = "missing"
    TOO_LARGE = "too_large"
    """In bytes, in pixels, or in the ratio of its sides."""
    OTHER_CONTENT = "other_content"
    """The bytes are not those whose sha256 the event gives."""
    UNREADABLE = "unreadable"


class RefusedImage(ImageRefused):
    """A refusal with the `reason` to count it by."""

    def __init__(self, reason: Refusal, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def shortened(reference: str) -> str:
    """A reference for a message: inline pictures are long."""
    return reference if len(reference) <= 120 else f"{reference[:117]}..."
