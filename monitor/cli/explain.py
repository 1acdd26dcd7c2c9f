"""`snellen explain` and `snellen discover`: what moved, and slices that nobody had named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.database import database
from monitor.cli.models import require_served
from monitor.cli.terminal import harmless
from monitor.cli.windows import window_of

if TYPE_CHECKING:
    from monitor.discovery import FoundSlice
    from monitor.domain.slices import Slice

Model = Annotated[str, typer.Option(help="Name of the model.")]


def explain(
    model: Model,
    reference: Annotated[str, typer.Option(help="START/END, each RFC 3339 with a zone.")],
    current: Annotated[str, typer.Option(help="START/END of the window that moved.")],
    part: Annotated[str | None, typer.Option("--slice", help="DIMENSION=VALUE: only rows of this slice.")] = None,
) -> None:
    """Say what moved between two windows, in words: causes are ranked on half of the retained predictions, and
    confirmed on the other half. The dashboard shows it too."""
    from monitor import bootstrap, settings
    from monitor.explain.words import carried, in_words
    from monitor.services.explain import explain_windows
    from monitor.store.engine import transaction
    from monitor.store.explanations import Compared

    config = settings.load()
    compared = Compared(model, _slice(part), window_of(reference, "--reference"), window_of(current, "--current"))
    with database(config, "explain") as engine:
        with transaction(engine) as connection:
            require_served(connection, model)
        found = explain_windows(engine, bootstrap.explain_options(config), compared, bootstrap.now())
    typer.echo(f"{found.n_reference:,} predictions of the reference, {found.n_current:,} of the current window")
    for shift in found.shifts:
        typer.echo(
            f"{shift.kind}s can be told apart with AUC {shift.auc:.2f} "
            f"({shift.interval.lower:.2f} to {shift.interval.upper:.2f}; 0.5: not at all)"
        )
    for carrier in found.carriers:
        typer.echo(harmless(f"where: {carried(carrier)}"))
    confirmed = [one for one in found.causes if one.confirmed]
    for number, cause in enumerate(confirmed, start=1):
        typer.echo(harmless(f"{number}. {in_words(cause)} [effect {cause.effect:.2f}, p {cause.adjusted_p:.1g}]"))
    if not confirmed:
        typer.echo("no cause was confirmed on the held-out half")


def discover(
    model: Model,
    window: Annotated[str, typer.Option(help="START/END, each RFC 3339 with a zone; whose labels are searched.")],
) -> None:
    """Search labels for slices that are worse than the rest: values of metadata, pairs of them, what pictures show.

    What is shown was found on half of the labels and confirmed on the other half.
    """
    from monitor import bootstrap, settings
    from monitor.services.discover_slices import discover_slices
    from monitor.store.engine import transaction

    config, searched = settings.load(), window_of(window, "--window")
    with database(config, "discover") as engine:
        with transaction(engine) as connection:
            require_served(connection, model)
        found = discover_slices(engine, bootstrap.discover_options(config), model, searched, bootstrap.now())
    typer.echo(f"{found.labels:,} labels, {found.tried} slices tried, {len(found.found)} confirmed")
    for kind, why in found.unsearched:
        typer.echo(harmless(f"{kind} vectors were not searched: {why}"))
    for one in found.found:
        typer.echo(harmless(_line(one)))


def _line(one: FoundSlice) -> str:
    inside, outside = one.inside.share or 0.0, one.outside.share or 0.0
    return (
        f"{one.name}: accuracy {inside:.0%}, elsewhere {outside:.0%}; {100 * one.gap:+.0f} points "
        f"({100 * one.interval.lower:+.0f} to {100 * one.interval.upper:+.0f}), {one.traffic:.1%} of the traffic, "
        f"{one.inside.n} labels [p {one.adjusted_p:.1g}]"
    )


def _slice(words: str | None) -> Slice:
    from monitor.domain.slices import ALL_TRAFFIC, Slice

    if words is None:
        return ALL_TRAFFIC
    dimension, equals, value = words.partition("=")
    if not (equals and dimension and value):
        raise typer.BadParameter(f"--slice {words!r}: write DIMENSION=VALUE, such as device=camera-3")
    return Slice(dimension, value)
