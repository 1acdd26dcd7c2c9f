"""`snellen review`: the weekly review of every slice, printed or as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from monitor.cli.database import database
from monitor.cli.metrics import table as of_task
from monitor.cli.models import require_replayed, require_served
from monitor.cli.terminal import cut, escaped
from monitor.cli.windows import aware, moment

if TYPE_CHECKING:
    from monitor.domain.window import Window
    from monitor.services.measure_tasks import TaskReport
    from monitor.services.review import Review, ReviewTable, Values
    from monitor.services.unlabelled import Aided
    from monitor.stats.intervals import Interval
    from monitor.stats.slice_review import JudgedSlice

NOTHING_FOUND: Final = 3
SHOWN: Final = 15
"""Slices of a table that are printed; the file has them all."""


def review(
    week: Annotated[
        str | None, typer.Option(help="ISO week such as 2026-W46, UTC; default: the last full one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    version: Annotated[str | None, typer.Option(help="Of this version only.")] = None,
    replay: Annotated[str | None, typer.Option(help="Of this replay; default: live traffic.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(parser=moment, help="By what was labelled until then, RFC 3339 with a zone; default: now."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write it to this file; `-` is standard output.")] = None,
) -> None:
    """Print every slice's accuracy with its interval, its change to the week before, which slices stand out, and what
    the answers are worth by their tasks' own metrics.

    Repeated with the same --as-of, the file has the same bytes. Exit status 3: nothing of that week is labelled.
    """
    from monitor import bootstrap, settings
    from monitor.services.measure_tasks import measure_tasks
    from monitor.services.review import full_review
    from monitor.services.spreadsheet import review_csv
    from monitor.store.engine import transaction
    from monitor.store.queries.selection import LIVE, Selection

    moment = aware(as_of) if as_of else bootstrap.now()
    window = _week(week, moment)
    selection = Selection(model=model, version=version, source=LIVE if replay is None else replay)
    config = settings.load()
    with database(config, "review") as engine, transaction(engine) as connection:
        require_served(connection, model, version)
        require_replayed(connection, replay)
        found = full_review(connection, window, moment, selection)
        shown = csv is None and as_of is None  # task metrics are of all that is known now
        tasks = measure_tasks(connection, window, selection, tasks=bootstrap.tasks(config)) if shown else None
    if csv is None:
        typer.echo("\n".join(cut(escaped(line)) for line in [*_lines(found), *_task_lines(tasks)]))
    elif str(csv) == "-":
        typer.echo(review_csv(found).decode(), nl=False)
    else:
        _write(csv, review_csv(found))
    if not found.whole.accuracy.n:
        raise typer.Exit(NOTHING_FOUND)


def _week(name: str | None, now: datetime) -> Window:
    from monitor.services.review import last_full_week, week_of

    try:
        window = last_full_week(now) if name is None else week_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    aware(window.start)  # the week before is looked at too
    return window


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
    typer.echo(f"written to {file}")


def _lines(found: Review) -> Iterator[str]:
    start, end = found.window.start, found.window.end
    year, number, _ = start.isocalendar()
    days = f"{start:%Y-%m-%d} to {end:%Y-%m-%d} UTC"
    state = "" if end <= found.as_of else ": not over yet" if start <= found.as_of else ": still to come"
    yield f"Week {year}-W{number:02}, {days}, as of {found.as_of.isoformat()}{state}"
    whole, maturity = found.whole, found.maturity
    if not whole.accuracy.n:
        yield "Nothing of it is labelled: accuracy is unknown, not good."
        return
    yield f"all traffic  {_accuracy(whole)}  change {_change(whole)}"
    if maturity.share is not None:
        words = "" if maturity.mature else ": not yet mature, figures may move"
        tasks = f"{maturity.answered} of {maturity.drawn} tasks"
        yield f"labels in    {maturity.share:.0%} of those to be expected ({tasks}){words}"
    if undecided := found.labelled.undecided:
        labels = f"{undecided} label{'s' * (undecided > 1)} decide{'s' * (undecided == 1)} nothing"
        yield f"left out     {labels} (unsure, tied, or no scorer for the task)"
    yield from _aided(found.aided)
    for table in found.tables:
        yield ""
        yield from _table(table)


def _task_lines(found: TaskReport | None) -> Iterator[str]:
    if found is None:
        yield ""
        yield "Tasks' own metrics are of all that is known now: leave --as-of out, or see `snellen metrics`."
    elif found.used:
        yield ""
        yield "by the tasks' own metrics (docs/tasks.md):"
        yield from (line for one in found.figures for line in of_task(one))
        if found.shortfall:
            yield found.shortfall


def _aided(aided: Aided) -> Iterator[str]:
    if (powered := aided.powered) is not None:
        yield (
            f"with confidences of unlabelled answers  {powered.share:.1%} {_interval(powered.interval)}, "
            f"worth {max(powered.saving, 0.0):.0%} more labels"
        )
    if (estimated := aided.estimated) is not None:
        which = "" if aided.confident == 1.0 else f", the {aided.confident:.1%} that have a confidence"
        yield (
            f"by confidences and earlier labels alone  {estimated.share:.1%} {_interval(estimated.interval)}, "
            f"{estimated.n} answers{which}"
        )


def _table(table: ReviewTable) -> Iterator[str]:
    rows = sorted(table.rows, key=lambda row: (*row.evidence, row.key))
    yield f"by {' and '.join(one.name for one in table.dimensions)}, surely worst first:"
    wide = max((len(" & ".join(row.key)) for row in rows[:SHOWN]), default=0)
    for row in rows[:SHOWN]:
        yield (
            f"  {' & '.join(row.key):<{wide}}  {_accuracy(row)}  against the rest "
            f"{_difference(row.rest.difference, row.rest.interval)}{' *' if row.stands_out else ''}  change "
            f"{_change(row)}{' *' if row.changed else ''}"
            f"{'' if row.accuracy.state == 'ok' else '  ' + row.accuracy.state.replace('_', ' ')}"
        )
    if len(rows) > SHOWN:
        yield f"  and {len(rows) - SHOWN} more"


def _accuracy(row: JudgedSlice[Values]) -> str:
    found = row.accuracy
    share = "    –" if found.accuracy is None else f"{found.accuracy:.1%}"
    return f"{share} {_interval(found.interval)} n = {found.n}"


def _change(row: JudgedSlice[Values]) -> str:
    if (change := row.known_change) is None:
        return row.change_state.replace("_", " ")
    return _difference(change.difference, change.interval)


def _difference(difference: float | None, interval: Interval | None) -> str:
    if difference is None or interval is None:
        return "–"
    return f"{100 * difference:+.1f} pt ({100 * interval.lower:+.1f} to {100 * interval.upper:+.1f} pt)"


def _interval(interval: Interval) -> str:
    return f"({100 * interval.lower:.1f} to {100 * interval.upper:.1f}%)"
