"""`snellen ...`: each command is a few lines that call a service. Other processes are started as processes.

Commands import what they need themselves, so that `snellen --help` answers at once.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import __version__
from monitor.cli import (
    audit,
    canary,
    dlq,
    explain,
    ingest,
    labels,
    metrics,
    privacy,
    reference,
    report,
    review,
    silence,
    slo,
)
from monitor.cli.database import database, migrated
from monitor.cli.terminal import LogLines, folded, harmless
from monitor.cli.windows import aware, moment, written
from monitor.errors import SnellenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.embedded.component import ComponentStatus
    from monitor.services.replay import Progress

app = typer.Typer(
    name="snellen",
    help="Monitor vision-language models in production: drift, calibration, slice accuracy, SLO burn-rate alerts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dlq.app)
app.add_typer(ingest.app)
app.add_typer(labels.app)
app.add_typer(reference.app)
app.add_typer(report.app)
app.add_typer(silence.app)
app.add_typer(slo.app)
Home = Annotated[Path | None, typer.Option(help="Folder of the embedded servers; default: the setting `home`.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"snellen {__version__}")
        raise typer.Exit


@app.callback()
def _snellen(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version  # said before any command runs


def main() -> None:
    """Entry of the console script: our own errors become one clear message and exit status 1."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        app()
    except SnellenError as error:
        typer.echo(harmless(f"snellen: {error}"), err=True)
        sys.exit(1)


@app.command()
def up(home: Home = None) -> None:
    """Start PostgreSQL, a broker, collectors, scheduler and dashboard here; Ctrl-C stops them all."""
    from monitor import settings
    from monitor.embedded.runtime import Runtime
    from monitor.up import check, prepare, services

    config = settings.load(**({"home": home} if home else {}))
    check(config)
    runtime = Runtime(config.home, version=__version__, on_event=_print_component)
    ran = runtime.up(lambda addresses: prepare(config, addresses), lambda addresses: services(config, addresses))
    if not ran:
        typer.echo(f"already running in {config.home}; see `snellen status`, stop it with `snellen down`")


@app.command()
def down(home: Home = None) -> None:
    """Stop what `snellen up` started."""
    from monitor.embedded.control import down as stop

    folder = _home(home)
    typer.echo("stopped" if stop(folder) else f"nothing runs in {folder}")


@app.command()
def status(
    home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False
) -> None:
    """Show every component of a running `snellen up` with its address and health.

    Exit status 3 unless all of them run.
    """
    import msgspec

    from monitor.embedded.component import ComponentState
    from monitor.embedded.control import status as components

    folder = _home(home)
    found = components(folder)
    for component in found:
        if as_json:
            typer.echo(msgspec.json.encode(component).decode())
        else:
            _print_component(component)
    if not found:
        typer.echo(f"nothing runs in {folder}; start it with `snellen up`", err=as_json)
    if not found or any(one.state is not ComponentState.RUNNING for one in found):
        raise typer.Exit(3)


@app.command()
def migrate() -> None:
    """Bring the database schema to this version, make partitions ahead and the topics that lack."""
    from monitor import bootstrap, settings
    from monitor.broker import ensure_topics
    from monitor.services.retain import make_partitions_ahead
    from monitor.store.engine import migrate as upgrade

    config = settings.load()
    upgrade(bootstrap.database_url(config))
    with database(config, "migrate") as engine:
        make_partitions_ahead(engine, bootstrap.now())
    typer.echo("schema is up to date")
    ensure_topics(bootstrap.client_config(config), bootstrap.own_topics(config), config.kafka.partitions)
    typer.echo("topics are up to date")


@app.command()
def schedule() -> None:
    """Evaluate every minute and deliver alerts, until stopped. Any number may run; each tick counts once."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())  # before what takes seconds to import

    from monitor import settings
    from monitor.scheduler import run
    from monitor.telemetry import configure_logging

    configure_logging()
    run(settings.load(), stop)


@app.command()
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say, per table, what would go.")] = False,
) -> None:
    """Take away what is older than the settings `retention.*` keep it; the scheduler does so every hour."""
    from monitor import bootstrap, settings
    from monitor.services.retain import retain as run
    from monitor.store.clock import earlier

    config = settings.load()
    with database(config, "retain") as engine:
        done = run(engine, dict(config.retention), earlier(engine, bootstrap.now()), dry_run=dry_run)
    for expired in done:
        typer.echo(str(expired))
    if not done:
        typer.echo("another retention is running: nothing to do here")


@app.command()
def evaluate(
    as_of: Annotated[
        datetime, typer.Option(parser=moment, help="The tick, RFC 3339 with a zone; evaluated as it was known then.")
    ],
    since: Annotated[
        datetime | None, typer.Option(parser=moment, help="Evaluate every minute from here to --as-of.")
    ] = None,
) -> None:
    """Evaluate past ticks the same way as live ones; marked as backfilled, and no channel hears of them."""
    from monitor import bootstrap, settings
    from monitor.services.backfill import backfill
    from monitor.services.discover_slices import discover_due
    from monitor.services.explain import explain_past

    end = aware(as_of)
    start = aware(since) if since else end
    if start > end:
        raise typer.BadParameter("lies after --as-of", param_hint="--since")
    if end > bootstrap.now():
        raise typer.BadParameter("has not come yet: live evaluation would pass over it, untold", param_hint="--as-of")
    config = settings.load()
    evaluation = bootstrap.make_evaluation(config)
    with migrated(evaluation.engine) as engine:
        ticks = backfill(evaluation, start, end)
        explain_past(engine, bootstrap.explain_options(config), start, end)
        discover_due(engine, bootstrap.discover_options(config), end)
    typer.echo(f"{ticks:,} tick{'s' * (ticks != 1)} evaluated up to {written(end)}")


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Log to send: .jsonl, .jsonl.gz, .csv or .parquet.")],
    mapping: Annotated[Path, typer.Option(help="YAML file that maps its rows onto events; see docs/replay.md.")],
    speed: Annotated[str, typer.Option(help="N times event time, or `max`.")] = "max",
) -> None:
    """Send a log through Kafka and the collectors; run it again to resume from what PostgreSQL holds."""
    from monitor import bootstrap, settings
    from monitor.mapping.mapping import load_mapping
    from monitor.services.replay import replay as send

    config = settings.load()
    rows, pace = load_mapping(mapping), _speed(speed)
    with database(config, "replay") as engine, _progress_bar(file.name) as on_progress:
        wire = bootstrap.make_wire(config)
        report = send(engine, wire, file, rows, clock=bootstrap.now, speed=pace, on_progress=on_progress)
    for line in report.lines():
        typer.echo(harmless(line))
    if not report.complete:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the events."""
    from monitor.domain.events import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


app.command()(privacy.erase)
app.command()(audit.audit)
app.command()(canary.canary)
app.command()(explain.explain)
app.command()(explain.discover)
app.command()(metrics.metrics)
app.command()(review.review)


@contextmanager
def _progress_bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """A bar over the rows that are stored; on a terminal it moves, in a log it is told now and then."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done: bar.update(task, completed=done.tally.rows_done, total=done.rows)


def _speed(text: str) -> float | None:
    """None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise typer.BadParameter(f"--speed must be `max` or a number above 0, not {text!r}")
    return speed


def _home(home: Path | None) -> Path:
    from monitor import settings

    return home or settings.load().home


def _print_component(component: ComponentStatus) -> None:
    typer.echo(f"{component.name:<12} {component.state:<11} {component.address or ''}".rstrip())
    if component.detail:
        typer.echo(folded(component.detail, " " * 13))
