"""`snellen audit`: who did what that must be accounted for, and when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.bounds import MOST_ROWS
from monitor.cli.database import database
from monitor.cli.terminal import cut, escaped
from monitor.cli.windows import aware, moment, written

if TYPE_CHECKING:
    from monitor.store.audit import Entry


def audit(
    action: Annotated[str | None, typer.Option(help="Only of this action, as it is shown.")] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=moment, help="Only what was done since, RFC 3339 with a zone.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=moment, help="Only what was done before, RFC 3339 with a zone.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show who did what, and when, the newest first, as long as `retention.audit_log` keeps it.

    People and requests that were erased stand there as hashes.
    """
    from monitor import settings
    from monitor.store.audit import entries
    from monitor.store.engine import transaction

    start, end = since and aware(since), until and aware(until)
    with database(settings.load(), "audit") as engine, transaction(engine) as connection:
        found = entries(connection, action, start, end, limit)
    for one in found:
        typer.echo(json.dumps(_plain(one)) if as_json else _lines(one))
    if not found:
        typer.echo("nothing of this choice was done", err=True)
    elif len(found) == limit:
        typer.echo(f"the newest {limit:,}; there may be more: --limit", err=True)


def _lines(one: Entry) -> str:
    """Two: who did what, and what is known of it, as much as the terminal is wide."""
    known = (f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in one.detail.items())
    detail = escaped(f"    {', '.join(known)}")
    return f"{written(one.at)}  {escaped(f'{one.actor}  {one.action}')}\n{cut(detail)}"


def _plain(one: Entry) -> dict[str, object]:
    return {"at": written(one.at), "actor": one.actor, "action": one.action, "detail": one.detail}
