"""`snellen ingest ...`: see what would be made of a log before it is read for good."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.bounds import MOST_ROWS
from monitor.cli.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.formats import Decoder
    from monitor.services.samples import Sample
    from monitor.settings import Settings, Topic

app = typer.Typer(name="ingest", help="Logs of serving systems: what would be made of them.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Logs of serving systems: what would be made of them."""


@app.command()
def check(
    source: Annotated[
        list[str],
        typer.Argument(help="A file, a folder, or a topic; of calls in two topics both. See docs/formats.md."),
    ],
    form: Annotated[str | None, typer.Option("--format", help="Log format; default: the topic's, else auto.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Mapping file, for the format mapping.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of records that name none.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of records that name none.")] = None,
    slices: Annotated[list[str] | None, typer.Option("--slice", help="DIMENSION=NAME; may be given again.")] = None,
    fields: Annotated[list[str] | None, typer.Option("--field", help="FIELD=NAME; may be given again.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, help="Records of each to look at; of a topic the newest.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    hide_values: Annotated[
        bool, typer.Option("--hide-values", help="Show type and size of what was found, not the text.")
    ] = False,
) -> None:
    """Decode a sample and tell, per field, how often it is found, and what fails and why. Stores and commits nothing.

    Files may be packed (.gz, .zst); of one that is cut off, what stands before the cut is told. Exit status 1 when
    nothing could be read.
    """
    import msgspec

    from monitor import bootstrap, settings
    from monitor.cli.format_report import lines
    from monitor.formats import auto
    from monitor.services.check_format import check_format

    config = settings.load()
    options = (form, mapping, task, model, _pairs(slices), _pairs(fields))
    topics = {one: _topic(config.ingest.topics.get(one), *options) for one in source}
    formats = sorted({topic.format for topic in topics.values()})
    report = check_format(
        _in_turn([itertools.islice(_samples(one, config, limit), limit) for one in topics]),
        _decoder_of(topics, config.ingest.max_record_bytes),
        bootstrap.limits(config),
        bootstrap.now(),
        detect=auto.detected if "auto" in formats else None,
        show_values=not hide_values,
    )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        typer.echo(harmless("\n".join(lines(report, ", ".join(topics), ", ".join(formats)))))
    if not report.decoded:
        sys.exit(1)


def _samples(source: str, config: Settings, limit: int) -> Iterable[Sample]:
    """Of the file where there is one, else of the topic."""
    from monitor import bootstrap
    from monitor.broker.peek import peek
    from monitor.services.samples import Sample, read_samples

    if Path(source).exists():
        return read_samples(Path(source), lambda fault: typer.echo(harmless(fault), err=True))
    if "/" in source or Path(source).suffix in (".json", ".jsonl", ".ndjson", ".gz", ".zst"):
        raise typer.BadParameter(f"there is no file {source}")
    if not config.kafka.bootstrap_servers:
        raise typer.BadParameter(
            f"there is no file {source}; for a topic, set kafka.bootstrap_servers or start a broker with `snellen up`"
        )
    records = peek(bootstrap.client_config(config), source, limit)
    return (Sample(f"partition {one.partition.number}, offset {one.offset}", one) for one in records)


def _in_turn(sources: list[Iterator[Sample]]) -> Iterable[Sample]:
    """As they came, where there are several: collectors read what belongs together at about the same time."""
    samples = itertools.chain.from_iterable(sources)
    return samples if len(sources) == 1 else sorted(samples, key=lambda one: one.record.timestamp_ms)


def _decoder_of(topics: dict[str, Topic], max_record_bytes: int) -> Decoder:
    """Each topic's records by its own format, those of files by the first."""
    from monitor import bootstrap
    from monitor.formats import FORMATS

    decoders = {
        name: FORMATS[topic.format](bootstrap.format_options(topic, max_record_bytes)) for name, topic in topics.items()
    }
    first = next(iter(decoders.values()))
    return lambda record: decoders.get(record.partition.topic, first)(record)


def _topic(
    configured: Topic | None,
    form: str | None,
    mapping: Path | None,
    task: str | None,
    model: str | None,
    slices: dict[str, str],
    fields: dict[str, str],
) -> Topic:
    """The topic as the settings have it, but for what was given.

    Raises:
        typer.BadParameter: this is no topic.
    """
    from pydantic import ValidationError

    from monitor.settings import Topic

    form = form or ("mapping" if mapping else None)
    given = {"format": form, "mapping": mapping, "task": task, "model": model, "slices": slices, "fields": fields}
    known = configured.model_dump() if configured else {}
    if form and form != "mapping":
        known.pop("mapping", None)
    try:
        return Topic(**known | {name: value for name, value in given.items() if value})
    except ValidationError as error:
        raise typer.BadParameter(
            "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        ) from None


def _pairs(texts: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts or ()]
    wrong = [f"{name}{sign}{value}" for name, sign, value in pairs if not (name and sign and value)]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r}: write what it is called with us, =, and what it is called there")
    return {name: value for name, _, value in pairs}
