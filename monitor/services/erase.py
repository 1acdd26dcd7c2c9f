"""Remove all that is stored of some requests, or of a person, and account for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from monitor.privacy import Subjects
from monitor.privacy.mentions import Mentions
from monitor.services.sketches import SketchService
from monitor.store import audit, erase_letters, erasure, field_sketches, locks, predictions, references, tombstones
from monitor.store.engine import transaction, trial
from monitor.store.erasure import Key, Person
from monitor.store.writers import wait_for_writers

CHUNK = 1000
"""Requests whose vectors are in memory at once."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was found and removed, or would be."""

    requests: int
    rows: Counter[str]
    """Rows by table; `embedding_sketches` counts hourly sums that were corrected or dropped."""
    known_before: bool
    """It was erased earlier, and so may well be gone already."""
    unknown: tuple[str, ...] = ()
    """Ids that were asked for and of which nothing is known, nor that they were erased."""

    @property
    def found(self) -> bool:
        return bool(self.requests or self.rows.total())


@dataclass(slots=True)
class _Removed:
    rows: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    """Of requests of which anything was found, and of texts that dead letters hold."""

    def note(self, table: str, request_ids: Sequence[str]) -> None:
        """Rows of these requests went."""
        self.rows[table] += len(request_ids)
        self.ids.update(request_ids)


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
            removed = self._remove(connection, request_ids, [], request_ids, now)
            known_ids = {request_id for request_id, _ in known}
            requests = len(known_ids - gone)
            hashes = sorted(self._subjects.digests(one)[0].hex() for one in request_ids)
            detail = {"request_ids": hashes, "requests": requests, "rows": dict(removed.rows)}
            audit.record(connection, audit.Entry(now, by, audit.Action.ERASE, detail))
        ever_known = known_ids | before | removed.ids
        unknown = dict.fromkeys(one for one in request_ids if one not in ever_known)
        return Erasure(requests, removed.rows, bool(before), tuple(unknown))

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
            rows = self._remove(connection, all_ids, labels, [*all_ids, subject], now).rows
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
    ) -> _Removed:
        removed = _Removed()
        letters = self._letters(connection, texts, removed)  # which takes longest, and before locks are held
        keys = _keys(connection, request_ids)
        vectors = erasure.keys_of_vectors(connection, request_ids)
        locks.share(connection, locks.REFERENCES)  # what is gathered meanwhile may be of these requests
        references.share_epoch(connection)
        rows = removed.rows
        for start in range(0, len(keys), CHUNK):
            some = keys[start : start + CHUNK]
            rows["embedding_sketches"] += self._withdraw(connection, some)
            rows["embedding_sketches"] += field_sketches.forget_sketches(connection, *zip(*some, strict=True))
        removed.note("embeddings", erasure.delete_by_key(connection, "embeddings", vectors))
        removed.note("predictions", erasure.delete_by_key(connection, "predictions", keys))
        for table in ("embeddings", "predictions"):
            removed.note(table, erasure.delete_from_leaving_days(connection, table, request_ids))
        locks.wait_for(connection, locks.ERASURE)
        removed.note("label_tasks", erasure.delete_tasks(connection, keys, request_ids))
        for table in ("verdicts", "explanation_examples", "discovery_examples"):
            removed.note(table, erasure.delete_by_id(connection, table, request_ids))
        gone = erasure.delete_labels(connection, request_ids, labels)
        removed.note("labels", [request_id for request_id, _ in gone])
        removed.note("waiting_halves", erasure.delete_halves(connection, request_ids))
        halves = erasure.delete_halves_with(connection, texts)
        removed.note("waiting_halves", [one for _, one in halves])
        rest = erasure.delete_halves(connection, [call for call, _ in halves])  # what else waits of these calls
        removed.rows["waiting_halves"] += len(rest)
        rows["dead_letters"] = erase_letters.blank(connection, letters)
        pairs = {tombstones.tombstone(pair_id) for pair_id, _ in halves}
        tombstones.bury(connection, pairs | {content_hash for _, content_hash in gone}, now)
        removed.rows = +rows
        return removed

    def _letters(self, connection: Connection, texts: Sequence[str], removed: _Removed) -> list[int]:
        """Dead letters that hold one of the texts, or from which one was removed, or of which nobody can tell."""
        mentions = Mentions(texts)
        hashes = {digest: one for one in texts for digest in self._subjects.digests(one)}
        found = []
        for page in erase_letters.pages(connection):
            named = {
                place
                for place, one in enumerate(page)
                if not (one.is_legible and hashes.keys().isdisjoint(one.subjects))
            }
            for place in sorted(named.union(mentions.suspects([one.contents for one in page]))):
                held = {hashes[one] for one in page[place].subjects & hashes.keys()}
                held |= set().union(*map(mentions.within, page[place].contents))
                removed.ids |= held
                if held or not page[place].is_legible:
                    found.append(page[place].number)
        return found

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
