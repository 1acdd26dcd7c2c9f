"""`snellen dlq ...`: look at records that were refused, and send them again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.actor import By, actor
from monitor.cli.bounds import LAST_ID, MOST_ROWS
from monitor.cli.database import database
from monitor.cli.terminal import cut, escaped, folded
from monitor.cli.windows import aware, moment, written
from monitor.domain.events import Rejection

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.store.queries.dead_letters import Letter

app = typer.Typer(name="dlq", help="Records that were refused: list, show, send again, forget.", no_args_is_help=True)
Reason = Annotated[
    Rejection | None, typer.Option(metavar="REASON", help="Only those refused for this reason; see docs/events.md.")
]
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.")]
Since = Annotated[datetime | None, typer.Option(parser=moment, help="Only those refused since, RFC 3339 with a zone.")]
Until = Annotated[datetime | None, typer.Option(parser=moment, help="Only those refused before, RFC 3339 with a zone.")]
HEX_BYTES, HEX_WIDTH = 512, 16


@app.command("list")
def list_(
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List refused records, newest first."""
    from monitor import settings
    from monitor.services.dead_letters import find
    from monitor.store.dead_letters import Choice

    choice = Choice(reason=reason, topic=topic, since=since and aware(since), until=until and aware(until))
    with database(settings.load(), "dlq") as engine:
        found = find(engine, choice, limit, preview=0)
    for letter in found:
        typer.echo(json.dumps(_summary(letter)) if as_json else _lines(letter))
    if not found:
        typer.echo("no dead letter" + (" is of this choice" if choice != Choice() else ""), err=True)
    elif len(found) == limit:
        typer.echo(f"the newest {limit:,}; there may be more: --limit", err=True)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", max=LAST_ID, help="As `snellen dlq list` shows it.")],
) -> None:
    """Show one refused record: where it stood, why it was refused, what to do, and its bytes."""
    from monitor import settings
    from monitor.services.dead_letters import ADVICE

    with database(settings.load(), "dlq") as engine:
        [letter] = _letters(engine, [number])
    for name, value in [*_facts(letter), ("to do", ADVICE[letter.reason])]:
        typer.echo(folded(value, f"{name:<11} "))
    typer.echo("")
    typer.echo(readable(letter.raw, letter.size) or "(its bytes are not kept)")


@app.command()
def replay(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="ID", max=LAST_ID, help="Of the records to send.")
    ] = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would be sent.")] = False,
) -> None:
    """Send refused records again, after what was wrong is mended. Doing it twice does no harm.

    Topics that are not Snellen's own are never written to: their records go to the one for predictions.
    """
    from monitor import bootstrap, settings
    from monitor.broker import require_topics
    from monitor.services import dead_letters
    from monitor.store.dead_letters import Choice

    choice = Choice(numbers or None, reason, topic, since and aware(since), until and aware(until))
    if choice == Choice():
        raise typer.BadParameter("say which: by ID, --reason, --topic, --since or --until")
    config = settings.load()
    with database(config, "dlq") as engine:
        if numbers:
            _letters(engine, numbers)
        chosen, passed_over = dead_letters.replayable(engine, choice, again=again)
        if dry_run:
            typer.echo(f"would send {len(chosen)}{_named(chosen)}{_passed_over(passed_over)}")
            return
        own = bootstrap.own_topics(config)
        if chosen:
            require_topics(bootstrap.client_config(config), own)
        sink = bootstrap.make_sink(config)
        try:
            done = dead_letters.replay(engine, sink, own, choice, bootstrap.now(), again=again)
        finally:
            sink.close()
    if done.sent or done.passed_over:
        typer.echo(f"sent {done.sent}{_passed_over(done.passed_over)}")
    else:
        typer.echo("no dead letter is of this choice", err=True)


@app.command()
def purge(
    before: Annotated[
        datetime, typer.Option(parser=moment, help="Forget what was refused before, RFC 3339 with a zone.")
    ],
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would go.")] = False,
) -> None:
    """Delete refused records for good, and note in the audit log that it was done."""
    from monitor import bootstrap, settings
    from monitor.services import dead_letters

    moment, now = aware(before), bootstrap.now()
    if moment > now:
        raise typer.BadParameter("has not come yet: all there are would go", param_hint="--before")
    with database(settings.load(), "dlq") as engine:
        count = dead_letters.purge(engine, moment, actor(by), now, dry_run=dry_run)
    typer.echo(f"{'would delete' if dry_run else 'deleted'} {count}")


def readable(raw: bytes, size: int) -> str:
    """The beginning of a record for a terminal: text with everything that is not printable written out, or hexadecimal.

    Args:
        raw: the record, or its beginning.
        size: of the whole, bytes.
    """
    text = _as_text(raw, cut=len(raw) < size)
    if text is None:
        raw = raw[:HEX_BYTES]
    shown = hexadecimal(raw) if text is None else escaped(text)
    return f"{shown}\n... {size - len(raw)} of {size} bytes not shown" if len(raw) < size else shown


def hexadecimal(raw: bytes) -> str:
    lines = []
    for start in range(0, len(raw), HEX_WIDTH):
        part = raw[start : start + HEX_WIDTH]
        plain = "".join(chr(one) if 32 <= one < 127 else "." for one in part)
        lines.append(f"{start:08x}  {part.hex(' '):<{3 * HEX_WIDTH}} {plain}")
    return "\n".join(lines)


def _letters(engine: Engine, numbers: list[int]) -> list[Letter]:
    """Those of the ids. Raises typer.BadParameter when one is of none: a slip of the keyboard, not an empty choice."""
    from monitor.services.dead_letters import find
    from monitor.store.dead_letters import Choice

    found = find(engine, Choice(ids=numbers), limit=len(numbers))
    if missing := set(numbers) - {one.id for one in found}:
        first = min(missing)
        raise typer.BadParameter(f"there is no dead letter {first}; `snellen dlq list` shows those that there are")
    return found


def _as_text(raw: bytes, *, cut: bool) -> str | None:
    """None when it is none. The cut may go through a character."""
    for end in range(len(raw), max(len(raw) - 4, -1), -1):
        try:
            return raw[:end].decode()
        except UnicodeDecodeError:
            if not cut:
                return None
    return None


def _lines(letter: Letter) -> str:
    """Two: which it is, and why it was refused, as much of it as the terminal is wide."""
    place = f"{escaped(letter.topic)}/{letter.partition}@{letter.offset}"
    detail = cut(f"{'':>8}  {escaped(letter.detail)}")
    return f"{letter.id:>8}  {written(letter.created_at)}  {letter.reason:<14}  {letter.state:<12}  {place}\n{detail}"


def _facts(letter: Letter) -> list[tuple[str, str]]:
    place = (
        f"topic {escaped(letter.topic)}, partition {letter.partition}, offset {letter.offset} (log {letter.topic_id})"
    )
    facts = [
        ("id", str(letter.id)),
        ("stood at", place),
        ("stamped", written(letter.record_ts) if letter.record_ts else "no usable time stamp"),
        ("refused at", written(letter.created_at)),
        ("reason", letter.reason),
        ("detail", escaped(letter.detail)),
        ("state", letter.state.value + (f": {letter.failed_again}" if letter.failed_again else "")),
    ]
    if letter.is_half:
        facts.append(("kept is", "a side of a call that waited, as it was read and redacted; replay sends it as that"))
    if letter.replay_of is not None:
        facts.append(("repeats", f"dead letter {letter.replay_of}"))
    if letter.replayed_at is not None:
        facts.append(("sent again", written(letter.replayed_at)))
    if letter.key is not None:
        facts.append(("key", _short(letter.key)))
    facts += [("header", f"{escaped(name)}: {_short(value)}") for name, value in letter.headers]
    return facts


def _short(value: bytes) -> str:
    return escaped(value[:200].decode("utf-8", "backslashreplace")) + (f" ({len(value)} bytes)" if value[200:] else "")


def _summary(letter: Letter) -> dict[str, object]:
    return {
        "id": letter.id, "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "refused_at": written(letter.created_at), "reason": letter.reason, "detail": letter.detail,
        "bytes": letter.size, "state": letter.state, "replay_of": letter.replay_of,
        "failed_again": letter.failed_again,
    }  # fmt: skip


def _named(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return f" ({shown}{' ...' if numbers[20:] else ''})" if numbers else ""


def _passed_over(count: int) -> str:
    return f", passed over {count} (resolved, empty, or sent before: --again)" if count else ""
