"""Refused records, read through for what is to be erased, and blanked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from monitor.privacy.gzipped import may_hold_gzip, said_within
from monitor.store.copy import raw
from monitor.store.dead_letters import decode_headers

_LETTERS, _LETTERS_BYTES = 1000, 2 * 1024 * 1024
"""Of which no more are in memory at once, but for a single one."""
_NEXT = """
    SELECT id, raw, key, headers, detail, subject_hashes
    FROM (
        SELECT *, sum(length(raw) + coalesce(length(headers), 0)) OVER by_id AS bytes, row_number() OVER by_id AS place
        FROM (SELECT * FROM dead_letters WHERE id > %s ORDER BY id LIMIT %s) AS following WINDOW by_id AS (ORDER BY id)
    ) AS counted
    WHERE place = 1 OR bytes <= %s ORDER BY id
"""


class Letter(NamedTuple):
    """A refused record."""

    number: int
    contents: list[bytes]
    """Its bytes, key, headers, what each of them says, and the reason in words, as far as there are any; and what gzip
    in these says."""
    subjects: set[bytes]
    """Hashes of whose it is, and of ids that were removed from it."""
    is_legible: bool = True
    """False: there is gzip in it that is broken, or unpacks to too much, so nobody knows what it says."""


def pages(connection: Connection) -> Iterator[list[Letter]]:
    """All refused records, so many at a time that no more than some megabytes are in memory."""
    last = 0
    while page := _after(connection, last):
        yield from _opened(page)
        last = page[-1].number


def _opened(page: list[Letter]) -> Iterator[list[Letter]]:
    """The page with what is packed in it, in parts where that is much."""
    if not may_hold_gzip(b"".join([content for letter in page for content in letter.contents])):
        yield page
        return
    part: list[Letter] = []
    size = 0
    for letter in page:
        said, is_legible = said_within(letter.contents)
        added = sum(map(len, said))
        if part and added and size + added > _LETTERS_BYTES:
            yield part
            part, size = [], 0
        size += added
        part.append(letter._replace(contents=letter.contents + said, is_legible=is_legible))
    yield part


def _after(connection: Connection, number: int) -> list[Letter]:
    rows = raw(connection).cursor(binary=True).execute(_NEXT, (number, _LETTERS, _LETTERS_BYTES)).fetchall()
    return [
        Letter(
            number,
            [bytes(one) for one in (content, key, headers) if one] + _texts_of(headers) + [detail.encode()],
            set(hashes or ()),
        )
        for number, content, key, headers, detail, hashes in rows
    ]


def _texts_of(headers: bytes | None) -> list[bytes]:
    """They are stored in base64, and may be ids that are too short to be looked for there."""
    return [value for _, value in decode_headers(headers) if value]


def blank(connection: Connection, numbers: Sequence[int]) -> int:
    """These refused records keep their place, reason and hash, and lose their content.

    The row stays, so that the record is not taken up again when its offset is read once more.
    """
    found = raw(connection).execute(
        "UPDATE dead_letters SET raw = '', key = NULL, headers = NULL, detail = 'erased', "
        "digest = coalesce(digest, sha256(raw)), subject_hashes = NULL WHERE id = ANY(%s)",
        (list(numbers),),
    )
    return found.rowcount
