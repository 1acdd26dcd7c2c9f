"""What becomes of refused records: kept as they were, sent again, accepted or linked to their first failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.cli import app
from monitor.cli.dlq import escaped, readable
from monitor.domain.events import Rejection
from monitor.domain.records import DEAD_LETTER_HEADER, Batch, Partition, Record
from monitor.errors import BrokerError, StoreUnavailable
from monitor.formats import FORMATS, FormatOptions
from monitor.services.dead_letters import ADVICE, find, purge, replay, replayable
from monitor.services.ingest import IngestService
from monitor.store import dead_letters
from monitor.store.dead_letters import Choice
from monitor.store.queries.dead_letters import Letter, State
from tests.integration.conftest import make_service
from tests.pace import wait_for

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OWN = ("t", "labels", "deployments")
HEADERS = (("ce_id", b"\xff\x00"), ("ce_\x00name", b""))
ALL = Choice()
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]


class Topic:
    """Stands for the broker: what was sent becomes the next batch of the partition."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.sent: list[Record] = []
        self.reachable = True

    def repeat(self, record: Record) -> None:
        self.sent.append(record)

    def flush(self, _: float) -> None:
        if not self.reachable:
            self.sent.clear()
            raise BrokerError("away")

    def follow(self, batch: Batch) -> Batch:
        """The records that were sent, after those of `batch`."""
        start = batch.following[self.partition]
        records = tuple(replace(one, partition=self.partition, offset=start + at) for at, one in enumerate(self.sent))
        self.sent = []
        end = {self.partition: start + len(records)}
        return Batch(records, {self.partition: start}, end, end)


@pytest.fixture
def topic(send: Send) -> Topic:
    [partition] = send().following
    return Topic(partition)


def one_letter(engine: Engine) -> Letter:
    [letter] = find(engine, ALL, 10)
    return letter


def with_record(batch: Batch, **changes: Any) -> Batch:
    return replace(batch, records=tuple(replace(one, **changes) for one in batch.records))


def send_again(engine: Engine, topic: Topic, choice: Choice = ALL, *, again: bool = False) -> tuple[int, int]:
    done = replay(engine, topic, OWN, choice, NOW, again=again)  # type: ignore[arg-type]
    return done.sent, done.passed_over


def test_a_refused_record_keeps_its_key_headers_time_stamp_and_place(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic
) -> None:
    ingest.write(with_record(send(b"\x00\xff"), headers=HEADERS, key=b"\x00k", timestamp_ms=1_763_600_000_123), NOW)
    letter = one_letter(engine)
    assert (letter.raw, letter.key, letter.headers) == (b"\x00\xff", b"\x00k", HEADERS)
    assert letter.record_ts == datetime.fromtimestamp(1_763_600_000.123, UTC)
    assert (letter.topic, letter.partition, letter.offset, letter.state) == ("t", 0, 0, State.OPEN)
    assert send_again(engine, topic) == (1, 0)
    [sent] = topic.sent
    assert (sent.value, sent.key, sent.timestamp_ms) == (b"\x00\xff", b"\x00k", 1_763_600_000_123)
    assert sent.headers == (*HEADERS, (DEAD_LETTER_HEADER, str(letter.id).encode()))


def test_a_record_that_is_accepted_at_last_is_resolved_once_however_often_it_is_sent(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic, prediction: Build, rows: Rows
) -> None:
    early = send(prediction("a", ts="2026-11-20T13:00:00Z"))
    ingest.write(early, NOW)
    assert one_letter(engine).reason == Rejection.FUTURE_DATED
    assert send_again(engine, topic) == (1, 0)
    assert one_letter(engine).state == State.SENT
    assert send_again(engine, topic) == (0, 1)
    assert send_again(engine, topic, again=True) == (1, 0)
    ingest.write(topic.follow(early), NOW + timedelta(hours=1))
    assert one_letter(engine).state == State.RESOLVED
    assert send_again(engine, topic, again=True) == (0, 1)
    assert rows("SELECT request_id FROM predictions") == ["a"]
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [1]
    assert dict(rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1")) == {
        Rejection.FUTURE_DATED: 1,
        "accepted": 1,
        "duplicate": 1,
    }


def test_a_topic_that_is_not_ours_is_never_written_to(
    engine: Engine, send: Send, topic: Topic, prediction: Build, rows: Rows
) -> None:
    """Seldon would compute once more what is sent to its topics."""
    live = Partition("cluster", "seldon.default.model.vqa.inputs", "id", 0)
    ours = {topic.partition.topic: FORMATS["native"](FormatOptions())}
    both = make_service(engine, decoders={**ours, live.topic: FORMATS["seldon2"](FormatOptions())})
    only_ours = make_service(engine, decoders=ours)
    asked = {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["what is it?"]}]}
    early = send(asked, partition=live)
    stamp = int((NOW + timedelta(hours=1)).timestamp() * 1000)
    both.write(with_record(early, key=b"r1", timestamp_ms=stamp), NOW)
    assert send_again(engine, topic) == (1, 0)
    assert [one.partition.topic for one in topic.sent] == ["t"]
    before = send(prediction("a"))
    both.write(before, NOW)
    at_first = topic.follow(before)
    only_ours.write(at_first, NOW)
    removed, original = find(engine, ALL, 10)
    assert (removed.topic, removed.reason) == ("t", Rejection.UNKNOWN_SCHEMA)
    assert "'seldon.default.model.vqa.inputs' is no topic of ingest.topics" in removed.detail
    assert (original.topic, original.failed_again) == (live.topic, removed.id)
    assert send_again(engine, topic) == (1, 1)
    both.write(topic.follow(at_first), NOW + timedelta(hours=1))
    assert {one.state for one in find(engine, ALL, 10)} == {State.RESOLVED}
    assert rows("SELECT pair_id, side FROM waiting_halves") == [("r1/vqa", "request")]


def test_a_record_that_fails_again_is_linked_to_its_first_failure_and_can_still_be_resolved(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic, prediction: Build, rows: Rows
) -> None:
    first = send(prediction("a", ts="2026-11-20T15:00:00Z"))
    ingest.write(first, NOW)
    send_again(engine, topic)
    second = topic.follow(first)
    ingest.write(second, NOW + timedelta(hours=1))
    again, original = find(engine, ALL, 10)
    assert (original.state, original.failed_again) == (State.FAILED_AGAIN, again.id)
    assert (again.state, again.replay_of) == (State.OPEN, original.id)
    assert send_again(engine, topic) == (1, 1)
    third = topic.follow(second)
    ingest.write(third, NOW + timedelta(hours=2))
    assert [one.replay_of for one in find(engine, ALL, 10)] == [original.id, original.id, None]
    send_again(engine, topic)
    ingest.write(topic.follow(third), NOW + timedelta(hours=3))
    assert {one.state for one in find(engine, ALL, 10)} == {State.RESOLVED}
    assert rows("SELECT request_id FROM predictions") == ["a"]


def test_a_mark_that_somebody_else_wrote_resolves_nothing(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build
) -> None:
    ingest.write(send(b"garbage"), NOW)
    number = one_letter(engine).id
    for forged in (str(number), "0", "-1", "9" * 18, "9" * 30, "", "x", "\u0661"):
        headers = ((DEAD_LETTER_HEADER, forged.encode()),)
        ingest.write(with_record(send(prediction(f"a{forged}")), headers=headers), NOW)
        ingest.write(with_record(send(b"other garbage"), headers=headers), NOW)
    letters = find(engine, ALL, 100)
    assert {one.state for one in letters} == {State.OPEN}
    assert {one.replay_of for one in letters} == {None}


def test_what_the_broker_did_not_take_stays_open(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic
) -> None:
    ingest.write(send(b"garbage"), NOW)
    topic.reachable = False
    with pytest.raises(BrokerError):
        send_again(engine, topic)
    assert one_letter(engine).state == State.OPEN
    topic.reachable = True
    assert send_again(engine, topic) == (1, 0)


def test_a_choice_is_by_number_reason_topic_and_time(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(b"garbage", prediction("a", ts="2001-01-01T00:00:00Z"), *[b"%d" % one for one in range(40)]), NOW)
    numbers = rows("SELECT id FROM dead_letters ORDER BY id")
    assert len(find(engine, ALL, 1000)) == 42
    assert [one.id for one in find(engine, ALL, 2)] == numbers[:-3:-1]
    assert [one.reason for one in find(engine, Choice(reason="too_old"), 9)] == ["too_old"]
    assert find(engine, Choice(topic="other"), 9) == []
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert find(engine, Choice(since=later), 9) == []
    assert len(find(engine, Choice(until=later), 99)) == 42
    assert replayable(engine, Choice(ids=numbers[:3]), again=False) == (numbers[:3], 0)
    assert purge(engine, later - timedelta(days=1), "ann", NOW, dry_run=False) == 0
    assert purge(engine, later, "ann", NOW, dry_run=True) == 42
    assert rows("SELECT count(*) FROM audit_log") == [0]
    assert purge(engine, later, "ann", NOW, dry_run=False) == 42
    [done] = rows("SELECT actor, action, detail FROM audit_log")
    assert done == ("ann", "purge dead letters", {"before": later.isoformat(), "dead_letters": 42})
    assert find(engine, ALL, 9) == []


def test_a_sender_that_is_suspended_holds_no_collector_up_for_long(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "IDLE_LIMIT", "300ms")
    batch = send(b"garbage")
    ingest.write(batch, NOW)
    collected = threading.Event()

    def collect() -> None:
        ingest.write(replace(topic.follow(batch)), NOW)
        collected.set()

    def suspended(_: float) -> None:
        threading.Thread(target=collect).start()
        wait_for(collected.is_set, 20, "it is collected")

    monkeypatch.setattr(topic, "flush", suspended)
    ingest._options = replace(ingest._options, decoders={"t": lambda _: ()})  # now it can be read
    with pytest.raises(StoreUnavailable):
        send_again(engine, topic)
    assert one_letter(engine).state == State.RESOLVED


def test_what_is_empty_or_was_erased_is_passed_over(
    ingest: IngestService, engine: Engine, send: Send, topic: Topic
) -> None:
    ingest.write(send(b"", b"garbage"), NOW)
    assert send_again(engine, topic) == (1, 1)
    assert [one.value for one in topic.sent] == [b"garbage"]


def test_many_are_sent_in_their_order(ingest: IngestService, engine: Engine, send: Send, topic: Topic) -> None:
    values = [b"garbage %d" % one for one in range(40)]
    ingest.write(send(*values), NOW)
    assert send_again(engine, topic) == (40, 0)
    assert [one.value for one in topic.sent] == values


# ---- the commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def snellen(
    database_url: str, broker: str, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_KAFKA__BOOTSTRAP_SERVERS", broker)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["dlq", *arguments], catch_exceptions=False)
        return done.exit_code, done.output

    return run


def test_list_and_show_tell_where_it_stood_why_and_what_to_do(
    snellen: Callable[..., tuple[int, str]], ingest: IngestService, engine: Engine, send: Send
) -> None:
    raw = '{"schema": "\x1b[2J\u202eevil'.encode() + b"x" * 10_000
    ingest.write(with_record(send(raw), headers=HEADERS, key=b"\x1bk"), NOW)
    number = str(one_letter(engine).id)
    code, listed = snellen("list")
    assert (code, listed.count("\n")) == (0, 2)
    assert listed.split()[2:6] == ["unreadable", "open", "t/0@0", "not"]
    code, shown = snellen("show", number)
    assert code == 0
    for part in ("partition 0, offset 0", "unreadable", "mend the producer", "\\x1bk", "ce_id", "bytes not shown"):
        assert part in shown
    assert "\x1b" not in listed + shown
    assert "\u202e" not in shown
    code, listed = snellen("list", "--json", "--reason", "unreadable")
    assert json.loads(listed)["bytes"] == len(raw)
    assert snellen("list", "--reason", "invalid") == (0, "no dead letter is of this choice\n")
    assert snellen("list", "--reason", "none")[0] == 2
    assert snellen("show", "999999")[0] != 0


def test_replay_wants_a_choice_and_a_dry_run_sends_nothing(
    snellen: Callable[..., tuple[int, str]], ingest: IngestService, engine: Engine, send: Send
) -> None:
    ingest.write(send(b"garbage"), NOW)
    number = one_letter(engine).id
    assert snellen("replay")[0] != 0
    assert snellen("replay", "--reason", "unreadable", "--dry-run") == (0, f"would send 1 ({number})\n")
    assert snellen("replay", "--reason", "invalid") == (0, "no dead letter is of this choice\n")
    for unknown in (str(number + 1), str(2**63 - 1)):
        for words in (("show",), ("replay", str(number)), ("replay", "--dry-run")):
            code, told = snellen(*words, unknown)
            assert (code, f"there is no dead letter {unknown}" in told) == (2, True)
    assert one_letter(engine).state == State.OPEN
    assert snellen("purge", "--before", "2001-01-01T00:00:00Z") == (0, "deleted 0\n")
    assert snellen("purge", "--before", "2001-01-01T00:00:00Z", "--dry-run") == (0, "would delete 0\n")
    code, told = snellen("purge", "--before", "2101-01-01T00:00:00Z")
    assert (code, "has not come yet" in told) == (2, True)
    assert one_letter(engine).id == number
    code, told = snellen("purge", "--before", "2001-01-01T00:00:00")
    assert code != 0
    assert "time zone" in told


def test_every_reason_has_its_advice() -> None:
    assert set(ADVICE) == set(Rejection)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"a": "\xc3\xa9\x1b"}', '{"a": "é\\x1b"}'),
        (b"\x00\x01\xff", f"00000000  {'00 01 ff':<48} ..."),
        (b"", ""),
        (b"a\nb\tc", "a\\nb\\tc"),
    ],
)
def test_bytes_are_shown_escaped_or_in_hexadecimal(raw: bytes, shown: str) -> None:
    assert readable(raw, len(raw)) == shown


def test_a_text_that_is_cut_inside_a_character_is_still_text() -> None:
    assert readable("é".encode()[:1], 2) == "\n... 1 of 2 bytes not shown"
    assert readable("aé".encode()[:2], 100).startswith("a\n...")


def test_escaping_leaves_nothing_that_a_terminal_obeys() -> None:
    everything: Iterable[str] = map(chr, (*range(0xD800), *range(0xE000, 0x3000 + 0xE000)))
    assert escaped("".join(everything)).isprintable()
