"""Batches that decode to far more than they came as: stored in parts, each with its offset, and each record once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.errors import Fenced
from monitor.services.ingest import IngestService
from tests.integration.conftest import NOW, make_service

pytestmark = pytest.mark.integration
RECORDS, PER_PART = 10, 3
LARGE: dict[str, Any] = {"deep": [{} for _ in range(500)]}


@pytest.fixture
def narrow(engine: Engine) -> IngestService:
    """Two such records fit, with the third it is too much."""
    options = make_service(engine)._options
    limits = replace(options.limits, decoded_bytes=5 * 500 * 128 // 2)
    return IngestService(engine, replace(options, limits=limits), lambda *_: None)


@pytest.fixture
def batch(send: Callable[..., Batch], prediction: Callable[..., dict[str, Any]]) -> Batch:
    return send(*(prediction(f"r{number}", extra=LARGE) for number in range(RECORDS)))


def test_each_record_is_stored_once_and_no_transaction_has_more_than_fits(
    narrow: IngestService, batch: Batch, rows: Callable[..., list[Any]]
) -> None:
    outcomes = narrow.write(batch, NOW, narrow.read(batch, NOW))
    assert outcomes == {("t", "accepted"): RECORDS}
    assert rows("SELECT count(*) FROM predictions GROUP BY xmin::text ORDER BY min(request_id)") == [3, 3, 3, 1]
    assert rows("SELECT next_offset FROM stream_offsets") == [RECORDS]
    assert rows("SELECT sum(records)::int FROM ingest_counters") == [RECORDS]
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [RECORDS]


def test_what_was_read_is_let_go_before_the_next_part_is(narrow: IngestService, batch: Batch) -> None:
    read = narrow.read(batch, NOW)
    assert len(read.sorted_out.predictions) == PER_PART
    narrow.write(batch, NOW, read)
    assert not read.sorted_out.predictions


def test_a_part_that_fails_leaves_those_before_it_and_the_batch_is_fenced_then(
    narrow: IngestService, batch: Batch, rows: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the collector reads again from where the store stands."""
    stored = narrow._store

    def fails_later(*given: Any) -> Any:
        if rows("SELECT next_offset FROM stream_offsets") != [0]:
            raise ConnectionError
        return stored(*given)

    monkeypatch.setattr(narrow, "_store", fails_later)
    with pytest.raises(ConnectionError):
        narrow.write(batch, NOW)
    assert rows("SELECT next_offset FROM stream_offsets") == [PER_PART]
    monkeypatch.undo()
    with pytest.raises(Fenced):
        narrow.write(batch, NOW)
    narrow.write(batch.cut(PER_PART)[1], NOW)
    assert rows("SELECT count(*), count(DISTINCT request_id) FROM predictions") == [(RECORDS, RECORDS)]
    assert rows("SELECT next_offset FROM stream_offsets") == [RECORDS]


def test_a_poison_record_in_a_later_part_is_found_and_the_rest_is_stored_once(
    narrow: IngestService, batch: Batch, engine: Engine, rows: Callable[..., list[Any]]
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.request_id = 'r4' THEN RAISE EXCEPTION 'cannot hold it' USING ERRCODE = '22P05'; END IF; "
            "RETURN NEW; END $$; "
            "CREATE TRIGGER refuse BEFORE INSERT ON predictions FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    narrow.write(batch, NOW)
    assert sorted(rows("SELECT request_id FROM predictions")) == [f"r{n}" for n in range(RECORDS) if n != 4]
    assert rows("SELECT record_offset, reason FROM dead_letters") == [(4, "unstorable")]
    assert rows("SELECT next_offset FROM stream_offsets") == [RECORDS]
