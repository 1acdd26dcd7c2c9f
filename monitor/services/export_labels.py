"""Tasks that wait for annotators into a file, for whatever tool they work with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import IO

from sqlalchemy import Engine

from monitor.domain.label_tasks import TaskItem
from monitor.labelling import LabelFile
from monitor.store.engine import transaction
from monitor.store.label_tasks import Terms
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
    """Show the model's answer. Whoever sees it tends to agree with it."""


def export_tasks(engine: Engine, file: LabelFile, out: IO[bytes], export: Export, terms: Terms, now: datetime) -> int:
    """Write the tasks, oldest first; returns how many. Nobody is kept from taking them meanwhile.

    Raises:
        StoreError: PostgreSQL does not answer.
    """
    with transaction(engine) as connection:
        found = queue(connection, terms, now, stratum=export.stratum, disputed=export.disputed)
        tasks = _Shown(islice(found, export.limit), with_answer=export.with_answer)
        file.write(tasks, out)
    return tasks.count


class _Shown:
    """The tasks as annotators see them, counted."""

    def __init__(self, tasks: Iterator[TaskItem], *, with_answer: bool) -> None:
        self._tasks = tasks
        self._with_answer = with_answer
        self.count = 0

    def __iter__(self) -> Iterator[TaskItem]:
        for task in self._tasks:
            self.count += 1
            yield task if self._with_answer else replace(task, answer=None)
