"""Whose data a record is: a keyed hash of the person's id, by which everything of theirs can be found and erased.

It is taken before redaction, so that it also finds those whose id is an e-mail address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from monitor.domain.events import Label, Prediction
from monitor.errors import SettingsError

NOBODY: Final = b""
"""Stored where a record names nobody; NULL stands in rows that were stored before anybody looked."""
DIGEST_BYTES: Final = 16
ROOTS: Final = ("extra", "slices")
_PERSON: Final = b"snellen.subject"


class Subjects:
    """Knows where a subject's id stands, and the keys of its hash: the first for writing, all for finding."""

    def __init__(self, paths: Iterable[str], keys: Iterable[bytes] = ()) -> None:
        """
        Args:
            paths: `extra.NAME` or `slices.NAME`, the first that is there counts. A NAME with dots is looked for as it
                is, then level by level.
            keys: 16 to 64 bytes each; none: the hash has no key, and whoever guesses an id can check the guess.

        Raises:
            SettingsError: a path of another form.
        """
        self.paths = tuple(paths)
        wrong = [path for path in self.paths if path.partition(".")[0] not in ROOTS or not path.partition(".")[2]]
        if wrong:
            raise SettingsError([f"privacy.subject: {path!r} must be extra.NAME or slices.NAME" for path in wrong])
        self._split = [tuple(path.split(".", 1)) for path in self.paths]
        self._firsts = {root: {places[1] for places in self.places() if places[0] == root} for root in ROOTS}
        """The names under which a look into a root could begin."""
        self._keys = tuple(keys) or (b"",)

    def digest_of(self, event: Prediction | Label) -> bytes:
        """16 bytes, or `NOBODY`."""
        firsts = self._firsts
        if firsts["extra"].isdisjoint(event.extra) and firsts["slices"].isdisjoint(getattr(event, "slices", ())):
            return NOBODY
        return self.digest_of_fields({root: getattr(event, root, None) for root in ROOTS})

    def digest_of_fields(self, fields: Mapping[str, Any]) -> bytes:
        """Of one side of a call (`Half.fields`), of whatever shape it came: 16 bytes, or `NOBODY`."""
        for root, name in self._split:
            below = fields.get(root)
            if isinstance(below, dict) and (found := _look_up(below, name)) is not None:
                return self.digest(found)
        return NOBODY

    def named_in(self, content: bytes) -> set[bytes]:
        """Whom JSON names at the paths: one event, or a list of them. Of other bytes nobody is known."""
        try:
            value = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return set()
        events = value if isinstance(value, list) else [value]
        return {self.digest_of_fields(one) for one in events if isinstance(one, dict)} - {NOBODY}

    def digest(self, subject: str) -> bytes:
        """The hash under which records of this subject are stored from now on."""
        return _digest(subject, self._keys[0])

    def digests(self, subject: str) -> list[bytes]:
        """Every hash under which records of this subject may be stored, the newest key's first."""
        return [_digest(subject, key) for key in self._keys]

    def places(self) -> list[tuple[str, ...]]:
        """Where the paths may lead: a name with dots is one name, or several inside each other."""
        return [(root, *names) for root, name in self._split for names in _levels(name)]


def _levels(name: str) -> Iterator[tuple[str, ...]]:
    """`user.id` is `("user.id",)` or `("user", "id")`."""
    parts = name.split(".")
    for cut in range(1, len(parts)):
        for rest in _levels(".".join(parts[cut:])):
            yield (".".join(parts[:cut]), *rest)
    yield (name,)


def _digest(subject: str, key: bytes) -> bytes:
    content = subject.encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=DIGEST_BYTES, key=key, person=_PERSON).digest()


def _look_up(fields: Mapping[str, Any], name: str) -> str | None:
    if name in fields:
        return _as_id(fields[name])
    first, dot, rest = name.partition(".")
    while dot:
        below = fields.get(first)
        if isinstance(below, dict) and (found := _look_up(below, rest)) is not None:
            return found
        level, dot, rest = rest.partition(".")
        first = f"{first}.{level}"
    return None


def _as_id(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
