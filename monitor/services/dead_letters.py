"""Work off dead letters: find them, send them again, forget them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from monitor.broker import Sink
from monitor.domain.events import Rejection
from monitor.domain.kept_halves import with_mark
from monitor.domain.records import DEAD_LETTER_HEADER, TOPIC_HEADER, Record
from monitor.store import audit, dead_letters
from monitor.store.dead_letters import Choice
from monitor.store.engine import transaction
from monitor.store.queries.dead_letters import Letter, letters

PREVIEW_BYTES = 4096
SENT_AT_ONCE = 16
"""Letters of one transaction: they may be large, and while they are sent no collector can mark them."""
FLUSH_S = 10.0
ADVICE: dict[str, str] = {
    Rejection.UNREADABLE: "The bytes are not of the topic's format: set the right one, or mend the producer.",
    Rejection.UNKNOWN_SCHEMA: "Set the topic's format or mapping (`snellen ingest check` helps), or upgrade Snellen.",
    Rejection.INVALID: "Mend the field that the reason names, in the producer or in the mapping file.",
    Rejection.OVERSIZED: "Log a reference instead of the picture, or raise ingest.max_record_bytes; then replay it.",
    Rejection.FUTURE_DATED: "Mend the producer's clock, or raise ingest.max_future; a replay succeeds once it is past.",
    Rejection.TOO_OLD: "Raise ingest.max_age and replay it, or use `snellen replay`, which takes any age.",
    Rejection.CONTRADICTORY: "Two records share a request_id. Give each answer an id of its own; the first one stands.",
    Rejection.UNSTORABLE: "PostgreSQL cannot hold a value, such as a NUL character. Mend the producer.",
    Rejection.TOO_MANY_MODELS: "Mend what names models, or raise ingest.max_models; then replay it.",
    Rejection.UNPAIRED: "The other side of the call came too late or never: mend the logger. A replay lets this one "
    "wait once more: replay the other side with it, or send it.",
}
"""What to do about each reason."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did."""

    sent: int
    passed_over: int
    """Chosen, but resolved, sent before, or without a record that could be sent."""


def find(engine: Engine, choice: Choice, limit: int, preview: int = PREVIEW_BYTES) -> list[Letter]:
    """The newest dead letters of a choice.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        return letters(connection, choice, limit, preview)


def replayable(engine: Engine, choice: Choice, *, again: bool) -> tuple[list[int], int]:
    """Numbers of those that a replay would send, oldest first, and how many it would pass over.

    Args:
        again: also those that were sent before; those that are resolved never.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        return dead_letters.unsettled(connection, choice, again=again)


def replay(engine: Engine, sink: Sink, own: Sequence[str], choice: Choice, now: datetime, *, again: bool) -> Replayed:
    """Send dead letters once more, each with its bytes, key, headers, time stamp and our mark.

    Those of our own topics go back there, all others to the one for predictions, with the name of theirs
    (`TOPIC_HEADER`). Of sides of calls that waited, what was read of them is sent, and a header that says so
    (`HALF_HEADER`).

    Each is locked, sent, acknowledged and then marked, so a run that is cut short repeats at most a few. Repetitions do
    no harm: an event that is known is a duplicate, and a record that fails again is linked to its first dead letter.

    Args:
        own: our topics, that of predictions first.

    Raises:
        BrokerError: the broker did not acknowledge; what was not marked as sent is still open.
        StoreError: PostgreSQL refused or does not answer.
    """
    chosen, passed_over = replayable(engine, choice, again=again)
    sent = 0
    for numbers in _portions(chosen):
        with transaction(engine) as connection:
            records = dead_letters.lock(connection, numbers, again=again)
            for number, (reason, record) in records.items():
                marked = _marked(with_mark(record, unpaired=reason == Rejection.UNPAIRED), number)
                sink.repeat(_in_ours(marked, own))
            sink.flush(FLUSH_S)
            dead_letters.mark_replayed(connection, records, now)
        sent += len(records)
    return Replayed(sent, passed_over + len(chosen) - sent)


def purge(engine: Engine, before: datetime, actor: str, now: datetime, *, dry_run: bool) -> int:
    """Delete the dead letters that were refused before a time, and note who did it; returns how many.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    with transaction(engine) as connection:
        if dry_run:
            return dead_letters.count_before(connection, before)
        deleted = dead_letters.purge(connection, before)
        if deleted:
            detail = {"before": before.isoformat(), "dead_letters": deleted}
            audit.record(connection, audit.Entry(now, actor, audit.Action.PURGE, detail))
        return deleted


def _marked(record: Record, number: int) -> Record:
    others = tuple(pair for pair in record.headers if pair[0] != DEAD_LETTER_HEADER)
    return replace(record, headers=(*others, (DEAD_LETTER_HEADER, str(number).encode())))


def _in_ours(record: Record, own: Sequence[str]) -> Record:
    topic = record.partition.topic
    if topic in own:
        return record
    headers = (*record.headers, (TOPIC_HEADER, topic.encode()))
    return replace(record, partition=record.partition._replace(topic=own[0]), headers=headers)


def _portions(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), SENT_AT_ONCE):
        yield numbers[start : start + SENT_AT_ONCE]
