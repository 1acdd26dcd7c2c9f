"""`snellen metrics`: what the answers of a window are worth by their task's own metrics."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.database import database
from monitor.cli.models import require_known, require_replayed, require_served
from monitor.cli.terminal import escaped
from monitor.cli.windows import aware, moment

if TYPE_CHECKING:
    from monitor.domain.window import Window
    from monitor.services.measure_tasks import TaskMetrics, TaskReport
    from monitor.store.queries.slices import Dimension
    from monitor.tasks.metric import Metric

WEEK = timedelta(days=7)
NOTHING_FOUND = 3


def metrics(
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    version: Annotated[str | None, typer.Option(help="Of this version only.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Default: a week before --until.")] = None,
    until: Annotated[datetime | None, typer.Option(parser=moment, help="RFC 3339 with a zone; default: now.")] = None,
    dimension: Annotated[
        str | None, typer.Option(help="Also by the values of this slice dimension, or built-in one.")
    ] = None,
    replay: Annotated[str | None, typer.Option(help="Of this replay; default: live traffic.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print accuracy, yes/no rates, top-k, recall, caption metrics, refusals and violations, each with its interval.

    Over the answers drawn for labelling, weighted by how they were drawn. Exit status 3: none were.
    """
    from monitor import bootstrap, settings
    from monitor.services.measure_tasks import measure_tasks
    from monitor.store.engine import transaction
    from monitor.store.queries.selection import LIVE, Selection
    from monitor.store.queries.slices import slice_dimensions

    config = settings.load()
    window, slices = _window(since, until), _dimension(dimension) if dimension else None
    selection = Selection(model=model, version=version, source=LIVE if replay is None else replay)
    with database(config, "metrics") as engine, transaction(engine) as connection:
        require_served(connection, model, version)
        require_replayed(connection, replay)
        found = measure_tasks(connection, window, selection, slices, tasks=bootstrap.tasks(config))
        if found.used and all(one.value is None for one in found.figures):
            known = [one.name for one in slice_dimensions(connection, window, selection)]
            require_known("--dimension", dimension, known, "no drawn answer of this window has it")
    typer.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(_lines(found)))
    if not found.used:
        raise typer.Exit(NOTHING_FOUND)


def _window(since: datetime | None, until: datetime | None) -> Window:
    from monitor import bootstrap
    from monitor.domain.window import Window

    end = aware(until) if until else bootstrap.now()
    try:
        return Window(aware(since) if since else end - WEEK, end)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _dimension(name: str) -> Dimension:
    from monitor.store.queries.slices import BUILT_IN, Dimension

    return Dimension("column" if name in BUILT_IN else "slice", name)


def _lines(found: TaskReport) -> list[str]:
    if not found.used:
        return ["no answer of this window was drawn for labelling"]
    lines = [line for one in found.figures for line in table(one)]
    return [*lines, found.shortfall] if found.shortfall else lines


def table(one: TaskMetrics) -> list[str]:
    """What is known of a task, a line a metric, and an empty one below."""
    part = "" if one.value is None else f", {escaped(one.value)}"
    head = f"{escaped(one.task)}{part}: {one.n:,} answer{'s' * (one.n != 1)}"
    return [head, *(_line(metric) for metric in one.metrics if metric.n), ""]


def _line(metric: Metric) -> str:
    few = "" if metric.enough else "  not enough"
    if metric.value is None or metric.interval is None:
        return f"  {metric.name:<24} {'-':>9}  {'':<20}  n = {metric.n:,}{few}"
    value, low, high = (metric.written(one) for one in (metric.value, metric.interval.lower, metric.interval.upper))
    return f"  {metric.name:<24} {value:>9}  {f'{low} to {high}':<20}  n = {metric.n:,}{few}"
