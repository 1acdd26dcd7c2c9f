"""Remove all that is stored of some requests, or of a person, and account for it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.privacy import Subjects
from monitor.services.sketches import SketchService
from monitor.store import audit, erasure, field_sketches, locks, predictions, references, tombstones
from monitor.store.engine import transaction, trial
from monitor.store.erasure import Key, Person
from monitor.store.writers import wait_for_writers

CHUNK = 1000
"""Requests whose vectors are in memory at once."""
PLAIN_FROM = 8
"""Ids of so many characters are looked for anywhere in raw bytes; shorter ones only as a whole JSON text."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was found and removed, or would be."""

    requests: int
    rows: Counter[str]
    """Rows by table; `embedding_sketches` counts hourly sums that were corrected or dropped."""
    known_before: bool
    """It was erased earlier, and so may well be gone already."""

    @property
    def found(self) -> bool:
        return bool(self.requests or self.rows.total())


class EraseService:
    """Erases in one transaction each: all of it goes, or nothing.

    Before that the ids are remembered as erased, and whoever was writing already is waited for: what it brings is found
    then. One that fails leaves the ids remembered, harmlessly; doing it again completes it.
    """

    def __init__(self, engine: Engine, subjects: Subjects, sketches: SketchService) -> None:
        self._engine = engine
        self._subjects = subjects
        self._sketches = sketches

    def requests(self, request_ids: Sequence[str], by: str, now: datetime, *, dry_run: bool) -> Erasure:
        """Erase everything of these requests; ids that are unknown are remembered as erased too.

        What is being written when it begins goes too, and what comes later is not stored.

        Raises:
            StoreError: nothing was removed.
        """
        with self._attempt(dry_run=dry_run) as connection:
            before = tombstones.erased(connection, request_ids)
            tombstones.bury(connection, set(map(tombstones.tombstone, request_ids)), now)
        self._wait_for_writers(dry_run=dry_run)
        with self._attempt(dry_run=dry_run) as connection:
            known = _keys(connection, request_ids)
            gone = before - erasure.stored(connection, known)  # the others came since, or an erasure of them failed
            rows = self._remove(connection, request_ids, [], request_ids, now)
            requests = len({request_id for request_id, _ in known} - gone)
            hashes = sorted(self._subjects.digests(one)[0].hex() for one in request_ids)
            detail = {"request_ids": hashes, "requests": requests, "rows": dict(rows)}
            audit.record(connection, audit.Entry(now, by, audit.Action.ERASE, detail))
        return Erasure(requests, rows, bool(before))

    def subject(self, subject: str, by: str, now: datetime, *, dry_run: bool, everywhere: bool = False) -> Erasure:
        """Erase everything of a person: all requests and labels that name them, and what refused records hold.

        What is being written when it begins goes too. What comes later is stored as anybody's.

        Args:
            everywhere: read every row, also those whose hash names another person or nobody.

        Raises:
            StoreError: nothing was removed.
        """
        digests = self._subjects.digests(subject)
        person = Person(subject, digests, self._subjects.places(), everywhere)
        self._wait_for_writers(dry_run=dry_run)
        with self._attempt(dry_run=dry_run) as connection:
            before = erasure.known_subject(connection, [one.hex() for one in digests])
            request_ids = erasure.requests_of(connection, person)
            labels = erasure.labels_of(connection, person)
            all_ids = [*request_ids, *erasure.pairs_of(connection, person)]
            tombstones.bury(connection, {*map(tombstones.tombstone, all_ids), *labels}, now)
        self._wait_for_writers(dry_run=dry_run)
        with self._attempt(dry_run=dry_run) as connection:
            rows = self._remove(connection, all_ids, labels, [*all_ids, subject], now)
            detail = {"subject": digests[0].hex(), "requests": len(request_ids), "rows": dict(rows)}
            audit.record(connection, audit.Entry(now, by, audit.Action.ERASE, detail))
        return Erasure(len(request_ids), rows, before)

    def _attempt(self, *, dry_run: bool) -> AbstractContextManager[Connection]:
        """A dry run does all of it, and rolls back."""
        return trial(self._engine) if dry_run else transaction(self._engine)

    def _wait_for_writers(self, *, dry_run: bool) -> None:
        if not dry_run:
            wait_for_writers(self._engine)

    def _remove(
        self,
        connection: Connection,
        request_ids: Sequence[str],
        labels: Sequence[bytes],
        texts: Sequence[str],
        now: datetime,
    ) -> Counter[str]:
        rows: Counter[str] = Counter()
        keys = _keys(connection, request_ids)
        locks.share(connection, locks.REFERENCES)  # what is gathered meanwhile may be of these requests
        references.share_epoch(connection)
        for start in range(0, len(keys), CHUNK):
            some = keys[start : start + CHUNK]
            rows["embedding_sketches"] += self._withdraw(connection, some)
            rows["embedding_sketches"] += field_sketches.forget_sketches(connection, *zip(*some, strict=True))
        for table in ("embeddings", "predictions"):
            rows[table] = erasure.delete_by_key(connection, table, keys)
        locks.wait_for(connection, locks.ERASURE)
        rows["label_tasks"] = erasure.delete_tasks(connection, keys, request_ids)
        for table in ("verdicts", "explanation_examples", "discovery_examples"):
            rows[table] = erasure.delete_by_id(connection, table, request_ids)
        gone = erasure.delete_labels(connection, request_ids, labels)
        rows["labels"] = len(gone)
        rows["waiting_halves"] = erasure.delete_by_id(connection, "waiting_halves", request_ids, "pair_id")
        searched = [needle for text in texts for needle in needles(text)]
        halves = erasure.delete_halves_with(connection, searched)
        rows["waiting_halves"] += len(halves)
        digests = [digest for text in texts for digest in self._subjects.digests(text)]
        rows["dead_letters"] = erasure.blank_dead_letters(connection, searched, digests)
        tombstones.bury(connection, {*map(tombstones.tombstone, halves), *gone}, now)
        return +rows

    def _withdraw(self, connection: Connection, keys: Sequence[Key]) -> int:
        """Take the vectors' share out of the hourly sums of every active reference, whose epoch is shared."""
        embedded = erasure.embedded(connection, keys)
        if not embedded:
            return 0
        self._sketches.admit(embedded)
        return sum(
            erasure.withdraw_sketches(connection, reference.id, self._sketches.sketch(reference, embedded))
            for reference in references.active_references(connection)
        )


def _keys(connection: Connection, request_ids: Sequence[str]) -> list[Key]:
    return [(one.request_id, one.ts) for one in predictions.find(connection, request_ids)]


def needles(text: str) -> list[bytes]:
    """The forms in which raw bytes may hold a text: as it is, escaped in JSON, inside base64."""
    escaped = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    if len(text) < PLAIN_FROM:
        return sorted(f'"{one}"'.encode("utf-8", "surrogatepass") for one in escaped)
    plain = {one.encode("utf-8", "surrogatepass") for one in escaped}
    return sorted(plain | {form for one in plain for form in _in_base64(one)})


def _in_base64(content: bytes) -> Iterator[bytes]:
    """What base64 makes of it at each of the three alignments, without the characters that depend on its neighbours."""
    for before in range(3):
        whole = (before + len(content)) // 3 * 4
        yield b64encode(b"\0" * before + content)[(before * 8 + 5) // 6 : whole]
