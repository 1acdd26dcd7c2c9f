"""`snellen labels ...`: tasks out to annotators, labels back in, and how it stands."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from monitor.cli.bounds import MOST_DAYS, MOST_ROWS
from monitor.cli.database import database
from monitor.cli.models import require_known
from monitor.cli.terminal import escaped, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.labelling import LabelFile
    from monitor.sampling import LabelPlan
    from monitor.services.agree import AgreementReport
    from monitor.services.import_labels import Imported
    from monitor.stats.agreement import Agreement

app = typer.Typer(
    name="labels", help="Label tasks out to files, labels back in, and how it stands.", no_args_is_help=True
)
Format = Annotated[str | None, typer.Option(help="jsonl, csv or label-studio; default: by the file's name.")]
SHOWN = 20
_NOTHING_FILLED_IN = (
    "nothing was stored: no row is filled in. Does the file hold labels, in columns that are called verdict, answers "
    "or rating? See docs/labels.md"
)


@app.command("export")
def export_(
    out: Annotated[Path, typer.Option(help="File to write; one that is there already is left as it is.")],
    format: Format = None,
    stratum: Annotated[
        str | None, typer.Option(help="Only of this stratum, as `snellen labels status` names it.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=MOST_ROWS, help="At most so many, the oldest.")] = None,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Those to adjudicate, instead of those to be answered.")
    ] = False,
    with_answer: Annotated[
        bool,
        typer.Option("--with-answer", help="Show the model's answer; it sways whoever sees it, see docs/labels.md."),
    ] = False,
    holder: Annotated[
        str | None, typer.Option("--for", help="Hold the tasks for this team or vendor: nobody else gets them.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.04, max=365, help="So long, unless labels come back before.")] = 7.0,
) -> None:
    """Write the tasks that wait for annotators, and that nobody holds, to a file, without the model's answer."""
    from monitor import bootstrap, settings
    from monitor.services.export_labels import Export, export_tasks
    from monitor.store.engine import transaction
    from monitor.store.queries.label_tasks import strata

    file, config = _file(format, out), settings.load()
    wanted = Export(stratum, disputed, limit, with_answer, holder, timedelta(days=days))
    with database(config, "labels") as engine:
        with transaction(engine) as connection:
            require_known("--stratum", stratum, strata(connection), "no task is of it")
        with _new_file(out) as stream:
            count = export_tasks(engine, file, stream, wanted, bootstrap.label_terms(config), bootstrap.now())
    held = f", held for {holder} for {days:g} days" if holder else ""
    typer.echo(harmless(f"{count} tasks written to {out}{held}"))


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Labels: .jsonl, .csv, or Label Studio's JSON.")
    ],
    format: Format = None,
    annotator: Annotated[str | None, typer.Option(help="Whose labels they are, where a row names nobody.")] = None,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="They settle disputes: they decide, whatever annotators said.")
    ] = False,
    faults: Annotated[
        Path | None, typer.Option(help="Where to write the rows that are wrong, and why; default: FILE.rejected.jsonl.")
    ] = None,
) -> None:
    """Read labels from a file. Doing it twice changes nothing.

    Exit status 1 when some rows are wrong; the others are stored all the same. Those that are wrong are kept, with
    their line, the reason and what they said, in a file beside it, which an import without any takes away. Also when
    there are rows and not one is filled in, as where a column is misspelt.
    """
    from monitor import bootstrap, settings
    from monitor.services.import_labels import import_labels

    reader, config = _file(format, file), settings.load()
    privacy = bootstrap.make_privacy(config)
    with database(config, "labels") as engine, file.open("rb") as stream:
        rows = reader.read(stream, annotator)
        limit = config.ingest.max_future
        done = import_labels(engine, privacy, rows, limit, bootstrap.now(), adjudicate=adjudicate)
    _report(done)
    rejects = faults or file.with_name(f"{file.name}.rejected.jsonl")
    if not done.faults:
        rejects.unlink(missing_ok=True)
        if done.blank and not (done.new or done.known):
            typer.echo(_NOTHING_FILLED_IN, err=True)
            raise typer.Exit(1)
        return
    lines = (json.dumps({"place": one.place, "fault": one.fault, "row": one.content}) for one in done.faults)
    try:
        rejects.write_text("".join(f"{line}\n" for line in lines))
    except OSError as error:
        typer.echo(harmless(f"{rejects}: {error.strerror}; say --faults FILE to keep what was rejected"), err=True)
    else:
        typer.echo(harmless(f"  kept in {rejects}"), err=True)
    raise typer.Exit(1)


@app.command()
def status(
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="Agreement over the predictions of so many days.")
    ] = 28,
) -> None:
    """Show what waits for annotators, which sampling plan holds, and how far annotators agree."""
    from monitor import bootstrap, settings
    from monitor.domain.window import Window, lasting
    from monitor.sampling import LabelPlans
    from monitor.services.agree import agreement
    from monitor.store.engine import transaction
    from monitor.store.queries.label_tasks import backlog_by_stratum, disputes
    from monitor.store.queries.selection import EVERYTHING
    from monitor.store.sampling_plans import stored_plans

    config, now = settings.load(), bootstrap.now()
    with database(config, "labels") as engine, transaction(engine) as connection:
        waiting = backlog_by_stratum(connection, bootstrap.label_terms(config), now)
        disputed = disputes(connection)
        plans = stored_plans(connection)
        agreed = agreement(connection, Window.before(now, timedelta(days=days)), EVERYTHING)
    typer.echo(f"{sum(one.waiting for one in waiting)} wait for annotators, {disputed.waiting} for an adjudicator")
    for one in waiting:
        age = lasting(now - one.oldest)
        typer.echo(f"  {escaped(one.stratum):<40} {one.waiting:>8}  oldest {age}, {one.claimed} claimed")
    typer.echo(_plan(LabelPlans(bootstrap.label_design(config).initial_plan, plans).at(now)))
    _print_agreement(agreed, days)


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there before, nor is afterwards when it could not be written.

    Raises:
        typer.BadParameter: there is one, or it cannot be made or written.
    """
    try:
        with path.open("xb") as stream:
            try:
                yield stream
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise typer.BadParameter(f"{path} is there already, maybe filled in: name another file") from None
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None


def _file(name: str | None, path: Path) -> LabelFile:
    from monitor.labelling import LABEL_FILES

    by_suffix = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".json": "label-studio"}
    chosen = name or by_suffix.get(path.suffix, "")
    if chosen not in LABEL_FILES:
        raise typer.BadParameter(f"--format must be one of {', '.join(LABEL_FILES)}; {path.name} does not say which")
    return LABEL_FILES[chosen]


def _report(done: Imported) -> None:
    typer.echo(f"{done.new} new, {done.known} known before, {done.blank} not filled in, {len(done.faults)} wrong")
    if done.unknown:
        typer.echo(f"{done.unknown} of predictions that are not known: kept for as long as those may come")
    for one in done.faults[:SHOWN]:
        typer.echo(harmless(f"  {one.place}: {one.fault}"), err=True)
    if len(done.faults) > SHOWN:
        typer.echo(f"  and {len(done.faults) - SHOWN} more", err=True)


def _plan(plan: LabelPlan) -> str:
    since = f"plan {plan.version} since {plan.effective_from:%Y-%m-%d %H:%M}Z" if plan.effective_from else ""
    rates = f"base {plan.base_rate:.3%}, boost {plan.boost:g}, {len(plan.factors)} slices drawn more often"
    return f"{since or 'rates of the settings'}: {rates}"


def _print_agreement(found: AgreementReport, days: int) -> None:
    typer.echo(f"agreement on {found.units} answers of {days} days that several people judged")
    for name, value in (("alpha", found.alpha), ("Fleiss' kappa", found.fleiss), ("alpha of ratings", found.ratings)):
        if value is not None:
            typer.echo(f"  {name:<40} {_coefficient(value)}")
    for pair in found.pairs:
        kappa = "too few, or all alike" if pair.kappa is None else f"kappa {_coefficient(pair.kappa)}"
        typer.echo(f"  {escaped(f'{pair.first}, {pair.second}'):<40} {pair.alike} of {pair.units} alike; {kappa}")


def _coefficient(value: Agreement) -> str:
    return f"{value.coefficient:.2f} (95%: {value.interval.lower:.2f} to {value.interval.upper:.2f})"
