"""Which events of a replay PostgreSQL lacks, and which it holds in another form."""

from __future__ import annotations

import hashlib

from sqlalchemy import Engine

from monitor.mapping.mapping import Mapped
from monitor.store import replays
from monitor.store.engine import transaction
from monitor.store.predictions import find, known_hashes

Events = dict[bytes, Mapped]
"""By content hash, in the order of the file."""


def missing(engine: Engine, replay_id: str, events: Events) -> Events:
    """Those of the events that are neither stored with this very content nor dead letters of this replay.

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
        if not left:
            return left
        digests = {hashlib.sha256(one.raw).digest(): digest for digest, one in left.items()}
        refused = {digests[one] for one in replays.refused(connection, replay_id, digests)}
    return {digest: one for digest, one in left.items() if digest not in refused}


def contradicted(engine: Engine, events: Events) -> list[str]:
    """Request ids of predictions that are stored with a content that is none of these events'.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        stored = find(connection, {one.request_id for one in events.values() if not one.is_label})
    agreed = {one.request_id for one in stored if one.content_hash in events}
    return sorted({one.request_id for one in stored} - agreed)
