"""`snellen erase`: remove what is stored of requests or of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.actor import By, actor
from monitor.cli.database import database

if TYPE_CHECKING:
    from monitor.services.erase import Erasure

NOTHING_FOUND = 3
NAMED = 5
"""Unknown ids that are told by name."""


def erase(
    request_id: Annotated[list[str] | None, typer.Option(help="Id of a request; may be given again.")] = None,
    ids_from: Annotated[Path | None, typer.Option(help="File with one request id per line.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Id of the person, as records name it (setting `privacy.subject`).")
    ] = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    everywhere: Annotated[
        bool,
        typer.Option("--everywhere", help="With --subject: read every row, if `privacy.subject` or its keys changed."),
    ] = False,
) -> None:
    """Remove all that is stored of these requests, or of a person, and note in the audit log that it was done.

    Exit status 0: it is gone, or was before. 3: nothing is known of it. Kafka keeps its own copy for a while.
    """
    from monitor import bootstrap, settings

    request_ids = [*(request_id or []), *(_lines(ids_from) if ids_from else [])]
    if bool(request_ids) == (subject is not None) or subject == "" or "" in request_ids:
        raise typer.BadParameter("give request ids (--request-id, --ids-from), or one --subject")
    config = settings.load()
    who, now = actor(by), bootstrap.now()
    with database(config, "erase") as engine:
        service = bootstrap.make_eraser(config, engine)
        if subject is None:
            done = service.requests(request_ids, who, now, dry_run=dry_run)
        else:
            done = service.subject(subject, who, now, dry_run=dry_run, everywhere=everywhere)
    _report(done, dry_run=dry_run)
    _tell_unknown(done.unknown, len(set(request_ids)))
    if not config.privacy.keys and not dry_run:
        typer.echo(
            "set `privacy.keys`: without, a guessed id can be checked against the hashes that are kept", err=True
        )
    if not done.found and not done.known_before:
        raise typer.Exit(NOTHING_FOUND)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file}: no UTF-8 text; write one request id per line") from None


def _tell_unknown(unknown: Sequence[str], asked_for: int) -> None:
    """Lest a slip of the pen go unnoticed among others that were found."""
    if unknown:
        names = ", ".join(map(repr, unknown[:NAMED])) + (", ..." if len(unknown) > NAMED else "")
        typer.echo(f"nothing is known of {len(unknown):,} of the {asked_for:,} ids: {names}", err=True)


def _report(done: Erasure, *, dry_run: bool) -> None:
    if not done.found:
        typer.echo("erased before, nothing is left" if done.known_before else "nothing is stored of it")
        return
    typer.echo(f"{'would erase' if dry_run else 'erased'} {done.requests:,} request{'s' * (done.requests != 1)}:")
    for table, rows in sorted(done.rows.items()):
        typer.echo(f"  {table:<20} {rows:>10,}")
