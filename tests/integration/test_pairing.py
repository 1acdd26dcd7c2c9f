"""Calls whose request and response are two records: met in any order and place, exactly once, losses counted."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from monitor.domain import kept_halves
from monitor.domain.halves import Half
from monitor.domain.records import Batch, Partition, Record
from monitor.domain.window import Window
from monitor.formats import Decoded
from monitor.services.draw_labels import LabelDesign
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.ingest import IngestService, Prepared
from monitor.services.triage import Triage
from monitor.sli import SLIS
from monitor.slo.objective import Selector
from monitor.store import halves, indicators
from monitor.store.engine import transaction
from monitor.store.halves import HalfArrival
from tests.integration.conftest import PRIVACY, make_service, write_at_once
from tests.pace import wait_for

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
PATIENCE, KEEP = timedelta(minutes=5), timedelta(hours=1)
OTHER = Partition("cluster", "t", "11111111-1111-1111-1111-111111111111", 1)
EXPIRY = ExpiryOptions("g", "e", KEEP, 1000, PRIVACY)
Rows = Callable[..., list[Any]]


def decode_half(record: Record) -> Sequence[Half]:
    """A format of its own for these tests: the half as JSON."""
    said = msgspec.json.decode(record.value)
    if "nothing" in said:
        return ()
    return (Half(said["id"], said["side"], datetime.fromisoformat(said["ts"]), said["fields"]),)


def request(pair: str, prompt: str = "What is it?", ts: datetime = SENT) -> dict[str, Any]:
    fields = {"model": {"name": "m"}, "task": "vqa", "input": {"prompt": prompt}}
    return {"id": pair, "side": "request", "ts": ts.isoformat(), "fields": fields}


def response(pair: str, answer: Any = "a mug", ts: datetime = SENT + timedelta(milliseconds=80)) -> dict[str, Any]:
    fields = {"model": {"name": "served-m", "version": "v1"}, "status": "ok", "output": {"answer": answer}}
    return {"id": pair, "side": "response", "ts": ts.isoformat(), "fields": fields}


def make(engine: Engine) -> IngestService:
    return make_service(
        engine, decoders={"t": decode_half}, slice_dimensions=(), labels=LabelDesign(), pair_patience=PATIENCE
    )


@pytest.fixture
def paired(engine: Engine) -> IngestService:
    return make(engine)


Send = Callable[..., Batch]
STORED = "SELECT request_id, prompt, answer, model, version, latency_ms, ts FROM predictions ORDER BY 1"
WAITING = "SELECT pair_id, side FROM waiting_halves ORDER BY 1"
COUNTS = "SELECT sum(joined), sum(lost) FROM pair_counts"


def test_both_sides_in_one_batch_meet_in_memory(paired: IngestService, send: Send, rows: Rows) -> None:
    outcomes = paired.write(send(request("a"), response("a")), NOW)
    assert outcomes == {("t", "accepted"): 1, ("t", "half"): 1}
    assert rows(STORED) == [("a", "What is it?", "a mug", "m", "v1", pytest.approx(80.0), SENT)]
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 0)]


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2, 3])))
def test_any_order_over_batches_and_restarts_gives_the_same(
    engine: Engine, send: Send, rows: Rows, order: tuple[int, ...]
) -> None:
    sides = [request("a"), response("a"), request("b"), response("b", "a cup")]
    for index in order:
        make(engine).write(send(sides[index]), NOW)  # a new service each time: nothing is kept in memory
    assert [row[:3] for row in rows(STORED)] == [("a", "What is it?", "a mug"), ("b", "What is it?", "a cup")]
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(2, 0)]


def test_sides_that_come_again_are_duplicates_at_every_stage(paired: IngestService, send: Send, rows: Rows) -> None:
    assert paired.write(send(request("a"), request("a")), NOW) == {("t", "half"): 1, ("t", "duplicate"): 1}
    assert paired.write(send(request("a")), NOW) == {("t", "duplicate"): 1}
    assert paired.write(send(request("a"), response("a")), NOW) == {("t", "duplicate"): 1, ("t", "accepted"): 1}
    assert paired.write(send(response("a")), NOW) == {("t", "duplicate"): 1}
    assert paired.write(send(request("a"), response("a")), NOW) == {("t", "duplicate"): 2}
    assert len(rows(STORED)) == 1
    assert rows(WAITING) == []
    assert rows("SELECT count(*) FROM dead_letters") == [0]


def test_a_side_that_says_something_else_is_refused_at_every_stage(
    paired: IngestService, send: Send, rows: Rows
) -> None:
    contradictory = {("t", "contradictory"): 1}
    assert paired.write(send(request("a"), request("a", "Who?")), NOW) == {("t", "half"): 1, **contradictory}
    assert paired.write(send(request("a", "Why?")), NOW) == contradictory
    assert paired.write(send(response("a")), NOW) == {("t", "accepted"): 1}
    assert paired.write(send(response("a", "a cup")), NOW) == contradictory
    assert paired.write(send(request("a", "How?"), response("a", "a can")), NOW) == {("t", "contradictory"): 2}
    assert rows(STORED)[0][1:3] == ("What is it?", "a mug")
    assert rows("SELECT count(*) FROM dead_letters") == [5]


def test_what_is_known_stands_whatever_comes_before_its_repetition_in_a_batch(
    paired: IngestService, send: Send, rows: Rows
) -> None:
    one_of_each = {("t", "contradictory"): 1, ("t", "duplicate"): 1}
    paired.write(send(request("a")), NOW)
    assert paired.write(send(request("a", "Who?"), request("a")), NOW) == one_of_each
    paired.write(send(response("a")), NOW)
    assert paired.write(send(request("a", "Who?"), request("a")), NOW) == one_of_each
    assert paired.write(send(request("a", "Who?"), response("a")), NOW) == one_of_each
    refused = rows("SELECT raw FROM dead_letters")
    assert len(refused) == 3
    assert all(b"Who?" in raw for raw in refused)
    assert rows(COUNTS) == [(1, 0)]


def test_what_both_sides_say_together_must_be_a_prediction(paired: IngestService, send: Send, rows: Rows) -> None:
    paired.write(send(request("a")), NOW)
    assert paired.write(send(response("a", answer=7)), NOW) == {("t", "invalid"): 2}
    found = rows("SELECT record_offset, reason, detail FROM dead_letters ORDER BY 1")
    assert [row[:2] for row in found] == [(0, "invalid"), (1, "invalid")]
    assert "request and response together" in found[0][2]
    assert rows(WAITING) == []


def test_a_record_about_something_else_is_counted_as_ignored(paired: IngestService, send: Send) -> None:
    assert paired.write(send({"nothing": True}), NOW) == {("t", "ignored"): 1}


def test_a_search_for_lost_sides_does_not_go_over_those_lost_before(engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("""
            INSERT INTO waiting_halves (consumer_group, pair_id, side, ts, digest, fields, topic, topic_id, partition,
                record_offset, due_at, lost)
            SELECT 'g', 'p' || i, 'request', now(), '', '{}', 't', 't', 0, i, now() - i * interval '1 s', true
            FROM generate_series(1, 5000) AS i
        """)
        connection.exec_driver_sql("ANALYZE waiting_halves")
    with transaction(engine) as connection:
        assert halves.overdue(connection, "g", datetime.now(UTC), 100) == []
    engine.dispose()  # a session that ends hands in what it has counted
    looks = "SELECT coalesce(sum({}), 0)::int FROM pg_stat_user_indexes WHERE relname = 'waiting_halves' AND {}"
    not_lost = "indexrelname = 'ix_waiting_halves_not_lost'"
    wait_for(lambda: rows(looks.format("idx_scan", not_lost))[0] > 0, 20, "it is counted")
    assert rows(looks.format("idx_tup_read", "true"))[0] < 10  # planning reads the ends of an index, too


def test_a_side_whose_other_never_comes_is_a_loss_then_a_dead_letter(
    engine: Engine, paired: IngestService, send: Send, rows: Rows
) -> None:
    paired.write(send(request("a"), request("b"), response("b")), NOW)
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE) == 0
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE + timedelta(seconds=1)) == 1
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE + timedelta(seconds=2)) == 0
    assert rows("SELECT model, version, joined, lost FROM pair_counts ORDER BY 2") == [
        ("m", "", 0, 1),
        ("m", "v1", 1, 0),
    ]
    assert rows("SELECT count(*) FROM dead_letters") == [0]
    expire_halves(engine, EXPIRY, NOW + PATIENCE + KEEP + timedelta(seconds=1))
    [(reason, detail, raw)] = rows("SELECT reason, detail, raw FROM dead_letters")
    assert (reason, detail) == ("unpaired", "call 'a': its response never came")
    assert msgspec.json.decode(raw.removeprefix(b"snellen-half "))["fields"]["input"] == {"prompt": "What is it?"}
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 1)]


def decode_several(record: Record) -> Sequence[Decoded]:
    """A batch of calls in one record."""
    said = msgspec.json.decode(record.value)
    return [Half(one["id"], one["side"], datetime.fromisoformat(one["ts"]), one["fields"]) for one in said["several"]]


def test_a_dead_letter_holds_every_side_that_its_record_brought(
    engine: Engine, paired: IngestService, send: Send, rows: Rows
) -> None:
    several = IngestService(engine, replace(paired._options, decoders={"t": decode_several}), lambda *_: None)
    several.write(send({"several": [request("a", "Who?"), request("b", "Why?")]}), NOW)
    several.write(send({"several": [response(pair, answer=7) for pair in "ab"]}), NOW)
    several.write(send({"several": [request("c"), request("d")]}), NOW)
    expire_halves(engine, EXPIRY, NOW + PATIENCE + KEEP + timedelta(seconds=1))
    letters = rows("SELECT reason, raw, detail FROM dead_letters ORDER BY record_offset")
    assert [reason for reason, _, _ in letters] == ["invalid", "invalid", "unpaired"]
    (_, waited, _), (_, whole, _), (_, lost, detail) = letters
    assert [one.pair_id for one in kept_halves._decoded(waited)] == ["a", "b"]
    assert list(msgspec.json.decode(whole)) == ["several"]
    assert [one.pair_id for one in kept_halves._decoded(lost)] == ["c", "d"]
    assert detail == "call 'c': its response never came; call 'd': its response never came"


def test_a_side_that_comes_late_joins_and_takes_the_loss_back(
    engine: Engine, paired: IngestService, send: Send, rows: Rows
) -> None:
    paired.write(send(response("a")), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE)
    assert rows(COUNTS) == [(0, 1)]
    assert paired.write(send(request("a")), NOW + 3 * PATIENCE) == {("t", "accepted"): 1}
    assert rows(COUNTS) == [(1, 0)]


def test_a_side_waits_as_long_for_the_embed_group_and_is_counted_when_it_is_let_go(
    engine: Engine, send: Send, rows: Rows
) -> None:
    """Its partitions may lag by hours, unevenly. Losses are the ingest group's to count, and dead letters too."""
    with engine.begin() as connection:
        records = send(request("a"), request("b")).records
        arrivals = [HalfArrival(half, b"x", one, None) for one in records for half in decode_half(one)]
        halves.wait(connection, "e", arrivals, NOW + PATIENCE)
    before = REGISTRY.get_sample_value("snellen_sides_let_go_total", {"group": "e"}) or 0
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE + KEEP) == 0
    assert rows(WAITING) == [("a", "request"), ("b", "request")]
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE + KEEP + timedelta(seconds=1)) == 0
    assert rows(WAITING) == []
    assert rows("SELECT count(*) FROM dead_letters") == [0]
    assert rows(COUNTS) == [(None, None)]
    assert REGISTRY.get_sample_value("snellen_sides_let_go_total", {"group": "e"}) == before + 2


class Late(IngestService):
    """One whose transaction begins only after losses were counted."""

    def _prepare(self, sorted_out: Triage) -> Prepared:
        prepared = super()._prepare(sorted_out)
        expire_halves(self._engine, EXPIRY, NOW + 2 * PATIENCE)
        return prepared


def test_a_loss_that_is_counted_while_the_sides_meet_is_taken_back(
    engine: Engine, paired: IngestService, send: Send, rows: Rows
) -> None:
    paired.write(send(response("a")), NOW)
    late = Late(engine, paired._options, lambda *_: None)
    assert late.write(send(request("a")), NOW + 2 * PATIENCE) == {("t", "accepted"): 1}
    assert rows(COUNTS) == [(1, 0)]


def test_a_name_too_long_for_an_index_keeps_no_loss_from_being_counted(
    engine: Engine, paired: IngestService, send: Send, rows: Rows
) -> None:
    bad = request("a")
    bad["fields"]["model"]["name"] = "".join(random.Random(1).choices("abcdefghijklmnop", k=9000))
    paired.write(send(bad, request("b")), NOW)
    assert expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE) == 2
    assert rows(COUNTS) == [(0, 2)]
    assert paired.write(send(response("a")), NOW + 3 * PATIENCE) == {("t", "invalid"): 2}
    assert rows(COUNTS) == [(0, 1)]


def test_a_duplicate_side_left_behind_is_no_loss(engine: Engine, send: Send, rows: Rows) -> None:
    paired = make(engine)
    paired.write(send(request("a"), response("a")), NOW)
    with engine.begin() as connection:  # as when two collectors bring a side twice at the same moment
        connection.exec_driver_sql(
            "INSERT INTO waiting_halves (consumer_group, pair_id, side, ts, digest, fields, topic, topic_id, "
            "partition, record_offset, due_at) VALUES ('g', 'a', 'request', %s, 'x', '{}', 't', 'i', 0, 9, %s)",
            (SENT, NOW),
        )
    assert expire_halves(engine, EXPIRY, NOW + PATIENCE) == 0
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 0)]


def test_no_more_sides_wait_than_allowed(engine: Engine, paired: IngestService, send: Send, rows: Rows) -> None:
    for number in range(6):
        paired.write(send(request(f"r{number}")), NOW + timedelta(seconds=number))
    expire_halves(engine, replace(EXPIRY, max_waiting=2), NOW + timedelta(seconds=10))
    assert rows(WAITING) == [("r4", "request"), ("r5", "request")]
    assert rows("SELECT count(*) FROM dead_letters WHERE reason = 'unpaired'") == [4]
    assert rows(COUNTS) == [(0, 4)]


def test_two_collectors_that_bring_the_sides_at_once_store_the_call_once(
    database_url: str, engine: Engine, send: Send, rows: Rows
) -> None:
    random.seed(3)
    pairs = [f"p{number:03}" for number in range(120)]
    sides = {0: [request(one) for one in pairs], 1: [response(one) for one in pairs]}
    partitions = {0: Partition("cluster", "t", OTHER.topic_id, 0), 1: OTHER}
    batches: list[list[Batch]] = []
    for number, several in sides.items():
        random.shuffle(several)
        batches.append([send(*several[i : i + 5], partition=partitions[number]) for i in range(0, 120, 5)])
    write_at_once(database_url, make, batches)
    assert len(rows(STORED)) == 120
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(120, 0)]


def test_an_id_longer_than_the_contract_allows_takes_nothing_else_down(
    paired: IngestService, send: Send, rows: Rows
) -> None:
    bad = "".join(random.Random(1).choices("abcdefghijklmnop", k=9000))
    whole = send(request("a"), request(bad), response("a"), response(bad))
    assert paired.write(whole, NOW) == {("t", "accepted"): 1, ("t", "half"): 1, ("t", "invalid"): 2}
    alone = send(request(bad), request("b"))  # too long for the index of those that wait
    assert paired.write(alone, NOW) == {("t", "unstorable"): 1, ("t", "half"): 1}
    assert [row[0] for row in rows(STORED)] == ["a"]


def test_the_coverage_sli_counts_what_met_and_what_was_lost(engine: Engine, paired: IngestService, send: Send) -> None:
    paired.write(send(request("a"), response("a"), request("b"), response("c")), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE)
    window = Window(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    with transaction(engine) as connection:
        of_model = indicators.pair_counts(connection, Selector(model="m"), window)
        of_all = indicators.pair_counts(connection, Selector(), window)
    sli: Any = SLIS["coverage"]
    assert (sli.count(of_model).bad.sum(), sli.count(of_model).total.sum()) == (1, 2)
    assert (sli.count(of_all).bad.sum(), sli.count(of_all).total.sum()) == (2, 3)
