"""A log under its old id that no longer holds what the stored offset points at.

The embedded broker cuts no log, so the client is set to where Kafka's own would begin again, and the store is asked
what it would be asked then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from monitor.broker import ClientConfig, Sink, Source, ensure_topics
from monitor.domain.records import Batch
from monitor.errors import Fenced
from monitor.services.ingest import IngestService
from monitor.services.positions import Positions
from monitor.store import offsets
from tests.integration.conftest import NOW, PARTITION, TOPIC

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
GAPS = "SELECT reason, expected_offset, resumed_offset FROM stream_gaps ORDER BY id"


@pytest.fixture
def positions(engine: Engine) -> Positions:
    return Positions(engine, "g", lambda: NOW)


def numbered(prediction: Build, *numbers: int) -> list[dict[str, Any]]:
    return [prediction(f"r{number}") for number in numbers]


def test_records_that_kafka_dropped_before_they_were_read_are_a_gap_and_reading_goes_on_behind_it(
    ingest: IngestService, positions: Positions, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(*numbered(prediction, *range(10))), NOW)
    late = send(*numbered(prediction, *range(10, 30)))
    assert positions.start(PARTITION, 30, beyond_end=False) == 30
    assert rows(GAPS) == [("records expired", 10, 30)]
    with pytest.raises(Fenced):  # by a member that had them still at hand
        ingest.write(late, NOW)
    assert ingest.write(send(prediction("r30")), NOW) == {(TOPIC, "accepted"): 1}
    assert positions.start(PARTITION, 30, beyond_end=False) == 31
    assert len(rows(GAPS)) == 1, "the beginning alone is no gap"


def test_a_log_that_was_cut_is_read_from_its_beginning_and_what_is_known_counts_once(
    ingest: IngestService, positions: Positions, prediction: Build, rows: Rows, send: Send
) -> None:
    """As after an unclean election: offsets 5 to 9 are other records now."""
    ingest.write(send(*numbered(prediction, *range(10))), NOW)
    assert positions.start(PARTITION, 0, beyond_end=True) == 0
    assert rows(GAPS) == [("offset beyond the end", 10, 0)]
    again = send(*numbered(prediction, 0, 1, 2, 3, 4, 15, 16))
    moved = Batch(again.records, {PARTITION: 0}, {PARTITION: 7}, {PARTITION: 7})
    assert ingest.write(moved, NOW) == {(TOPIC, "duplicate"): 5, (TOPIC, "accepted"): 2}
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [12]
    assert rows("SELECT next_offset FROM stream_offsets") == [7]


@pytest.mark.parametrize(("unread", "gaps"), [(0, []), (7, [("topic was made anew", 0, 0)])])
def test_a_topic_that_is_made_anew_lost_what_it_held(
    engine: Engine, positions: Positions, rows: Rows, unread: int, gaps: list[Any]
) -> None:
    """Of which nothing had been read; and an empty one lost nothing."""
    positions.start(PARTITION, 0, beyond_end=False)
    with engine.begin() as connection:
        offsets.note_ends(connection, "g", [(PARTITION, unread)], NOW)
    positions.start(PARTITION._replace(topic_id="44444444-4444-4444-4444-444444444444"), 0, beyond_end=False)
    assert rows(GAPS) == gaps


@pytest.fixture
def source(broker: str, topic: str, positions: Positions, prediction: Build) -> Iterator[Source]:
    """The one member of a group on a log of 20 records."""
    config = ClientConfig(broker)
    ensure_topics(config, [topic], 1)
    sink = Sink(config)
    for event in numbered(prediction, *range(20)):
        sink.send(topic, msgspec.json.encode(event))
    sink.flush()
    sink.close()
    with closing(Source(config, topic, [topic], positions.start, session_timeout_ms=1500)) as made:
        yield made


def test_a_client_that_begins_again_because_the_log_ends_before_its_offset_has_its_gap_recorded(
    source: Source, ingest: IngestService, topic: str, rows: Rows
) -> None:
    ingest._options.decoders[topic] = ingest._options.decoders[TOPIC]  # type: ignore[index]
    assert _read(source, ingest, 20) == {(topic, "accepted"): 20}
    [place] = source._consumer.assignment()
    source._consumer.seek(place, 0)
    assert _read(source, ingest, 20) == {(topic, "duplicate"): 20}
    assert rows(GAPS) == [("offset beyond the end", 20, 0)]
    assert rows("SELECT count(*) FROM predictions") == [20]
    assert rows("SELECT next_offset FROM stream_offsets") == [20]


def _read(source: Source, ingest: IngestService, count: int) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    while sum(found.values()) < count:
        for key, records in ingest.write(source.poll(1000, 1 << 20, 100), NOW).items():
            found[key] = found.get(key, 0) + records
    return found
