"""Which events of a replay PostgreSQL lacks, and which it holds in another form."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, Engine

from monitor.mapping.mapping import Mapped
from monitor.store import replays
from monitor.store.engine import transaction
from monitor.store.predictions import find, known_hashes
from monitor.store.tombstones import erased, erased_labels

Events = dict[bytes, Mapped]
"""By content hash, in the order of the file."""


def missing(engine: Engine, replay_id: str, events: Events) -> Events:
    """Those of the events that are neither stored with this very content, nor erased, nor dead letters of this replay.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        stored = known_hashes(connection, {one.request_id: one.ts for one in events.values() if not one.is_label})
        labels = replays.known_labels(connection, [digest for digest, one in events.items() if one.is_label])
        left = {
            digest: one
            for digest, one in events.items()
            if (digest not in labels if one.is_label else stored.get(one.request_id) != digest)
        }
        left = _not_erased(connection, left)
        if not left:
            return left
        digests = {hashlib.sha256(one.raw).digest(): digest for digest, one in left.items()}
        refused = {digests[one] for one in replays.refused(connection, replay_id, digests)}
    return {digest: one for digest, one in left.items() if digest not in refused}


def _not_erased(connection: Connection, events: Events) -> Events:
    """What was erased is not stored again, however often it is sent."""
    gone = erased(connection, {one.request_id for one in events.values()})
    labels = erased_labels(connection, [digest for digest, one in events.items() if one.is_label])
    return {digest: one for digest, one in events.items() if one.request_id not in gone and digest not in labels}


def contradicted(engine: Engine, events: Events) -> list[str]:
    """Request ids of predictions that are stored with a content that is none of these events'.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        stored = find(connection, {one.request_id for one in events.values() if not one.is_label})
    agreed = {one.request_id for one in stored if one.content_hash in events}
    return sorted({one.request_id for one in stored} - agreed)
