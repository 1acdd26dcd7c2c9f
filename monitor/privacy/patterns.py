"""Regular expressions that users configure: checked at the start, and bounded in time for ever after.

The module `regex` is used because `re` cannot be interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import regex

from monitor.errors import SettingsError
from monitor.privacy.scan import Span

BUDGET_S: Final = 0.02
"""Time for one pattern on one text. An ordinary pattern takes microseconds."""
_NAME: Final = re.compile(r"[a-z][a-z_]{0,31}")
_PROBE_LENGTH: Final = 1000
"""A pattern may be quadratic; one that is cubic or worse is not done with so much in the time it has."""
_PROBES: Final = tuple(
    (unit * _PROBE_LENGTH)[:_PROBE_LENGTH] + "\u0001"
    for unit in ("a", "A", "0", " ", "-", ".", "@", "_", "a ", "0 ", "a0", "a.", "a@", "0-", "(", '"', "ab", "\n", "é")
)
"""What makes nested repetition explode: much of the same, and an end that never matches (OWASP, "ReDoS")."""


class TooSlow(Exception):
    """A pattern used up its time on a text."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A named regular expression in the syntax of the module `regex`, which contains that of `re`."""

    name: str
    expression: regex.Pattern[str]

    def is_in(self, text: str) -> bool:
        """Does it match anywhere?

        Raises:
            TooSlow: as `find`.
        """
        try:
            return self.expression.search(text, timeout=BUDGET_S) is not None
        except TimeoutError:
            raise TooSlow(self.name) from None

    def find(self, text: str) -> Iterator[Span]:
        """Every match that is not empty.

        Raises:
            TooSlow: not done within `BUDGET_S`.
        """
        try:
            for found in self.expression.finditer(text, timeout=BUDGET_S):
                if found.end() > found.start():
                    yield found.span()
        except TimeoutError:
            raise TooSlow(self.name) from None


def compile_patterns(expressions: Mapping[str, str]) -> tuple[Pattern, ...]:
    """The patterns, each compiled and tried.

    Raises:
        SettingsError: every name that is none, every expression that is none, matches nothing at all (which is found
            everywhere), or explodes on a text made to provoke it.
    """
    patterns, faults = [], []
    for name, expression in expressions.items():
        try:
            patterns.append(_compiled(name, expression))
        except SettingsError as error:
            faults += error.faults
    if faults:
        raise SettingsError(faults)
    return tuple(patterns)


def _compiled(name: str, expression: str) -> Pattern:
    where = f"privacy.patterns.{name}"
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where}: a name is of the letters a to z and _, at most 32, such as employee_number")
    try:
        pattern = Pattern(name, regex.compile(expression))
    except (regex.error, RecursionError) as error:
        raise SettingsError(f"{where}: {expression!r} is no regular expression: {error}") from None
    if pattern.expression.search("", timeout=BUDGET_S):
        raise SettingsError(f"{where}: {expression!r} matches the empty text, so everywhere; write + for *")
    for probe in _PROBES:
        try:
            any(pattern.find(probe))
            pattern.expression.fullmatch(probe, timeout=BUDGET_S)
        except (TooSlow, TimeoutError):
            raise SettingsError(
                f"{where}: {expression!r} takes more than {BUDGET_S * 1000:.0f} ms on {len(probe)} characters such as "
                f"{probe[:6]!r}: do not repeat what is repeated already, as in (a+)+"
            ) from None
    return pattern
