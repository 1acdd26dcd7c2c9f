"""Replay a log file through Kafka and the same collectors, resuming from what PostgreSQL holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from monitor.errors import SettingsError
from monitor.mapping import Mapping, Row, RowTimes
from monitor.mapping.expressions import RowFault
from monitor.mapping.mapping import Mapped
from monitor.replay import BadRow, count_rows, read_rows
from monitor.replay.identity import replay_id
from monitor.replay.pace import Pace
from monitor.services.missing import Events, contradicted
from monitor.services.ship import Chunk, Limits, Shipping, Tally, Wire
from monitor.store import replays
from monitor.store.engine import transaction

KEPT_FAULTS = 100
"""Rows named in the report; all of them go to `on_fault`."""


@dataclass(slots=True)
class Report:
    """The end of a replay."""

    replay_id: str
    rows: int = 0
    """Rows read, those that could not be mapped included."""
    predictions: int = 0
    labels: int = 0
    unmapped: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    """The first rows that could not be mapped: row number and reason."""
    tally: Tally = field(default_factory=Tally)
    refused: dict[str, int] = field(default_factory=dict)
    """Dead letters of this replay by reason, over all its runs."""

    @property
    def complete(self) -> bool:
        """Is every row of the file stored?"""
        return not self.unmapped and not self.refused

    def lines(self) -> list[str]:
        """The report for people."""
        found = [
            f"replay {self.replay_id}: {self.rows:,} rows, {self.predictions:,} predictions, {self.labels:,} labels",
            f"events: {self.tally.found:,} stored before, {self.tally.sent:,} sent, {self.tally.resent:,} sent again",
        ]
        found += [f"row {number}: {reason}" for number, reason in self.faults]
        if self.unmapped:
            found.append(f"{self.unmapped:,} rows could not be mapped and were not sent")
        found += [f"{count:,} events were refused: {reason}" for reason, count in sorted(self.refused.items())]
        return found


@dataclass(frozen=True, slots=True)
class Progress:
    rows: int
    tally: Tally


def replay(
    engine: Engine,
    wire: Wire,
    path: Path,
    mapping: Mapping,
    *,
    clock: Callable[[], datetime],
    speed: float | None = None,
    limits: Limits | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_fault: Callable[[int, str], None] = lambda _row, _reason: None,
) -> Report:
    """Send every row's prediction and label, and return once PostgreSQL holds them all.

    Args:
        speed: times event time; None: as fast as collectors store.
        on_progress: called whenever rows are done.
        on_fault: called for every row that cannot be mapped, with its number and the reason.

    Raises:
        SettingsError: the file is unreadable, or its ids are stored with other content.
        SnellenError: broker, collectors or PostgreSQL made no progress for `limits.patience_s`; run it again to resume.
    """
    rows = count_rows(path)
    report = Report(replay_id(path, mapping))
    times, resumed = _register(engine, report.replay_id, path, mapping, rows, clock())
    limits, pace = limits or Limits(), Pace(speed)
    shipping = Shipping(
        engine, wire, report.replay_id, pace, clock, lambda tally: on_progress(Progress(rows, tally)), limits
    )
    report.tally = shipping.tally
    events = _events(path, mapping, times, report, on_fault)
    try:
        if resumed:
            shipping.catch_up()
        for number, chunk in enumerate(_chunks(events, limits, pace.longest_chunk)):
            if number == 0:
                _refuse_other_content(engine, chunk)
            shipping.ship(chunk)
        shipping.finish()
    finally:
        shipping.close()
    with transaction(engine) as connection:
        report.refused = replays.refusals(connection, report.replay_id)
    shipping.tally.rows_done = rows
    on_progress(Progress(rows, shipping.tally))
    return report


def _register(
    engine: Engine, identity: str, path: Path, mapping: Mapping, rows: int, now: datetime
) -> tuple[RowTimes | None, bool]:
    """The times that the first run fixed, and whether this is a later one."""
    synthesis = mapping.synthesis
    span = synthesis.span(rows) if synthesis else timedelta()
    start = (synthesis.start if synthesis else None) or now.replace(microsecond=0) - span
    with transaction(engine) as connection:
        known = replays.register(connection, identity, path.name, start, rows)
    return (RowTimes(known.start, span, rows) if synthesis else None), known.resumed


def _events(
    path: Path, mapping: Mapping, times: RowTimes | None, report: Report, on_fault: Callable[[int, str], None]
) -> Iterator[tuple[int, list[Mapped]]]:
    """Row number and events of every row that can be mapped; the others go into the report."""
    for row in read_rows(path):
        report.rows += 1
        try:
            events = _mapped(row, mapping, times)
        except RowFault as fault:
            report.unmapped += 1
            if len(report.faults) < KEPT_FAULTS:
                report.faults.append((row.number, str(fault)))
            on_fault(row.number, str(fault))
        else:
            labels = sum(event.is_label for event in events)
            report.predictions += len(events) - labels
            report.labels += labels
            if events:
                yield row.number, events


def _mapped(row: Row | BadRow, mapping: Mapping, times: RowTimes | None) -> list[Mapped]:
    if isinstance(row, BadRow):
        raise RowFault(row.reason)
    return [Mapped.of(event) for event in mapping.events(row, times)]


def _chunks(events: Iterator[tuple[int, list[Mapped]]], limits: Limits, longest: timedelta) -> Iterator[Chunk]:
    """Consecutive rows, as many as fit by number, bytes and event time."""
    waiting: Events = {}
    last_row = rows = size = 0
    first = datetime.max.replace(tzinfo=UTC)
    for number, several in events:
        ts = several[0].ts
        if rows and (rows >= limits.chunk_rows or size >= limits.chunk_bytes or ts - first > longest):
            yield Chunk(last_row, waiting)
            waiting, rows, size = {}, 0, 0
        if not rows:
            first = ts
        waiting.update((one.content_hash, one) for one in several)
        last_row, rows, size = number, rows + 1, size + sum(len(one.raw) for one in several)
    if rows:
        yield Chunk(last_row, waiting)


def _refuse_other_content(engine: Engine, chunk: Chunk) -> None:
    """Most likely the mapping was changed after a first replay: all its rows would become dead letters."""
    foreign = contradicted(engine, chunk.waiting)
    if 2 * len(foreign) > len({one.request_id for one in chunk.waiting.values()}):
        raise SettingsError(
            f"{len(foreign)} request_ids up to row {chunk.last_row} (such as {foreign[0]!r}) are stored with other "
            "content, as after a replay of this file with another mapping, and would all be refused: let the mapping "
            'make other ids, e.g. request_id: {concat: ["v2/", ...]}'
        )
