"""`snellen reference ...`: which traffic drift is compared with."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.actor import By, actor
from monitor.cli.bounds import LAST_ID
from monitor.cli.database import database
from monitor.cli.models import require_served
from monitor.cli.terminal import aligned, escaped, folded, harmless
from monitor.cli.windows import moment, window_between, written

if TYPE_CHECKING:
    from monitor.store.queries.drift import Reference, Unfitted

app = typer.Typer(name="reference", help="The traffic that drift is compared with.", no_args_is_help=True)


@app.command()
def create(
    model: Annotated[str, typer.Option(help="Name of the model.")],
    since: Annotated[
        datetime, typer.Option(parser=moment, help="Begin of the traffic to bless, RFC 3339 with a zone.")
    ],
    until: Annotated[datetime, typer.Option(parser=moment, help="Its end, not included.")],
    stream: Annotated[
        list[str] | None, typer.Option(help="Only this stream; may be given again. Default: all.")
    ] = None,
    by: By = None,
) -> None:
    """Bless past traffic: fit references on it, activate them, and sketch under them what is retained.

    At least 16 times `drift.window`; from 3 days on it knows the hour of the day, from 2 weeks the hour of the week.
    Exit status 1 when no stream could be fitted.
    """
    from monitor import bootstrap, settings
    from monitor.services.bless import Actor, bless
    from monitor.store.engine import transaction

    window, now = window_between(since, until), bootstrap.now()
    if window.end > now:
        raise typer.BadParameter(
            f"--until: has not come yet: only past traffic can be known as good; now is {written(now)}"
        )
    config = settings.load()
    who = Actor(actor(by), now)
    with database(config, "reference") as engine:
        with transaction(engine) as connection:
            require_served(connection, model)
        made = bless(engine, bootstrap.reference_options(config), model, window, stream or (), who)
    for one in made:
        said = f"reference {one.reference.id}" if one.reference else f"none: {one.reason}"
        typer.echo(harmless(f"{one.stream:<16} {said}"))
    if not any(one.reference for one in made):
        raise typer.Exit(1)


@app.command("list")
def show(
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Former references too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show the references: what they rest on, who made them, which are active, and which streams have none and why.

    Those that are damaged are told with the reason, and what to do.
    """
    from monitor import settings
    from monitor.store.engine import transaction
    from monitor.store.queries.drift import references, unfitted
    from monitor.store.references import REMEDY, unreadable

    with database(settings.load(), "reference") as engine, transaction(engine) as connection:
        require_served(connection, model)
        found = [one for one in references(connection, model) if one.active or one.gathering or every]
        lacking = [one for one in unfitted(connection, model) if one.compared_since is None]
        faults = unreadable(connection, [one.id for one in found])
    if as_json:
        for fields in (*(_plain(one, faults.get(one.id)) for one in found), *map(_plain_lack, lacking)):
            typer.echo(json.dumps(fields))
        return
    lines = [_cells(one, one.id in faults) for one in found]
    lines += [("none", one.model, one.stream, one.reason, f"{one.rows:,}", "", one.embedder) for one in lacking]
    for line in aligned([_COLUMNS, *lines] if lines else []):
        typer.echo(line)
    for number, reason in faults.items():
        typer.echo(folded(escaped(f"is compared with nothing: {reason}. {REMEDY}"), f"reference {number} ", 4))
    if not found:
        typer.echo("there is no reference; one is made of the first traffic, or by `snellen reference create`")


_COLUMNS = ("number", "model", "stream", "kind", "rows", "window (UTC)", "embedder")


def _cells(one: Reference, damaged: bool) -> tuple[str, ...]:
    span = f"{one.window.start:%Y-%m-%d %H:%M} to {one.window.end:%Y-%m-%d %H:%M}"
    kind = f"{one.kind}, damaged" if damaged else one.kind
    return str(one.id), one.model, one.stream, kind, f"{one.rows:,}", span, one.embedder


def _plain(one: Reference, fault: str | None) -> dict[str, object]:
    return {
        "number": one.id, "model": one.model, "stream": one.stream, "blessed": one.blessed, "active": one.active,
        "rows": one.rows, "since": written(one.window.start), "until": written(one.window.end),
        "embedder": one.embedder, "damaged": fault, "none_because": None,
    }  # fmt: skip


def _plain_lack(one: Unfitted) -> dict[str, object]:
    return {
        "number": None, "model": one.model, "stream": one.stream, "blessed": False, "active": False,
        "rows": one.rows, "since": None, "until": None, "embedder": one.embedder, "damaged": None,
        "none_because": one.reason,
    }  # fmt: skip


@app.command()
def activate(
    reference: Annotated[
        int, typer.Argument(max=LAST_ID, help="Number of the reference; see `snellen reference list --all`.")
    ],
    by: By = None,
) -> None:
    """Compare with an earlier reference again, and sketch under it what is retained."""
    from monitor import bootstrap, settings
    from monitor.services.bless import Actor
    from monitor.services.bless import activate as run

    config = settings.load()
    who = Actor(actor(by), bootstrap.now())
    with database(config, "reference") as engine:
        chosen = run(engine, bootstrap.reference_options(config), reference, who)
    typer.echo(harmless(f"reference {chosen.id} is the active one of {chosen.model}, stream {chosen.stream}"))
