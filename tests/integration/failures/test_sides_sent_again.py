"""Calls of which one side waited and that were refused: what is kept of that side is sent again, and read as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli import app
from monitor.domain.events import Rejection
from monitor.domain.halves import Half, prelude
from monitor.domain.records import DEAD_LETTER_HEADER, HALF_HEADER, UNPAIRED, WAITED, Batch, Partition, Record
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.dead_letters import find
from monitor.services.draw_labels import LabelDesign
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.store.dead_letters import MAX_TOGETHER, Rejected, insert_dead_letters
from monitor.store.queries.dead_letters import State
from tests.integration.conftest import PARTITION, PRIVACY, make_eraser, make_service
from tests.integration.failures.test_dead_letters import ALL, Topic, send_again
from tests.integration.plain_embedding import embed_service

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
PATIENCE, KEEP = timedelta(minutes=5), timedelta(hours=1)
EXPIRY = ExpiryOptions("g", "e", KEEP, 1000, PRIVACY)
MAIL = "jane@example.com"
SUBJECTS = Subjects(("extra.user_id",), (b"a key of sixteen bytes",))
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Json = dict[str, Any]
STORED = "SELECT request_id, model, prompt, detail ->> 'context', answer FROM predictions ORDER BY 1"
COUNTS = "SELECT sum(joined)::int, sum(lost)::int FROM pair_counts"
STATES = "SELECT resolved_at IS NOT NULL FROM dead_letters ORDER BY id"
WHOLE = [("a", "m", "mail [email removed]", None, "a mug")]


def decode(record: Record) -> Sequence[Half]:
    """A format of its own for these tests."""
    said = msgspec.json.decode(record.value)
    return [_half(one) for one in (said if isinstance(said, list) else [said])]


def _half(said: Json) -> Half:
    if said["side"] == "prelude":
        return prelude(said["id"], SENT, said["fields"])
    return Half(said["id"], said["side"], SENT, said["fields"], may_have_prelude=True)


def mended(record: Record) -> Sequence[Half]:
    """As if its mapping said now that a number is the class with that number."""
    halves = decode(record)
    for one in halves:
        if one.fields.get("output", {}).get("answer") == 7:
            one.fields["output"]["answer"] = "a mug"
        if one.fields.get("input", {}).get("prompt") == 7:
            one.fields["input"]["prompt"] = f"mail {MAIL}"
    return halves


def request(call: str = "a", **fields: Any) -> Json:
    said = {"model": {"name": "m"}, "task": "vqa", "input": {"prompt": f"mail {MAIL}"}}
    return {"id": call, "side": "request", "fields": said | fields}


def response(call: str = "a", answer: Any = "a mug") -> Json:
    return {"id": call, "side": "response", "fields": {"status": "ok", "output": {"answer": answer}}}


def said_ahead(call: str = "a") -> Json:
    return {"id": call, "side": "prelude", "fields": {"input": {"context": "Be brief."}}}


def make(engine: Engine, decoder: Any = decode, **changes: Any) -> IngestService:
    options: dict[str, Any] = {
        "slice_dimensions": (),
        "labels": LabelDesign(),
        "pair_patience": PATIENCE,
        "privacy": Privacy(Redactor(PrivacyOptions()), SUBJECTS),
    }
    return make_service(engine, decoders={"t": decoder}, **(options | changes))


@pytest.fixture
def topic(send: Send) -> Topic:
    [partition] = send().following
    return Topic(partition)


class Log:
    """The partition: batches of new records, and of those that were sent again, one after the other."""

    def __init__(self, send: Send, topic: Topic, engine: Engine) -> None:
        self._topic, self._engine = topic, engine
        self._batch = send()

    def of(self, *values: Json | list[Json]) -> Batch:
        where = Partition(*self._topic.partition)
        self._topic.sent = [Record(where, 0, -1, msgspec.json.encode(one)) for one in values]
        return self.follow()

    def again(self, count: int) -> list[Record]:
        assert send_again(self._engine, self._topic, again=True)[0] == count
        return self._topic.sent

    def follow(self) -> Batch:
        self._batch = self._topic.follow(self._batch)
        return self._batch


@pytest.fixture
def log(send: Send, topic: Topic, engine: Engine) -> Log:
    return Log(send, topic, engine)


ORDERS: list[tuple[Callable[[], Json], ...]] = [(request, response), (response, request)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_a_call_of_a_model_that_was_one_too_many_is_stored_once_when_more_are_allowed(
    engine: Engine, log: Log, topic: Topic, rows: Rows, order: Sequence[Callable[[], Json]], *, apart: bool, twice: bool
) -> None:
    refusing, service = make(engine, max_models=0), make(engine)
    for side in order:
        refusing.write(log.of(side()), NOW)
    assert rows("SELECT reason FROM dead_letters") == [Rejection.TOO_MANY_MODELS] * 2
    assert rows(STORED) == []
    waited, came = log.again(2)
    assert (waited.half, came.half) == (WAITED, None)
    assert MAIL.encode() not in waited.value + came.value
    topic.sent *= 2 if twice else 1  # as if the sender had been killed before it could mark them
    batch = log.follow()
    for part in batch.cut(1) if apart else (batch,):
        service.write(part, NOW)
    assert rows(STORED) == WHOLE
    assert rows(STATES) == [True, True]
    assert rows(COUNTS) == [(1, 0)]
    assert log.again(0) == []
    outcomes = service.write(log.of(order[0](), order[0]()), NOW)  # what came first had waited, and was redacted
    assert outcomes == {("t", "duplicate"): 2}


@pytest.mark.parametrize("first", [request, response])
def test_a_call_that_was_invalid_as_a_whole_is_stored_when_its_mapping_is_mended(
    engine: Engine, log: Log, rows: Rows, first: Callable[[], Json]
) -> None:
    """Of the side that came last its record is kept, and read with the mended mapping."""
    waits, comes = (request(), response(answer=7)) if first is request else (response(), request(input={"prompt": 7}))
    for side in (waits, comes):
        make(engine).write(log.of(side), NOW)
    assert rows("SELECT reason FROM dead_letters") == [Rejection.INVALID] * 2
    log.again(2)
    make(engine, mended).write(log.follow(), NOW)
    assert rows(STORED) == WHOLE
    assert set(rows(STATES)) == {True}


def test_what_is_refused_once_more_is_linked_to_its_first_letter_and_sent_as_a_side_again(
    engine: Engine, log: Log, rows: Rows
) -> None:
    for side in (request(), response()):
        make(engine, max_models=0).write(log.of(side), NOW)
    log.again(2)
    make(engine, max_models=0).write(log.follow(), NOW)
    letters = find(engine, ALL, 10)[::-1]
    assert [one.state for one in letters] == [State.FAILED_AGAIN, State.FAILED_AGAIN, State.OPEN, State.OPEN]
    assert [one.replay_of for one in letters] == [None, None, letters[0].id, letters[1].id]
    log.again(4)
    make(engine).write(log.follow(), NOW)
    assert rows(STORED) == WHOLE
    assert set(rows(STATES)) == {True}


@pytest.mark.parametrize("late", [request, response])
def test_a_side_whose_other_came_too_late_waits_once_more_and_is_no_loss_any_more_when_they_meet(
    engine: Engine, log: Log, rows: Rows, late: Callable[[], Json]
) -> None:
    service = make(engine)
    service.write(log.of(response() if late is request else request()), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    assert rows(COUNTS) == [(0, 1)]
    [record] = log.again(1)
    assert record.half == UNPAIRED
    service.write(log.follow(), NOW)
    assert rows("SELECT lost FROM waiting_halves") == [True]
    assert expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE) == 0
    assert rows(COUNTS) == [(0, 1)]
    service.write(log.of(late()), NOW)
    assert rows(STORED) == WHOLE
    assert rows(COUNTS) == [(1, 0)]


@pytest.mark.parametrize("times", [1, 3])
def test_both_sides_that_were_given_up_meet_and_no_repetition_counts(
    engine: Engine, log: Log, rows: Rows, times: int
) -> None:
    service = make(engine)
    for side in (request, response):
        service.write(log.of(side()), NOW)
        service.write(log.of(side("b")), NOW) if side is request else None
        if side is request:
            expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    expire_halves(engine, EXPIRY, NOW + 4 * KEEP)
    assert rows(COUNTS) == [(0, 3)]
    for number in range(times):
        log.again(3 if number == 0 else 0)
        service.write(log.follow(), NOW)
    assert rows(STORED) == WHOLE
    assert rows(COUNTS) == [(1, 1)]
    assert rows("SELECT pair_id, lost FROM waiting_halves") == [("b", True)]
    expire_halves(engine, EXPIRY, NOW + 6 * KEEP)
    assert rows(COUNTS) == [(1, 1)]
    assert rows("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL") == [1]


def test_a_side_that_is_found_after_its_loss_was_forgotten_leaves_no_count_below_nothing(
    engine: Engine, log: Log, rows: Rows
) -> None:
    service = make(engine)
    service.write(log.of(request()), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM pair_counts")
    log.again(1)
    service.write(log.follow(), NOW)
    service.write(log.of(response()), NOW)
    assert rows(COUNTS) == [(1, 0)]


@pytest.mark.parametrize("given_up", [False, True])
def test_what_was_said_ahead_is_sent_before_its_side_and_is_part_of_the_call(
    engine: Engine, log: Log, rows: Rows, *, given_up: bool
) -> None:
    service = make(engine, max_models=200 if given_up else 0)
    for number, one in enumerate((said_ahead(), request())):
        service.write(log.of(one), NOW + number * timedelta(minutes=1))
    if given_up:
        expire_halves(engine, EXPIRY, NOW + PATIENCE + KEEP + timedelta(seconds=30))  # of the prelude only
        expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    else:
        service.write(log.of(response()), NOW)
    sent = log.again(2 if given_up else 3)
    said = [json.loads(one.value.removeprefix(b"snellen-half "))["side"] for one in sent]
    assert said == ["prelude", "request", "response"][: len(sent)]
    assert len({one.key for one in sent[:2]}) == 1  # so they are of one partition
    service = make(engine)
    for part in log.follow().cut(1):
        service.write(part, NOW)
    if given_up:
        service.write(log.of(response()), NOW)
    assert rows(STORED) == [("a", "m", "mail [email removed]", "Be brief.", "a mug")]
    assert rows(COUNTS) == [(1, 0)]
    assert set(rows(STATES)) == {True}


@pytest.mark.parametrize("given_up", [False, True])
def test_a_side_of_which_an_earlier_release_kept_no_mark_is_sent_as_what_it_is(
    engine: Engine, log: Log, rows: Rows, *, given_up: bool
) -> None:
    value = {"pair_id": "a", "side": "request", "ts": SENT, "fields": request(input={"prompt": WHOLE[0][2]})["fields"]}
    reason = Rejection.UNPAIRED if given_up else Rejection.TOO_MANY_MODELS
    record = Record(replace_cluster(PARTITION), 5, -1, msgspec.json.encode(value))
    removed = Record(record.partition, 6, -1, msgspec.json.encode(value | {"pair_id": "[email removed]"}))
    foreign = Record(record.partition, 7, -1, b'{"pair_id":"a","side":"middle"}')
    with engine.begin() as connection:
        insert_dead_letters(connection, [Rejected(one, reason, "no") for one in (record, removed, foreign)])
    sent = log.again(3)
    assert [one.half for one in sent] == [UNPAIRED if given_up else WAITED] * 2 + [None]
    service = make(engine)
    service.write(log.follow(), NOW)
    service.write(log.of(response()), NOW)
    assert rows(STORED) == WHOLE
    assert rows("SELECT replay_of IS NOT NULL FROM dead_letters WHERE detail LIKE '%%nobody knows which call%%'") == [
        True
    ]


def replace_cluster(one: Partition) -> Partition:
    return one._replace(cluster_id="")


def test_the_sides_of_one_record_are_one_letter_and_of_very_many_several(engine: Engine, log: Log, rows: Rows) -> None:
    calls = [f"c{number}" for number in range(6)]
    large = {"extra": {"text": "x" * (MAX_TOGETHER // 3)}}
    service = make(engine)
    service.write(log.of([request(one) for one in calls]), NOW)
    service.write(log.of([request(f"large-{one}", **large) for one in calls]), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    assert rows("SELECT record_offset FROM dead_letters ORDER BY 1") == [0, 1, 1, 1]
    sent = log.again(4)
    assert max(len(one.value) for one in sent) <= MAX_TOGETHER
    service.write(log.follow(), NOW)
    service.write(log.of(*map(response, calls), *(response(f"large-{one}") for one in calls)), NOW)
    assert rows("SELECT count(*) FROM predictions") == [12]
    assert rows(COUNTS) == [(12, 0)]
    assert set(rows(STATES)) == {True}


@pytest.mark.parametrize("group", ["ingest", "embed"])
def test_the_topics_format_is_not_asked_in_either_group(engine: Engine, log: Log, rows: Rows, group: str) -> None:
    for side in (request(input={"prompt": "What is it?"}), response()):
        make(engine, max_models=0).write(log.of(side), NOW)
    log.again(2)
    if group == "ingest":
        make(engine, _another).write(log.follow(), NOW)
        assert rows("SELECT prompt, answer FROM predictions") == [("What is it?", "a mug")]
    else:
        embed_service(engine, _another).write(log.follow(), NOW)
        assert rows("SELECT kind FROM embeddings ORDER BY 1") == ["answer", "prompt"]


def _another(record: Record) -> Sequence[Half]:
    assert record.half is None
    return decode(record)


SIDE = {"pair_id": "a", "side": "request", "ts": "2026-11-20T11:59:30Z", "fields": {"model": {"name": "m"}}}
DAMAGED: list[tuple[bytes, bytes, Rejection, str]] = [
    (b"", WAITED, Rejection.UNREADABLE, "no side of a call"),
    (b"\xff\x00", WAITED, Rejection.UNREADABLE, "no JSON"),
    (b"[" * 100_000, WAITED, Rejection.INVALID, "object"),
    (b'{"pair_id":' * 90_000, WAITED, Rejection.INVALID, "str"),
    (msgspec.json.encode(SIDE)[:-3], WAITED, Rejection.UNREADABLE, "truncated"),
    (msgspec.json.encode(SIDE), b"later", Rejection.UNKNOWN_SCHEMA, "later release"),
    (msgspec.json.encode(SIDE), b"", Rejection.UNKNOWN_SCHEMA, "later release"),
    (msgspec.json.encode(SIDE | {"side": "middle"}), WAITED, Rejection.INVALID, "$[0].side"),
    (msgspec.json.encode(SIDE | {"ts": "2026-11-20T11:59:30"}), WAITED, Rejection.INVALID, "timezone"),
    (msgspec.json.encode(SIDE | {"ts": "2001-11-20T11:59:30Z"}), WAITED, Rejection.TOO_OLD, "ago"),
    (msgspec.json.encode(SIDE | {"ts": "2031-11-20T11:59:30Z"}), WAITED, Rejection.FUTURE_DATED, "ahead"),
    (msgspec.json.encode(SIDE | {"pair_id": ""}), WAITED, Rejection.INVALID, "pair_id"),
    (msgspec.json.encode(SIDE | {"pair_id": "a\x00"}), WAITED, Rejection.UNSTORABLE, "NUL"),
    (msgspec.json.encode(SIDE | {"pair_id": "a#prelude"}), WAITED, Rejection.INVALID, "of no request"),
    (msgspec.json.encode(SIDE | {"side": "prelude"}), WAITED, Rejection.INVALID, "of no prelude"),
    (msgspec.json.encode(SIDE | {"digest": "AAAA"}), WAITED, Rejection.INVALID, "digest"),
    (msgspec.json.encode(SIDE | {"subject": "A" * 64}), WAITED, Rejection.INVALID, "subject"),
    (msgspec.json.encode(SIDE | {"more": 1}), WAITED, Rejection.INVALID, "more"),
    (msgspec.json.encode(SIDE | {"fields": []}), WAITED, Rejection.INVALID, "fields"),
    (msgspec.json.encode(SIDE | {"fields": {"a": "\x00"}}), WAITED, Rejection.UNSTORABLE, "NUL"),
    (b'{"pair_id":"a","side":"request","ts":"2026-11-20T11:59:30Z","fields":{"extra":' + b"[" * 200 + b"]" * 200
     + b"}}", WAITED, Rejection.INVALID, "deeper"),
    (msgspec.json.encode(SIDE | {"fields": {"extra": {"text": "x" * 1024 * 1024}}}), WAITED, Rejection.OVERSIZED,
     "max_record_bytes"),
    (msgspec.json.encode(SIDE | {"pair_id": "[email removed]"}), WAITED, Rejection.INVALID, "nobody knows"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "mark", "reason", "said"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_one_becomes_a_dead_letter_that_says_why(
    engine: Engine, log: Log, topic: Topic, rows: Rows, value: bytes, mark: bytes, reason: Rejection, said: str
) -> None:
    good = Record(topic.partition, 0, -1, msgspec.json.encode(request("good")))
    topic.sent = [Record(topic.partition, 0, -1, value, ((HALF_HEADER, mark),)), good]
    make(engine).write(log.follow(), NOW)
    [letter] = find(engine, ALL, 10)
    assert (letter.reason, said in letter.detail) == (reason, True), letter.detail
    assert rows("SELECT DISTINCT pair_id FROM waiting_halves") == ["good"]


def test_the_embed_group_passes_damaged_ones_over(engine: Engine, log: Log, topic: Topic, rows: Rows) -> None:
    topic.sent = [Record(topic.partition, 0, -1, value, ((HALF_HEADER, mark),)) for value, mark, *_ in DAMAGED]
    topic.sent.append(Record(topic.partition, 0, -1, msgspec.json.encode(request("good"))))
    embed_service(engine, decode).write(log.follow(), NOW)
    assert rows("SELECT pair_id FROM waiting_halves") == ["good"]


def test_sides_that_wait_or_are_stored_are_contradicted_by_other_content_only(
    engine: Engine, log: Log, rows: Rows
) -> None:
    for side in (request(), response()):
        make(engine, max_models=0).write(log.of(side), NOW)
    service = make(engine)
    service.write(log.of(request()), NOW)  # as it came, once more: it waits
    log.again(2)
    outcomes = service.write(log.follow(), NOW)
    assert outcomes == {("t", "duplicate"): 1, ("t", "accepted"): 1}
    assert rows(STORED) == WHOLE
    assert set(rows(STATES)) == {True}
    other = service.write(log.of(request(input={"prompt": "other"})), NOW)
    assert other == {("t", "contradictory"): 1}


@pytest.mark.parametrize("redacted", [False, True])
def test_erasure_finds_them_wherever_they_are_by_the_person_and_by_the_call(
    engine: Engine, log: Log, rows: Rows, *, redacted: bool
) -> None:
    who = MAIL if redacted else "user-4711"
    eraser = make_eraser(engine, SUBJECTS)

    def erase() -> dict[str, int]:
        return dict(eraser.subject(who, "ops", NOW, dry_run=True).rows)

    service = make(engine, max_models=0)
    for side in (request(extra={"user_id": who}), response()):
        service.write(log.of(side), NOW)
    assert erase() == {"dead_letters": 2}
    log.again(2)
    first, second = log.follow().cut(1)
    service.write(first, NOW)  # the side waits, redacted before
    assert erase() == {"waiting_halves": 1, "dead_letters": 2}
    service.write(second, NOW)
    assert erase() == {"dead_letters": 4}
    assert eraser.requests(["a"], "ops", NOW, dry_run=True).rows["dead_letters"] == 4
    eraser.subject(who, "ops", NOW, dry_run=False)
    assert rows("SELECT DISTINCT raw FROM dead_letters") == [b""]
    assert log.again(0) == []


def test_where_nothing_of_refused_records_is_kept_nothing_is_of_sides(engine: Engine, log: Log, rows: Rows) -> None:
    nothing = Privacy(Redactor(PrivacyOptions(dead_letters="drop")), SUBJECTS)
    service = make(engine, privacy=nothing)
    service.write(log.of(request()), NOW)
    expire_halves(engine, ExpiryOptions("g", "e", KEEP, 1000, nothing), NOW + 2 * KEEP)
    assert rows("SELECT reason, raw, key FROM dead_letters") == [("unpaired", b"", None)]
    assert log.again(0) == []


def test_show_says_what_is_kept_and_that_it_can_be_sent(
    engine: Engine, log: Log, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    make(engine).write(log.of(request()), NOW)
    expire_halves(engine, EXPIRY, NOW + 2 * KEEP)
    [letter] = find(engine, ALL, 10)
    shown = CliRunner().invoke(app, ["dlq", "show", str(letter.id)], catch_exceptions=False).output
    plain = " ".join(shown.split())
    assert "a side of a call that waited, as it was read and redacted; replay sends it as that" in plain
    assert "A replay lets this one wait once more" in plain
    assert "snellen-half: unpaired" in plain
    done = CliRunner().invoke(app, ["dlq", "replay", "--reason", "unpaired", "--dry-run"], catch_exceptions=False)
    assert done.output == f"would send 1 ({letter.id})\n"
    assert DEAD_LETTER_HEADER not in shown
