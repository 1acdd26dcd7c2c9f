"""`snellen silence ...`: planned work, in which nobody is to be told of alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.actor import By, actor
from monitor.cli.bounds import LAST_ID, MOST_DAYS
from monitor.cli.database import database
from monitor.cli.terminal import harmless
from monitor.cli.windows import aware, moment, window_between, written
from monitor.errors import SettingsError

if TYPE_CHECKING:
    from monitor.slo.silence import Silence

app = typer.Typer(name="silence", help="Hold alerts' messages back during planned work.", no_args_is_help=True)


@app.command()
def add(
    slos: Annotated[str, typer.Argument(help="Name of an SLO, or a pattern such as 'scene-vqa-*'; '*' is all.")],
    reason: Annotated[str, typer.Option(help="What is being done; shown on On-call.")],
    until: Annotated[
        datetime | None, typer.Option(parser=moment, help="Its end, RFC 3339 with a zone; not included.")
    ] = None,
    length: Annotated[str | None, typer.Option("--for", help="Instead of --until: so long, as 90m, 4h or 2d.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Its begin; default: now.")] = None,
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
    window = window_between(since or now, _end(since or now, until, length))
    config = settings.load()
    with database(config, "silence") as engine, transaction(engine) as connection:
        try:
            number = add_silence(connection, slos, window, actor(by), reason, now)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    try:
        covered = [one.name for one in bootstrap.read_objectives(config) if named(slos, one.name)]
        said = ", ".join(covered) or "no SLO has such a name yet"
    except SettingsError:  # it holds all the same
        said = f"{slos} (which SLOs these are is not known here, because alerts.slo_dir cannot be read)"
    typer.echo(harmless(f"silence {number}: {said}, until {window.end.astimezone(UTC):%F %R} UTC"))


def _end(since: datetime, until: datetime | None, length: str | None) -> datetime:
    """Raises BadParameter unless one of the two is given, and the length is one."""
    from monitor.slo import duration

    if (until is None) == (length is None):
        raise typer.BadParameter("say when it ends: either --until TIME or --for 4h")
    if until is not None:
        return until
    try:
        return aware(since) + timedelta(minutes=duration.minutes(length or ""))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"--for: {error}") from None


@app.command("list")
def show(
    days: Annotated[
        int,
        typer.Option(min=0, max=MOST_DAYS, help="Those of so many days back too; default: what holds or is to come."),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
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
        if as_json:
            typer.echo(json.dumps(_plain(one, state)))
            continue
        span = f"{one.window.start:%F %R} to {one.window.end:%F %R}"
        typer.echo(harmless(f"{one.id:>6}  {state:<7}  {span}  {one.slos}  {one.by}: {one.reason}"))
    if not found and not as_json:
        typer.echo("no silence holds or is to come")


def _plain(one: Silence, state: str) -> dict[str, object]:
    since, until = written(one.window.start), written(one.window.end)
    return {"id": one.id, "state": state, "since": since, "until": until, "slos": one.slos, "by": one.by,
            "reason": one.reason}  # fmt: skip


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
