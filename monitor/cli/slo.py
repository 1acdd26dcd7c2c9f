"""`snellen slo ...`: how the objectives stand, and who takes care, for who has only a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.actor import actor
from monitor.cli.bounds import LAST_ID
from monitor.cli.database import database
from monitor.cli.models import require_known
from monitor.cli.terminal import aligned, escaped, folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from monitor.services.slo_status import SloStatus
    from monitor.store.queries.slos import SloTick

app = typer.Typer(name="slo", help="Objectives: how they stand, and who takes care.", no_args_is_help=True)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Of this SLO, with its tiers; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show each SLO's state, budget left, burn rate, open alerts, silences, and messages of a day that nobody got.

    Exit status 3 when a page is open, or an SLO was not evaluated for five minutes, so that none could open.
    """
    from monitor import bootstrap, settings
    from monitor.services.slo_status import slo_statuses
    from monitor.store.clock import database_now
    from monitor.store.engine import transaction

    config = settings.load()
    objectives = bootstrap.read_objectives(config)
    with database(config, "slo") as engine, transaction(engine) as connection:
        found = slo_statuses(connection, objectives, database_now(engine))  # whatever the clock of a laptop says
    require_known("NAME", name, [one.name for one in found], "no SLO has this name")
    chosen = [one for one in found if name in (None, one.name)]
    if as_json:
        lines = [json.dumps(_plain(one)) for one in chosen]
    else:
        lines = [*_lines(chosen, config.alerts.link_base, with_tiers=name is not None)]
    for line in lines:
        typer.echo(line)
    if any(one.alarming for one in chosen):
        raise typer.Exit(3)


@app.command()
def acknowledge(
    alert: Annotated[int, typer.Argument(max=LAST_ID, help="Number of the alert, as `snellen slo status` shows it.")],
    by: Annotated[str | None, typer.Option(help="Who takes care of it; default: the user here.")] = None,
) -> None:
    """Note who takes care of an open alert, as the page On-call does; it silences nothing.

    The first one stands. Exit status 1 when there is none that waits for somebody.
    """
    from monitor import bootstrap, settings
    from monitor.store import alert_actions
    from monitor.store.engine import transaction
    from monitor.store.queries.alerts import incident

    name = actor(by)
    with database(settings.load(), "slo") as engine, transaction(engine) as connection:
        try:
            taken = alert_actions.acknowledge(connection, alert, name, bootstrap.now())
        except ValueError as error:
            raise typer.BadParameter(f"--by: {error}") from None
        found = incident(connection, alert)
    if taken:
        typer.echo(escaped(f"alert {alert} is yours, {name}"))
        return
    known = "is over" if found and found.resolved_at else f"is {found.acknowledged_by}'s" if found else "does not exist"
    typer.echo(escaped(f"alert {alert} {known}; `snellen slo status` shows those that are open"), err=True)
    raise typer.Exit(1)


_COLUMNS = ("state", "SLO", "left", "burn / limit")
_NOTHING = "-"


def _lines(found: Sequence[SloStatus], link_base: str | None, *, with_tiers: bool) -> Iterator[str]:
    yield from aligned([_COLUMNS, *map(_cells, found)])
    if late := [one.tick.tick if one.tick else None for one in found if one.late]:
        newest = max(filter(None, late), default=None)
        last = f"the last at {_moment(newest)}" if newest else "none ever"
        said = f"not evaluated for five minutes, {last}, so nobody is told of them: see that `snellen schedule` runs"
        yield folded(said, f"{len(late)} of {len(found)} ", 4)
    for one in found:
        for words in _notes(one, link_base):
            yield folded(escaped(words), f"{escaped(one.name)}: ", 4)
        for words in _figures(one.tick) if with_tiers and one.tick else ():
            yield folded(escaped(words), "  ", 6)


def _cells(one: SloStatus) -> tuple[str, ...]:
    tick = one.tick
    if tick is None:
        return "never evaluated", one.name, _NOTHING, _NOTHING
    left = _NOTHING if tick.budget_remaining is None else f"{tick.budget_remaining:.1%}"
    worst = tick.worst
    burn = f"{worst.burn_long or 0:.3g}x / {worst.factor:.3g}x" if worst else _NOTHING
    return one.standing, one.name, left, burn


def _figures(tick: SloTick) -> Iterator[str]:
    """What the state rests on."""
    yield f"budget: {tick.bad:,} bad of {tick.total:,} in its whole window, evaluated at {_moment(tick.tick)}"
    for tier in tick.tiers:
        yield f"{tier.name} ({tier.severity}, {tier.state}): {tier.figures}; {tier.reason}"


def _notes(one: SloStatus, link_base: str | None) -> Iterator[str]:
    """What is to be known besides, the most urgent first."""
    for alert in one.alerts:
        taken = f", acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else ""
        link = f" ({link_base}/on_call?alert={alert.id})" if link_base else ""
        since = _moment(alert.opened_at)
        yield f"{alert.severity} {alert.id} is open since {since}{taken}: {alert.latest or alert.opening}{link}"
    if one.tick is not None and one.tick.unseen:
        yield f"no data: {one.tick.unseen}. Misspelt in alerts.slo_dir, or not deployed yet"
    for silence in one.silences:
        yield f"silence {silence.id} until {_moment(silence.window.end)}, {silence.by}: {silence.reason}"
    for message in one.undelivered:
        fate = "was given up" if message.failed_at else "waits"
        due = _moment(message.due_at)
        yield f"message ({message.kind}) to {message.channel} {fate}, due {due}: {message.last_error}"


def _plain(one: SloStatus) -> dict[str, Any]:
    """For programs: shares of 1, times in RFC 3339; null where nothing is known."""
    tick, worst = one.tick, one.tick.worst if one.tick else None
    return {
        "slo": one.name,
        "standing": str(one.standing),
        "evaluated_at": _written(tick.tick if tick else None),
        "budget_left": tick.budget_remaining if tick else None,
        "bad": tick.bad if tick else None,
        "total": tick.total if tick else None,
        "burn": worst.burn_long if worst else None,
        "limit": worst.factor if worst else None,
        "no_data_because": (tick.unseen or None) if tick else None,
        "tiers": [
            {
                "name": tier.name, "severity": str(tier.severity), "state": str(tier.state), "limit": tier.factor,
                "burn_long": tier.burn_long, "burn_short": tier.burn_short, "reason": tier.reason,
            }
            for tier in (tick.tiers if tick else ())
        ],
        "alerts": [
            {
                "id": alert.id, "severity": alert.severity, "opened_at": _written(alert.opened_at),
                "acknowledged_by": alert.acknowledged_by, "why": alert.opening, "latest": alert.latest,
            }
            for alert in one.alerts
        ],
        "silences": [
            {"id": silence.id, "until": _written(silence.window.end), "by": silence.by, "reason": silence.reason}
            for silence in one.silences
        ],
        "undelivered": [
            {
                "alert": message.alert_id, "about": message.kind, "channel": message.channel,
                "due_at": _written(message.due_at), "attempts": message.attempts,
                "given_up_at": _written(message.failed_at), "error": message.last_error,
            }
            for message in one.undelivered
        ],
    }  # fmt: skip


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _written(at: datetime | None) -> str | None:
    from monitor.cli.windows import written

    return None if at is None else written(at)
