"""`snellen report ...`: what is handed on as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.database import database
from monitor.cli.models import require_served
from monitor.cli.windows import window_of

app = typer.Typer(name="report", help="Reports as files.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Reports as files."""


@app.command()
def drift(
    model: Annotated[str, typer.Option(help="Name of the model.")],
    reference: Annotated[str, typer.Option(help="START/END, each RFC 3339 with a zone.")],
    current: Annotated[str, typer.Option(help="START/END of the window to compare with it.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
) -> None:
    """Write Evidently's report on two windows: confidence, latency, answers, slices, image quality, texts' lengths.

    Descriptive: Evidently's thresholds promise no error rate, and no alarm rests on them. See docs/drift.md for ours.
    """
    from monitor import settings
    from monitor.services.report_drift import report_drift
    from monitor.store.engine import transaction

    windows = window_of(reference, "--reference"), window_of(current, "--current")
    with database(settings.load(), "report") as engine:
        with transaction(engine) as connection:
            require_served(connection, model)
        page = report_drift(engine, model, *windows)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}") from None
    typer.echo(f"{out}: {len(page) / 1e6:.1f} MB")
