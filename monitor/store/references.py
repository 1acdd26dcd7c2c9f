"""Drift references, and what their slices looked like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, text

from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.drift.dispersion import Dispersion
from monitor.drift.fit import Fit
from monitor.drift.sketch import Sketch
from monitor.store.vectors import Source

_REFERENCE = "id, model, stream, embedder_id, fit, blessed, categories"
_RIVALS = "model = :model AND stream = :stream AND embedder_id = :embedder AND active"

_fit = lru_cache(maxsize=64)(Fit.from_bytes)
_dispersion = lru_cache(maxsize=1024)(Dispersion.from_bytes)
"""Both never change, and every tick reads all of them."""


@dataclass(frozen=True, slots=True)
class ActiveReference:
    """A reference that current traffic is sketched under."""

    id: int
    model: str
    stream: str
    embedder_id: int
    fit: Fit
    blessed: bool
    categories: tuple[str, ...]
    """What a mix counts by name."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a slice looked like in the reference."""

    sketch: Sketch
    dispersion: Dispersion


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


def baselines(connection: Connection, reference_id: int) -> dict[Slice, Baseline]:
    rows = connection.execute(
        text("SELECT dimension, value, baseline, dispersion FROM drift_baselines WHERE reference_id = :id"),
        {"id": reference_id},
    )
    return {
        Slice(row.dimension, row.value): Baseline(
            Sketch.from_bytes(bytes(row.baseline)), _dispersion(bytes(row.dispersion))
        )
        for row in rows
    }


def _reference(row: Any) -> ActiveReference:
    return ActiveReference(
        row.id, row.model, row.stream, row.embedder_id, _fit(bytes(row.fit)), row.blessed, tuple(row.categories or ())
    )
