"""A header is bytes that anybody may write who can write to the topic."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from monitor.domain.records import REPLAY_HEADER
from tests.integration.conftest import NOW

LONG_AGO = "2001-03-01T00:00:00Z"


def test_a_replay_that_nobody_entered_lends_no_exemption(engine, ingest, send, prediction, rows) -> None:
    batch = send(prediction("old", ts=LONG_AGO), prediction("new"), replay="entered")
    marks = ((REPLAY_HEADER, b"made up"), ("other", b"x"))
    forged = tuple(replace(one, headers=marks) for one in batch.records)
    ingest.write(replace(batch, records=forged), NOW)
    assert rows("SELECT count(*) FROM predictions") == [0]
    assert rows("SELECT replay, reason FROM dead_letters ORDER BY record_offset") == [(None, "unreadable")] * 2
    assert "does not know" in rows("SELECT detail FROM dead_letters LIMIT 1")[0]


def test_its_neighbours_are_read_as_they_came(engine, ingest, send, prediction, rows) -> None:
    batch = send(prediction("old", ts=LONG_AGO), prediction("b"), prediction("c"), replay="entered")
    forged = replace(batch.records[1], headers=((REPLAY_HEADER, b"made up"),))
    live = replace(batch.records[2], headers=())
    ingest.write(replace(batch, records=(batch.records[0], forged, live)), NOW)
    assert rows("SELECT request_id, replay FROM predictions ORDER BY 1") == [("c", None), ("old", "entered")]


def test_a_replay_entered_later_is_believed_from_then_on(engine, ingest, send, prediction, rows) -> None:
    batch = send(prediction("a", ts=LONG_AGO), replay="entered")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM replays"))
    ingest.write(batch, NOW)
    ingest.write(send(prediction("b", ts=LONG_AGO), replay="entered"), NOW)
    assert rows("SELECT request_id FROM predictions") == ["b"]
