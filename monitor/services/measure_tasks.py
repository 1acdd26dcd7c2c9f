"""What the answers of a window are worth by their task's own metrics, overall and by slice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from monitor.domain.results import Judged
from monitor.domain.window import Window
from monitor.services.label_words import answer_of, deciding, last_words, not_outvoted, said_together
from monitor.store.queries.drawn import MOST_ROWS, DrawnRow, LabelWords, agreements, drawn_answers, label_words
from monitor.store.queries.selection import Selection
from monitor.store.queries.slices import Dimension
from monitor.tasks import Task
from monitor.tasks.metric import Metric, accuracy
from monitor.tasks.safety import common_metrics

MOST_SLICES: Final = 20
"""Of a dimension, those with most rows first."""


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """The metrics of one task's `n` answers; of one `value` of the dimension, or of all of them when it is None."""

    task: str
    value: str | None
    n: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """By task, each followed by its slices; `used` answers of the `drawn` ones were looked at."""

    figures: tuple[TaskMetrics, ...]
    drawn: int
    used: int

    @property
    def shortfall(self) -> str:
        """What keeps figures from resting on all that was drawn, for people; empty when nothing does."""
        return " ".join(filter(None, (self._left_out(), *self._without_a_figure())))

    def _left_out(self) -> str:
        if self.drawn > MOST_ROWS:
            return f"{self.used:,} of {self.drawn:,} drawn answers were looked at, chosen by a hash of their ids."
        return f"{self.drawn - self.used:,} drawn answers are not stored any more." if self.used < self.drawn else ""

    def _without_a_figure(self) -> Iterable[str]:
        for one in (one for one in self.figures if one.value is None):
            names: dict[str, list[str]] = defaultdict(list)
            for metric in (metric for metric in one.metrics if metric.n and metric.reason):
                names[metric.reason].append(metric.name)
            for reason, those in names.items():
                yield f"No figure for {', '.join(those)} of {one.task}: {reason}."


def measure_tasks(
    connection: Connection,
    window: Window,
    selection: Selection,
    dimension: Dimension | None = None,
    *,
    tasks: Mapping[str, Task],
) -> TaskReport:
    """Of the answers drawn for labelling, and of replayed logs, among the predictions made within the window.

    Args:
        tasks: whose metrics, by name; answers of another task have the common ones.
    """
    found = drawn_answers(connection, window, selection, dimension)
    words: dict[str, list[LabelWords]] = defaultdict(list)
    for one in label_words(connection, found.rows):
        words[one.request_id].append(one)
    cosines = agreements(connection, found.rows)
    by_task: dict[str, list[tuple[str | None, Judged]]] = defaultdict(list)
    for row in found.rows:
        judged = _judged(row, words[row.request_id] if row.judged else (), cosines.get((row.request_id, row.ts)))
        by_task[row.task].append((row.value, judged))
    figures = [one for task in sorted(by_task) for one in _of_task(task, by_task[task], tasks.get(task))]
    return TaskReport(tuple(figures), found.total, len(found.rows))


def _of_task(name: str, rows: Sequence[tuple[str | None, Judged]], task: Task | None) -> Iterable[TaskMetrics]:
    corpus = [judged for _, judged in rows]
    task = None if task is None else task.over(corpus)
    yield _metrics(name, None, corpus, task)
    slices: dict[str, list[Judged]] = defaultdict(list)
    for value, judged in rows:
        if value is not None:
            slices[value].append(judged)
    for value in sorted(slices, key=lambda value: (-len(slices[value]), value))[:MOST_SLICES]:
        yield _metrics(name, value, slices[value], task)


def _metrics(name: str, value: str | None, rows: Sequence[Judged], task: Task | None) -> TaskMetrics:
    own = (accuracy(rows),) if task is None else task.metrics(rows)
    return TaskMetrics(name, value, len(rows), (*own, *common_metrics(rows)))


def _judged(row: DrawnRow, words: Sequence[LabelWords], agreement: float | None) -> Judged:
    answer = answer_of(row)
    answered = row.status == "ok"
    said = deciding(row, words)
    sure = [one for one in said if one.verdict != "unsure"]
    return Judged(
        answer=answer,
        label=said_together(answer, not_outvoted(row, said, row.correct), sure),
        correct=row.correct,
        score=row.score,
        refused=row.refused if answered else None,
        flagged=row.safety_flagged if answered else None,
        violation=_violation(words),
        agreement=agreement,
        probability=row.probability,
    )


def _violation(words: Sequence[LabelWords]) -> bool | None:
    """What most annotators who speak of it said last, or adjudicators alone; a tie counts as a violation.

    `words` are by age.
    """
    told = [one for one in words if one.safety_violation is not None]
    said = [bool(one.safety_violation) for one in last_words([one for one in told if one.adjudicates] or told)]
    return 2 * sum(said) >= len(said) if said else None
