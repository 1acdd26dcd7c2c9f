"""Tasks that wait for annotators into a file, for whatever tool they work with, and held for whom the file is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import IO

from sqlalchemy import Engine

from monitor.domain.label_tasks import TaskItem, TaskKey
from monitor.labelling import LabelFile
from monitor.store.engine import transaction
from monitor.store.label_tasks import FILES, Terms, hold
from monitor.store.queries.label_tasks import queue


@dataclass(frozen=True, slots=True)
class Export:
    """Which tasks, and what of them."""

    stratum: str | None = None
    """None: of all."""
    disputed: bool = False
    """Those whose annotators contradict each other, instead of those that nobody has answered."""
    limit: int | None = None
    with_answer: bool = False
    """Show the model's answer, and of disputed tasks what was said of it. Whoever sees it tends to agree with it."""
    holder: str | None = None
    """Whom the file is for; None: nobody is kept from taking the tasks meanwhile."""
    held_for: timedelta = timedelta(days=7)
    """After that, tasks of which no label came back are offered to others."""


def export_tasks(engine: Engine, file: LabelFile, out: IO[bytes], export: Export, terms: Terms, now: datetime) -> int:
    """Write the tasks that nobody holds, oldest first; returns how many.

    With a holder they are claimed as they are written: no other file, and nobody at the page, gets them until a label
    comes back or the time is up. The same holder gets its own again, so that a lost file is made anew, but none that
    an annotator of its name has answered: where several people are needed, they are others.

    Raises:
        OSError: the file cannot be written; nothing was claimed.
        StoreError: PostgreSQL does not answer; nothing was claimed.
    """
    holder = f"{FILES}{export.holder}" if export.holder else ""
    with transaction(engine) as connection:
        found = queue(connection, terms, now, stratum=export.stratum, disputed=export.disputed, holder=holder)
        tasks = _Shown(islice(found, export.limit), with_answer=export.with_answer)
        file.write(tasks, out)
        out.flush()
        if holder:
            hold(connection, tasks.keys, holder, now + export.held_for)
    return len(tasks.keys)


@dataclass(slots=True)
class _Shown:
    """The tasks as annotators see them, noted down."""

    tasks: Iterator[TaskItem]
    with_answer: bool
    keys: list[TaskKey] = field(default_factory=list)

    def __iter__(self) -> Iterator[TaskItem]:
        for task in self.tasks:
            self.keys.append(task.key)
            yield task if self.with_answer else replace(task, answer=None, words=())
