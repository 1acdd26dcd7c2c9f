"""Rows in the form in which binary COPY takes them, made without a connection: while another transaction still runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import psycopg
from psycopg._copy_base import format_row_binary
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper

Columns = Sequence[tuple[str, str]]
"""(name, PostgreSQL type) of each value of a row."""
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
"""What stands before and behind the rows (PostgreSQL documentation, COPY, "Binary Format")."""
_BLOCK_BYTES: Final = 96 * 1024
"""After so many a new block begins; libpq slows down where it is given much more at once."""

_encode: Final = msgspec.json.Encoder().encode


class Block(NamedTuple):
    """Some rows."""

    keys: list[str]
    """What each row is about, in their order."""
    content: bytearray
    ends: list[int]
    """Where in the content each row ends."""

    def of(self, chosen: set[str] | None) -> bytes | bytearray:
        """The content of the rows that are about one of these; None: of all."""
        if chosen is None or chosen.issuperset(self.keys):
            return self.content
        places = zip(self.keys, [0, *self.ends], self.ends, strict=False)
        return b"".join([self.content[start:end] for key, start, end in places if key in chosen])


class _Context:
    """What values are written by where there is no connection: texts as UTF-8, as our connections say."""

    connection = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        self.adapters.register_dumper(bytes, BytesBinaryDumper)  # by itself psycopg takes a slower one for bytea


_CONTEXT: Final = _Context()


def jsonb(value: object) -> bytes:
    """PostgreSQL's binary form of jsonb: a version byte, then the text. To be sent as bytea: psycopg leaves bytes as
    they are, and the server reads them as the column's type."""
    return b"\x01" + _encode(value)


def pack(columns: Columns, rows: Iterable[tuple[str, Sequence[object]]]) -> Iterator[Block]:
    """Blocks of rows, each given with what it is about.

    Raises:
        psycopg.Error: a value is none of its column's type.
    """
    types = psycopg.adapters.types
    transformer = Transformer(_CONTEXT)
    transformer.set_dumper_types([types.get_oid(kind) for _, kind in columns], Format.BINARY)
    block = Block([], bytearray(), [])
    for key, row in rows:
        keys, content, ends = block
        format_row_binary(row, transformer, content)
        keys.append(key)
        ends.append(len(content))
        if len(content) >= _BLOCK_BYTES:
            yield block
            block = Block([], bytearray(), [])
    if block.keys:
        yield block
