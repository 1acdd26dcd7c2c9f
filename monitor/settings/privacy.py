"""What becomes of personal data before anything is stored."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, SecretStr

from monitor.errors import SettingsError
from monitor.privacy import Subjects
from monitor.privacy.options import Handling, Kind
from monitor.privacy.patterns import compile_patterns
from monitor.settings.section import Strict

BLAKE2B_KEY: Final = blake2b.MAX_KEY_SIZE


def _safe_patterns(expressions: dict[str, str]) -> dict[str, str]:
    try:
        compile_patterns(expressions)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    return expressions


def _subject_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return Subjects(paths).paths
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _key(secret: SecretStr) -> SecretStr:
    if not 16 <= len(secret.get_secret_value().encode()) <= BLAKE2B_KEY:
        raise ValueError(f"must be 16 to {BLAKE2B_KEY} bytes long (letters beyond ASCII are several)")
    return secret


class Privacy(Strict, frozen=True):
    prompts: Handling = "redact"
    """`keep` prompts as they come, `redact` personal data in them, or `hide` them whole; see privacy.md."""
    contexts: Handling = "redact"
    """The same for `input.context`."""
    answers: Handling = "redact"
    """The same for answers and candidates of predictions, and acceptable answers of labels."""
    comments: Handling = "redact"
    """The same for comments and corrections of labels, and notes of deployments."""
    extra: Handling = "redact"
    """The same for `extra`; hidden, nothing of it is kept."""
    pictures: Literal["keep", "drop"] = "keep"
    """Pictures inside the record (`data:` references): `keep` them, or `drop` them once they are embedded."""
    dead_letters: Literal["keep", "redact", "drop"] = "redact"
    """The bytes of refused records: `keep`, `redact`, or `drop` all but reason and place."""
    find: tuple[Kind, ...] = ("email", "phone", "card")
    """What counts as personal data, besides `privacy.patterns`."""
    patterns: Annotated[dict[str, str], AfterValidator(_safe_patterns)] = {}
    """Name -> regular expression of what else is removed, such as `{"employee_number": "E-\\d{6}"}`."""
    subject: Annotated[tuple[str, ...], AfterValidator(_subject_paths)] = (
        "extra.subject",
        "extra.user_id",
        "extra.user.id",
    )
    """Where a record names the person it is about, for `snellen erase --subject`; the first that is there counts."""
    keys: tuple[Annotated[SecretStr, AfterValidator(_key)], ...] = ()
    """Keys of the hash of that person's id: the first for new rows, all for finding. None: an unkeyed hash."""
