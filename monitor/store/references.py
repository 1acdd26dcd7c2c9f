"""Drift references, and what their slices looked like."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.drift.archive import is_whole
from monitor.drift.dispersion import Dispersion
from monitor.drift.fit import Fit
from monitor.drift.sketch import Sketch
from monitor.errors import FingerprintMismatch, UnreadableState
from monitor.store.vectors import Source

_REFERENCE = (
    "id, model, stream, embedder_id, fit, blessed, categories, "
    "(SELECT fingerprint FROM embedders WHERE embedders.id = embedder_id) AS fingerprint"
)
_RIVALS = "model = :model AND stream = :stream AND embedder_id = :embedder AND active"


REMEDY = (
    "`snellen reference create` makes it anew of stored traffic, `snellen reference activate` goes back to an earlier "
    "one"
)


class Unread(NamedTuple):
    """What stands where a fit is expected, and cannot be read here."""

    reason: str
    is_damaged: bool
    """By no version."""


@dataclass(frozen=True, slots=True)
class ActiveReference:
    """A reference that current traffic is sketched under."""

    id: int
    model: str
    stream: str
    embedder_id: int
    fingerprint: str
    """The embedder's."""
    stored: Fit | Unread
    blessed: bool
    categories: tuple[str, ...]
    """What a mix counts by name."""

    def __str__(self) -> str:
        return f"reference {self.id} ({self.model}, {self.stream}, {self.fingerprint})"

    @property
    def is_readable(self) -> bool:
        return isinstance(self.stored, Fit)

    @property
    def is_damaged(self) -> bool:
        """No version can read its fit, so that nobody compares with it."""
        return isinstance(self.stored, Unread) and self.stored.is_damaged

    @property
    def fit(self) -> Fit:
        """What cannot be read hinders who needs it, and nobody who reads other references beside it.

        Raises:
            UnreadableState: it is damaged, or of another version.
        """
        if isinstance(self.stored, Unread):
            raise UnreadableState(f"{self} cannot be read: {self.stored.reason}. {REMEDY}")
        return self.stored


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a slice looked like in the reference."""

    sketch: Sketch
    dispersion: Dispersion


@lru_cache(maxsize=64)
def _fit(content: bytes) -> Fit | Unread:
    try:
        return Fit.from_bytes(content)
    except UnreadableState as error:
        return Unread(str(error), is_damaged=not is_whole(content))


_dispersion = lru_cache(maxsize=1024)(Dispersion.from_bytes)
"""Both never change, and every tick reads all of them."""


def share_epoch(connection: Connection) -> int:
    """The number of the current set of references, which cannot change until the end of the transaction."""
    return int(connection.execute(text("SELECT epoch FROM reference_epoch FOR SHARE")).scalar_one())


def next_epoch(connection: Connection) -> None:
    """Begin a new set of references; writers of sketches wait until the end of the transaction, which must be short."""
    connection.execute(text("UPDATE reference_epoch SET epoch = epoch + 1"))


def active_references(connection: Connection, until: datetime | None = None) -> list[ActiveReference]:
    """The references of now; with `until`, without those that rest on later traffic."""
    rows = connection.execute(
        text(
            f"SELECT {_REFERENCE} FROM drift_references "
            "WHERE active AND (CAST(:until AS timestamptz) IS NULL OR window_end <= :until) ORDER BY id"
        ),
        {"until": until},
    )
    return [_reference(row) for row in rows]


def sketched_references(connection: Connection) -> list[ActiveReference]:
    """Those that current traffic is sketched under: the references of now, and those that gather sketches to be."""
    rows = connection.execute(text(f"SELECT {_REFERENCE} FROM drift_references WHERE active OR gathering ORDER BY id"))
    return [_reference(row) for row in rows]


def are_gathering(connection: Connection) -> bool:
    """Does any reference gather sketches?"""
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM drift_references WHERE gathering)")).scalar_one())


def gather(connection: Connection, chosen: ActiveReference) -> None:
    """Let writers sketch under a former reference."""
    connection.execute(text("UPDATE drift_references SET gathering = true WHERE id = :id"), {"id": chosen.id})


def abandon(connection: Connection) -> None:
    """Make former ones of the references that gather sketches, and forget what they have gathered."""
    connection.execute(
        text("DELETE FROM embedding_sketches USING drift_references WHERE id = reference_id AND gathering")
    )
    connection.execute(text("UPDATE drift_references SET gathering = false WHERE gathering"))


def reference(connection: Connection, reference_id: int) -> ActiveReference | None:
    """A reference, whether it is active or not."""
    query = text(f"SELECT {_REFERENCE} FROM drift_references WHERE id = :id")
    row = connection.execute(query, {"id": reference_id}).one_or_none()
    return None if row is None else _reference(row)


def activate(connection: Connection, chosen: ActiveReference) -> None:
    """Make a reference the active one of its stream and embedder."""
    key = {"model": chosen.model, "stream": chosen.stream, "embedder": chosen.embedder_id}
    connection.execute(text(f"UPDATE drift_references SET active = false WHERE {_RIVALS}"), key)
    connection.execute(
        text("UPDATE drift_references SET active = true, gathering = false WHERE id = :id"), {"id": chosen.id}
    )


def insert_reference(
    connection: Connection,
    source: Source,
    stream: str,
    fit: Fit,
    window: Window,
    rows: int,
    *,
    blessed: bool,
    categories: Sequence[str] = (),
    gathering: bool = False,
) -> ActiveReference:
    """Store a reference: the active one of its stream, or one that gathers sketches to become it."""
    key = {"model": source.model, "stream": stream, "embedder": source.embedder_id}
    if not gathering:
        connection.execute(text(f"UPDATE drift_references SET active = false WHERE {_RIVALS}"), key)
    found = connection.execute(
        text(
            "INSERT INTO drift_references "
            "(model, stream, embedder_id, blessed, active, gathering, window_start, window_end, rows, fit, categories) "
            "VALUES (:model, :stream, :embedder, :blessed, NOT :gathering, :gathering, :start, :end, :rows, :fit, "
            ":categories) "
            f"RETURNING {_REFERENCE}"
        ),
        {
            **key, "blessed": blessed, "gathering": gathering, "start": window.start, "end": window.end, "rows": rows,
            "fit": fit.to_bytes(), "categories": list(categories) or None,
        },
    )  # fmt: skip
    return _reference(found.one())


def insert_baselines(connection: Connection, reference_id: int, baselines: Mapping[Slice, Baseline]) -> None:
    connection.execute(
        text(
            "INSERT INTO drift_baselines (reference_id, dimension, value, baseline, dispersion) "
            "VALUES (:reference, :dimension, :value, :baseline, :dispersion)"
        ),
        [
            {
                "reference": reference_id, "dimension": part.dimension, "value": part.value,
                "baseline": one.sketch.to_bytes(), "dispersion": one.dispersion.to_bytes(),
            }
            for part, one in baselines.items()
        ],
    )  # fmt: skip


def baselines(connection: Connection, reference: ActiveReference) -> dict[Slice, Baseline]:
    """What the slices looked like.

    Raises:
        UnreadableState: the fit or one of them is damaged, or of another version.
        FingerprintMismatch: one was made under another fit.
    """
    fit = reference.fit
    rows = connection.execute(
        text("SELECT dimension, value, baseline, dispersion FROM drift_baselines WHERE reference_id = :id"),
        {"id": reference.id},
    )
    found = {}
    for row in rows:
        sketch = Sketch.from_bytes(bytes(row.baseline))
        sketch.demand(fit)
        found[Slice(row.dimension, row.value)] = Baseline(sketch, _dispersion(bytes(row.dispersion)))
    return found


def unreadable(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """Which of these references nothing can be compared with, because they or their slices cannot be read, and why."""
    found: dict[int, str] = {}
    query = text(f"SELECT {_REFERENCE} FROM drift_references WHERE id = ANY(:numbers) ORDER BY id")
    for reference in map(_reference, connection.execute(query, {"numbers": list(numbers)}).all()):
        if isinstance(reference.stored, Unread):
            found[reference.id] = reference.stored.reason
            continue
        try:
            baselines(connection, reference)
        except (UnreadableState, FingerprintMismatch) as error:
            found[reference.id] = str(error)
    return found


def _reference(row: Any) -> ActiveReference:
    return ActiveReference(
        row.id, row.model, row.stream, row.embedder_id, row.fingerprint, _fit(bytes(row.fit)), row.blessed,
        tuple(row.categories or ()),
    )  # fmt: skip
