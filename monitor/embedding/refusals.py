"""Why a picture was not opened: the reasons of `monitor.errors.ImageRefused`."""

from __future__ import annotations

import re
from enum import StrEnum


class Refusal(StrEnum):
    """Stable names, by which refusals are counted."""

    UNSUPPORTED_SCHEME = "unsupported_scheme"
    """None of file, data, http, https and s3."""
    MALFORMED = "malformed_reference"
    OUTSIDE_ROOTS = "outside_roots"
    HOST_NOT_ALLOWED = "host_not_allowed"
    """To be fetched, but from a host or bucket that the settings do not name; or redirected there."""
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    """The name of the host leads to an address that is not public, and not in a network that the settings name."""
    REDIRECTED = "redirected_too_often"
    UNTRUSTED = "untrusted_certificate"
    UNREACHABLE = "unreachable"
    """No such name, no connection, or an answer that broke off or is none; tried twice."""
    TIMED_OUT = "timed_out"
    HTTP_ERROR = "http_error"
    """Another status than 200, and none of those that say that there is nothing (404, 410)."""
    MISSING = "missing"
    TOO_LARGE = "too_large"
    """In bytes, in pixels, or in the ratio of its sides."""
    OTHER_CONTENT = "other_content"
    """The bytes are not those whose sha256 the event gives."""
    UNREADABLE = "unreadable"


_SECRET = re.compile(r"(?<=//)[^/?#]*(?=@)|(?<=\?).+", re.DOTALL)
"""Of an address: user and password, and the query, in which signed addresses (of S3, say) carry their signature."""


def shortened(reference: str) -> str:
    """A reference for a message, which is logged: addresses without what lets whoever has it in; inline pictures are
    long, and some are no text (lone surrogates)."""
    if "://" in reference:
        reference = _SECRET.sub("...", reference)
    short = reference if len(reference) <= 120 else f"{reference[:117]}..."
    return short.encode("utf-8", "backslashreplace").decode()
