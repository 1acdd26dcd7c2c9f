"""What was erased, so that its records, read again, do not bring it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection

from monitor.store import locks
from monitor.store.copy import raw
from monitor.store.json_parameters import DIGESTS, as_json

_PERSON = b"snellen.request"


def tombstone(request_id: str) -> bytes:
    """What remains of an erased id: 16 bytes."""
    return blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=16, person=_PERSON).digest()


def erased(connection: Connection, request_ids: Collection[str]) -> set[str]:
    """Those of the ids that were erased: nothing about them may be stored again.

    Who erases others from now on waits until the transaction ends, and removes what it brings.
    """
    if not _any(connection):
        return set()
    digests = {tombstone(one): one for one in request_ids}
    return {digests[one] for one in _known(connection, digests)}


def erased_by_now(connection: Connection, request_ids: Collection[str]) -> set[str]:
    """The same, and nobody erases another until the transaction ends: before what was read earlier is written down."""
    locks.share(connection, locks.ERASURE)
    return erased(connection, request_ids)


def erased_labels(connection: Connection, content_hashes: Collection[bytes]) -> set[bytes]:
    """Those of the labels' content hashes that were erased, with the same promise."""
    return _known(connection, content_hashes) if _any(connection) else set()


def _any(connection: Connection) -> bool:
    """Was anything erased, ever? Nearly nobody need look for more.

    By the lock on the table an erasure tells us from who only reads, as backups do, which take hours.
    """
    raw(connection).execute("LOCK TABLE erased IN ROW SHARE MODE")
    found = raw(connection).execute("SELECT EXISTS (SELECT FROM erased)").fetchone()
    return found is not None and bool(found[0])


def _known(connection: Connection, digests: Collection[bytes]) -> set[bytes]:
    query = f"SELECT digest FROM erased WHERE digest = ANY({DIGESTS})"
    found = raw(connection).execute(query, (as_json([one.hex() for one in digests]),))
    return {bytes(row[0]) for row in found}


def bury(connection: Connection, digests: Collection[bytes], now: datetime) -> None:
    """Remember that these are erased."""
    raw(connection).execute(
        "INSERT INTO erased (digest, erased_at) SELECT digest, %s FROM unnest(%s::bytea[]) AS digest "
        "ORDER BY digest ON CONFLICT DO NOTHING",
        (now, list(digests)),
    )
