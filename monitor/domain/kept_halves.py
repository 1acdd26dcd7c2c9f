"""Sides of calls as dead letters keep them: what was read of each and redacted, for its record is gone once it waits.

A line of JSON each, behind a word: among spans, releases that do not know `HALF_HEADER` would pass over JSON alone.
They are sent as they are kept, under that header, and read as what they are, whatever format the topic has. Anybody may
write such a record: it is held to what a side that waits may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from monitor.domain.events import Rejection
from monitor.domain.halves import DIGEST_BYTES, Half, Side, is_of_prelude
from monitor.domain.records import HALF_HEADER, UNPAIRED, WAITED, Record
from monitor.domain.storable import MAX_DEPTH, NUL, TOO_DEEP, has_nul, is_deep
from monitor.errors import InvalidEvent

_SUBJECT_BYTES: Final = 16
_WORD: Final = b"snellen-half "
_EARLIER: Final = b'{"pair_id":"'
_ADVICE: Final = f"only `snellen dlq replay` writes the header {HALF_HEADER}"


class KeptHalf(Half, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One side, and what it says no longer since it was redacted."""

    pair_id: Annotated[str, Meta(min_length=1)]
    side: Side
    ts: Annotated[datetime, Meta(tz=True)]
    fields: dict[str, Any]
    may_have_prelude: bool = True
    """Nobody noted it: one look more."""
    digest: Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)] | None = None
    """Of the side as it came, by which it is known when it comes again; None: an earlier release wrote it."""
    subject: Annotated[bytes, Meta(max_length=_SUBJECT_BYTES)] | None = None
    """Hash of whose it is; empty: nobody's, None: nobody looked."""

    @property
    def plain(self) -> Half:
        """The side by itself."""
        return Half(self.pair_id, self.side, self.ts, self.fields, self.may_have_prelude)


_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(KeptHalf).decode_lines


def kept(half: Half, digest: bytes, subject: bytes | None) -> KeptHalf:
    """A side that waited."""
    return KeptHalf(half.pair_id, half.side, half.ts, half.fields, digest=digest, subject=subject)


def written(halves: Iterable[KeptHalf], like: bytes = _WORD) -> bytes:
    """As `read_kept` reads them; without the word where an earlier release wrote them `like` that."""
    word = _WORD if like.startswith(_WORD) else b""
    return b"\n".join([word + _encode(one) for one in halves])


def read_kept(record: Record) -> list[KeptHalf]:
    """The sides in a record with `HALF_HEADER`.

    Raises:
        InvalidEvent: it is none of ours, or holds what no side may.
    """
    if record.half not in (WAITED, UNPAIRED):
        fault = f"header {HALF_HEADER}: neither {WAITED.decode()!r} nor {UNPAIRED.decode()!r}"
        raise InvalidEvent(Rejection.UNKNOWN_SCHEMA, f"{fault}; {_ADVICE}, perhaps that of a later release")
    halves = _decoded(record.value)
    for one in halves:
        if (one.side == "prelude") != is_of_prelude(one.pair_id):
            raise InvalidEvent(Rejection.INVALID, f"pair_id: {one.pair_id!r} is of no {one.side}; {_ADVICE}")
        if is_deep(one.fields, MAX_DEPTH + 1):
            raise InvalidEvent(Rejection.INVALID, TOO_DEEP)
    return halves


def with_mark(record: Record, *, unpaired: bool) -> Record:
    """What a dead letter holds, with `HALF_HEADER` where an earlier release kept sides without it.

    It gave them neither key nor headers nor the time stamp that every broker writes.
    """
    is_bare = record.key is None and not record.headers and record.timestamp_ms < 0
    if not is_bare or not record.value.startswith(_EARLIER):
        return record
    marked = replace(record, headers=((HALF_HEADER, UNPAIRED if unpaired else WAITED),))
    try:
        read_kept(marked)
    except InvalidEvent:
        return record
    return marked


def _decoded(value: bytes) -> list[KeptHalf]:
    try:
        halves = _decode_lines(b"\n".join([line.removeprefix(_WORD) for line in value.split(b"\n")]))
    except msgspec.ValidationError as error:
        raise InvalidEvent(Rejection.INVALID, f"a side of a call that was refused: {error}; {_ADVICE}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fault = f"a side of a call that was refused is no JSON: {error}"
        raise InvalidEvent(Rejection.UNREADABLE, f"{fault}; {_ADVICE}") from None
    if not halves:
        raise InvalidEvent(Rejection.UNREADABLE, f"no side of a call is in it; {_ADVICE}")
    if has_nul(value):
        raise InvalidEvent(Rejection.UNSTORABLE, NUL)
    return halves
