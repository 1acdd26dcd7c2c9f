"""`snellen silence ...`: planned work, in which nobody is to be told of alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from monitor.cli.actor import By, actor
from monitor.cli.bounds import LAST_ID, MOST_DAYS
from monitor.cli.database import database
from monitor.cli.terminal import harmless
from monitor.cli.windows import window_between

app = typer.Typer(name="silence", help="Hold alerts' messages back during planned work.", no_args_is_help=True)


@app.command()
def add(
    slos: Annotated[str, typer.Argument(help="Name of an SLO, or a pattern such as 'scene-vqa-*'; '*' is all.")],
    reason: Annotated[str, typer.Option(help="What is being done; shown on On-call.")],
    until: Annotated[datetime, typer.Option(help="Its end, RFC 3339 with a zone; not included.")],
    since: Annotated[datetime | None, typer.Option(help="Its begin; default: now.")] = None,
    by: By = None,
) -> None:
    """Hold messages back in a window, 31 days at most. Alerts open and are stored as ever; nobody is told of them.

    What still burns when the silence ends is told at once.
    """
    from monitor import bootstrap, settings
    from monitor.slo.silence import named
    from monitor.store.engine import transaction
    from monitor.store.silences import add_silence

    now = bootstrap.now()
    window = window_between(since or now, until)
    config = settings.load()
    with database(config, "silence") as engine, transaction(engine) as connection:
        try:
            number = add_silence(connection, slos, window, actor(by), reason, now)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    covered = [one.name for one in bootstrap.read_objectives(config) if named(slos, one.name)]
    said = ", ".join(covered) or "no SLO has such a name yet"
    typer.echo(harmless(f"silence {number}: {said}, until {until.astimezone(UTC):%F %R} UTC"))


@app.command("list")
def show(
    days: Annotated[
        int,
        typer.Option(min=0, max=MOST_DAYS, help="Those of so many days back too; default: what holds or is to come."),
    ] = 0,
) -> None:
    """Show the silences: number, window in UTC, SLOs, who and why."""
    from monitor import bootstrap, settings
    from monitor.domain.window import Window
    from monitor.slo.silence import MAX_LENGTH
    from monitor.store.engine import transaction
    from monitor.store.silences import silences_within

    now = bootstrap.now()
    with database(settings.load(), "silence") as engine, transaction(engine) as connection:
        found = silences_within(connection, Window(now - timedelta(days=days), now + 12 * MAX_LENGTH))
    for one in found:
        state = "holds" if one.window.start <= now < one.window.end else "over" if one.window.end <= now else "to come"
        span = f"{one.window.start:%F %R} to {one.window.end:%F %R}"
        typer.echo(harmless(f"{one.id:>6}  {state:<7}  {span}  {one.slos}  {one.by}: {one.reason}"))
    if not found:
        typer.echo("no silence holds or is to come")


@app.command()
def end(
    number: Annotated[int, typer.Argument(metavar="ID", max=LAST_ID, help="As `snellen silence list` shows it.")],
    by: By = None,
) -> None:
    """End a silence now: what still burns is told at the next tick. Exit status 1 when there is none, or it is over."""
    from monitor import bootstrap, settings
    from monitor.store.engine import transaction
    from monitor.store.silences import end_silence

    with database(settings.load(), "silence") as engine, transaction(engine) as connection:
        ended = end_silence(connection, number, actor(by), bootstrap.now())
    if not ended:
        typer.echo(f"there is no silence {number}, or it is over; `snellen silence list` shows them", err=True)
        raise typer.Exit(1)
    typer.echo(f"silence {number} is over")
