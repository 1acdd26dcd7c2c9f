"""Take references into use: sketch under them what is retained, while ingest goes on.

Whatever is stored has to be sketched under each reference exactly once, and sketching all that is retained may take
hours. So writers sketch under a reference from one moment on, for which they wait an instant; what had been stored by
then is sketched behind them, as a snapshot of that moment shows it. Nothing is compared with it before all is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Final

from sqlalchemy import Connection, Engine

from monitor.services.sketches import SketchService
from monitor.store import locks, snapshots
from monitor.store import references as store
from monitor.store.embeddings import EmbeddedPrediction
from monitor.store.engine import transaction
from monitor.store.references import ActiveReference
from monitor.store.sketches import add_sketches
from monitor.store.vectors import Source, embedded

CHUNK: Final = 5000
"""Predictions that are sketched in one transaction: the rows of their hours are locked for less than a second."""


@contextmanager
def making_references(engine: Engine) -> Iterator[bool]:
    """Change references, as the only one who does; False: somebody else does, or erases requests from their sketches.

    What a process that died has left half gathered is let go.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with locks.try_hold(engine, locks.REFERENCES) as held:
        if held is not None:
            with transaction(engine) as connection:
                if store.are_gathering(connection):
                    store.next_epoch(connection)
                    store.abandon(connection)
        yield held is not None


def gather(
    engine: Engine, sketcher: SketchService, source: Source, begin: Callable[[Connection], Sequence[ActiveReference]]
) -> None:
    """Sketch what is retained of a source, and make the references active.

    Args:
        begin: stores or marks the references as gathering, and returns them; writers wait for its transaction.

    Raises:
        StoreError: PostgreSQL refused or does not answer. The references stay former ones.
    """
    with ExitStack() as stack:
        with transaction(engine) as connection:
            store.next_epoch(connection)
            references = begin(connection)
            if not references:
                return
            past = stack.enter_context(snapshots.as_seen_by(engine, connection))
        for chunk in _chunks(embedded(past, source)):
            sketcher.admit(chunk)
            with transaction(engine) as connection:
                for reference in references:
                    add_sketches(connection, reference.id, sketcher.sketch(reference, chunk))
    with transaction(engine) as connection:
        store.next_epoch(connection)
        for reference in references:
            store.activate(connection, reference)


def _chunks(rows: Iterator[EmbeddedPrediction]) -> Iterator[list[EmbeddedPrediction]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
