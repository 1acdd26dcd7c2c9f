"""The text bank: phrases that may name what moved, by what they are compared with and by family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from monitor.errors import SettingsError

CONCEPTS: Final = Path(__file__).with_name("concepts.yaml")
"""The bank that ships."""
KINDS: Final = ("image", "prompt", "answer")
MOST_PHRASES: Final = 5000
LONGEST: Final = 200
"""Characters of a phrase."""

Bank = Mapping[tuple[str, str], tuple[str, ...]]
"""(Kind of vectors, family) -> its phrases, two at least."""


def parse_bank(content: str, name: str) -> Bank:
    """Read a bank, YAML of `kind: {family: [phrase, ...]}`; `name` stands in messages.

    >>> parse_bank("image: {light: [a dark photo, a bright photo]}", "my bank")
    {('image', 'light'): ('a dark photo', 'a bright photo')}

    Raises:
        SettingsError: with every fault.
    """
    try:
        given = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise SettingsError(f"{name}: no YAML: {error}") from None
    if not isinstance(given, dict) or not given:
        raise SettingsError(f"{name}: must be a table of {', '.join(KINDS)}, each with families of phrases")
    faults: list[str] = []
    bank = {
        (str(kind), str(family)): _phrases(phrases, f"{name}: {kind}.{family}", faults)
        for kind, families in given.items()
        for family, phrases in _families(kind, families, name, faults).items()
    }
    if sum(map(len, bank.values())) > MOST_PHRASES:
        faults.append(f"{name}: more than {MOST_PHRASES} phrases")
    if faults:
        raise SettingsError(faults)
    return bank


def _families(kind: object, families: object, name: str, faults: list[str]) -> dict[Any, Any]:
    if kind not in KINDS:
        faults.append(f"{name}: {kind!r} is none of {', '.join(KINDS)}")
        return {}
    if not isinstance(families, dict):
        faults.append(f"{name}: {kind} must be a table of families")
        return {}
    return families


def _phrases(phrases: object, place: str, faults: list[str]) -> tuple[str, ...]:
    words = [" ".join(one.split()) for one in phrases if isinstance(one, str)] if isinstance(phrases, list) else []
    distinct = tuple(dict.fromkeys(one for one in words if one))
    if not isinstance(phrases, list) or len(distinct) != len(phrases):
        faults.append(f"{place} must be a list of different phrases")
    elif len(distinct) < 2:
        faults.append(f"{place} needs two phrases at least: a picture is nearest to one of them")
    elif max(map(len, distinct)) > LONGEST:
        faults.append(f"{place} holds a phrase of more than {LONGEST} characters")
    return distinct
