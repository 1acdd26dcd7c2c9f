"""One mapping of a document, read field by field: every fault is noted with its place and a hint, none is raised."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from reprlib import repr as short
from typing import Any

from monitor.slo import duration

ANNOTATION_PREFIX = "snellen.dev/"

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ANNOTATION_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
)
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_LONGEST_TEXT = 1050  # of a description, OpenSLO
_MOST_DIGITS = 18  # far beyond any target, and it keeps 1.0e999999999 from becoming a number of a billion digits


class Fields:
    """Reads `content`; `where` and `path` say in messages what is being read.

    Reading a field marks it as known; `done` notes every field that nobody read, so a misspelt one is never ignored.
    """

    def __init__(self, content: Mapping[Any, Any], where: str, path: str, faults: list[str]) -> None:
        self._content = content
        self._path = path
        self._known: set[str] = set()
        self._faults = faults
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def names(self) -> list[str]:
        """The names of the fields, whether read or not."""
        return [key for key in self._content if isinstance(key, str)]

    def skip(self, key: str) -> None:
        """Count a field as known without reading it."""
        self._known.add(key)

    def fault(self, key: str, message: str) -> None:
        self._faults.append(f"{self.where}: {self._path}{key}: {message}")

    def done(self) -> None:
        """Note the fields that were not read."""
        for key in self._content.keys() - self._known:
            known = ", ".join(sorted(self._known))
            self.fault(_shown(key), f"no such field here; known fields: {known}")

    def _take(self, key: str, kind: type | tuple[type, ...], expected: str, required: bool) -> Any:
        self._known.add(key)
        value = self._content.get(key)
        if value is None:
            if required:
                self.fault(key, f"is missing; write {expected}")
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(key, f"must be {expected}, not {short(value)}")
            return None
        return value

    def text(self, key: str, *, required: bool = True, longest: int = _LONGEST_TEXT) -> str:
        """A text; "" when it is missing or wrong."""
        value: str = self._take(key, str, "text", required) or ""
        if required and key in self and not value.strip() and isinstance(self._content[key], str):
            self.fault(key, "is empty; write a text")
        if len(value) > longest:
            self.fault(key, f"is longer than {longest} characters; shorten it")
        return value

    def name(self, key: str) -> str:
        """A DNS label of at most 63 characters, as OpenSLO demands of names and references; "" when wrong."""
        value: str = self._take(key, str, "a name", required=True) or ""
        if value and not _DNS_LABEL.fullmatch(value):
            self.fault(key, f"{short(value)} is no DNS label: lower-case letters, digits and inner '-', at most 63")
            return ""
        return value

    def choice(self, key: str, options: Collection[str], *, required: bool = True) -> str:
        """One of `options`; "" when it is missing or wrong."""
        value: str = self._take(key, str, " or ".join(options), required) or ""
        if value and value not in options:
            self.fault(key, f"{short(value)} is not one of: {', '.join(options)}")
            return ""
        return value

    def flag(self, key: str, default: bool) -> bool:
        value: bool | None = self._take(key, bool, "true or false", required=False)
        return default if value is None else value

    def number(self, key: str) -> Fraction | None:
        """The number exactly as its decimal text says."""
        value = self._take(key, (int, Decimal, float), "a number", required=True)
        if value is None:
            return None
        if isinstance(value, float) or not _is_moderate(Decimal(value)):
            self.fault(key, f"must be a finite number of at most {_MOST_DIGITS} digits, not {short(value)}")
            return None
        return Fraction(value)

    def minutes(self, key: str, *, required: bool = True) -> int | None:
        """A duration shorthand such as 30d, in minutes."""
        value = self._take(key, str, "a duration such as 5m, 6h or 30d", required)
        return None if value is None else self.parse_minutes(key, value)

    def child(self, key: str, *, required: bool = True) -> Fields:
        """The mapping below `key`; where there is none, an empty one that notes no further faults."""
        value = self._take(key, dict, "a mapping", required)
        if value is None:
            return Fields({}, self.where, f"{self._path}{key}.", [])
        return Fields(value, self.where, f"{self._path}{key}.", self._faults)

    def children(self, key: str) -> list[Fields]:
        """The mappings of the list below `key`."""
        values = self._take(key, list, "a list", required=True) or []
        children = []
        for index, value in enumerate(values):
            if isinstance(value, dict):
                children.append(Fields(value, self.where, f"{self._path}{key}[{index}].", self._faults))
            else:
                self.fault(f"{key}[{index}]", f"must be a mapping, not {short(value)}")
        return children

    def texts(self, key: str) -> dict[str, str]:
        """A mapping of text to text."""
        values = self._take(key, dict, "a mapping of text to text", required=False) or {}
        for name, value in values.items():
            if not isinstance(name, str) or not isinstance(value, str) or not value:
                self.fault(
                    f"{key}.{_shown(name)}", f"must be a text (in quotes if it looks like a number): {short(value)}"
                )
        return {name: value for name, value in values.items() if isinstance(name, str) and isinstance(value, str)}

    def annotations(self, known: Collection[str]) -> Annotations:
        """`metadata.annotations`; those with our prefix must be among `known`."""
        found = self.texts("annotations")
        for key in found:
            if not _ANNOTATION_KEY.fullmatch(key):
                self.fault(f"annotations.{_shown(key)}", "must be `prefix/name`, letters, digits, '-', '_' and '.'")
            elif key.startswith(ANNOTATION_PREFIX) and key.removeprefix(ANNOTATION_PREFIX) not in known:
                options = ", ".join(ANNOTATION_PREFIX + one for one in known) or "none"
                self.fault(f"annotations.{key}", f"no such annotation here; known: {options}")
        return Annotations(found, self)

    def labels(self) -> None:
        """`metadata.labels`: checked, not used."""
        for key, value in (self._take("labels", dict, "a mapping", required=False) or {}).items():
            if not isinstance(value, str) and not (
                isinstance(value, list) and all(isinstance(one, str) for one in value)
            ):
                self.fault(f"labels.{_shown(key)}", f"must be a list of texts, not {short(value)}")

    def parse_minutes(self, key: str, value: str) -> int | None:
        try:
            return duration.minutes(value)
        except ValueError as error:
            self.fault(key, str(error))
            return None


class Annotations:
    """The `snellen.dev/...` annotations of one document; all values are texts, as OpenSLO demands."""

    def __init__(self, found: Mapping[str, str], owner: Fields) -> None:
        self._found = found
        self._owner = owner

    def text(self, name: str) -> str | None:
        return self._found.get(ANNOTATION_PREFIX + name)

    def minutes(self, name: str) -> int | None:
        value = self.text(name)
        return None if value is None else self._owner.parse_minutes(_key(name), value)

    def number(self, name: str) -> Fraction | None:
        value = self.text(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            self._owner.fault(_key(name), f"must be a number in quotes, not {short(value)}")
            return None
        return Fraction(value)


@dataclass(frozen=True, slots=True)
class Metadata:
    name: str
    display_name: str
    annotations: Annotations


def read_metadata(document: Fields, known: Collection[str] = ()) -> Metadata:
    """`metadata` of any OpenSLO object; `known` are the `snellen.dev/...` annotations that it may have."""
    metadata = document.child("metadata")
    name = metadata.name("name")
    display_name = metadata.text("displayName", required=False, longest=63)
    metadata.labels()
    annotations = metadata.annotations(known)
    metadata.done()
    return Metadata(name, display_name or name, annotations)


def _shown(key: object) -> str:
    """A key that somebody wrote, of bearable length."""
    return short(key).strip("'")


def _key(name: str) -> str:
    return f"annotations.{ANNOTATION_PREFIX}{name}"


def _is_moderate(value: Decimal) -> bool:
    if not value.is_finite():
        return False
    digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
    return len(digits) <= _MOST_DIGITS and isinstance(exponent, int) and abs(exponent) <= _MOST_DIGITS
