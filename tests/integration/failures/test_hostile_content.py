"""Content that producers should not send and do: what becomes of each, through the real service on the real store."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Engine

from monitor.domain.histograms import LATENCY_BINS
from monitor.domain.records import Batch, Partition, Record
from monitor.errors import InvalidEvent
from monitor.services.ingest import IngestService
from monitor.services.reading import OUR_FAULT
from monitor.store.embeddings import embedder_id
from monitor.telemetry.logs import JsonFormatter
from tests.integration.conftest import make_service, write_at_once
from tests.logged import ours

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MIB = 1024 * 1024
ACCEPTED = "accepted"
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]


def vector(values: Any, dtype: str = "f4") -> dict[str, Any]:
    return carrying(base64.b64encode(np.asarray(values, dtype=f"<{dtype}").tobytes()).decode(), dtype)


def carrying(data: str, dtype: str, embedder: str = "e") -> dict[str, Any]:
    return {"embeddings": [{"kind": "image", "embedder": embedder, "dtype": dtype, "data": data}]}


def with_json(name: str, literal: str) -> Callable[[dict[str, Any]], bytes]:
    """The event with a member written as it stands here."""
    return lambda event: json.dumps(event).encode()[:-1] + f', "{name}": {literal}}}'.encode()


def changed(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda event: json.dumps({**event, **changes}).encode()


def as_bytes(value: bytes) -> Callable[[dict[str, Any]], bytes]:
    return lambda _: value


def padded(size: int) -> Callable[[dict[str, Any]], bytes]:
    """An event of exactly so many bytes."""

    def pad(event: dict[str, Any]) -> bytes:
        empty = json.dumps({**event, "input": {"prompt": ""}}).encode()
        return json.dumps({**event, "input": {"prompt": "x" * (size - len(empty))}}).encode()

    return pad


CASES: dict[str, tuple[Callable[[dict[str, Any]], bytes], str]] = {
    # bytes
    "an empty record or a tombstone": (as_bytes(b""), "unreadable"),
    "white space": (as_bytes(b" \n\t"), "unreadable"),
    "a byte order mark": (lambda event: b"\xef\xbb\xbf" + json.dumps(event).encode(), "unreadable"),
    "UTF-16": (lambda event: json.dumps(event).encode("utf-16"), "unreadable"),
    "Latin-1": (lambda event: json.dumps(event).encode().replace(b"vqa", b"caf\xe9"), "unreadable"),
    "surrogates as bytes": (lambda event: json.dumps(event).encode().replace(b"vqa", b"\xed\xa0\x80"), "unreadable"),
    "a lone surrogate as an escape": (changed(input={"prompt": "a\ud800b"}), "unreadable"),
    "two objects": (lambda event: json.dumps(event).encode() * 2, "unreadable"),
    "a list of objects": (lambda event: json.dumps([event]).encode(), "unreadable"),
    "half an object": (lambda event: json.dumps(event).encode()[:-9], "unreadable"),
    "lists in lists": (as_bytes(b"[" * 100_000 + b"]" * 100_000), "unreadable"),
    "deep lists in a field": (changed(model=json.loads("[" * 900 + "]" * 900)), "invalid"),
    "deep lists in an unknown field": (changed(own=json.loads("[" * 70 + "]" * 70)), "invalid"),
    "NUL in a text": (changed(input={"prompt": "a\x00b"}), "unstorable"),
    "NUL in an unknown field": (changed(own={"a\x00": 1}), "unstorable"),
    "a record of the largest size": (padded(MIB), ACCEPTED),
    "a record of one byte more": (padded(MIB + 1), "oversized"),
    "a record of 5 MiB": (padded(5 * MIB), "oversized"),
    # numbers
    "NaN as a confidence": (changed(output={"confidence": float("nan")}), "unreadable"),
    "infinity as a confidence": (changed(output={"confidence": float("inf")}), "unreadable"),
    "NaN in words": (changed(output={"confidence": "NaN"}), "invalid"),
    "a number beyond all floats": (with_json("latency_ms", "1e999"), "unreadable"),
    "a confidence above 1": (changed(output={"confidence": 1.0000001}), "invalid"),
    "a negative latency": (changed(latency_ms=-0.001), "invalid"),
    "negative zero": (changed(latency_ms=-0.0), ACCEPTED),
    "the smallest float": (changed(latency_ms=5e-324), ACCEPTED),
    "the largest cost": (changed(cost_usd=1e15), ACCEPTED),
    "a cost that would spoil sums": (changed(cost_usd=1e16), "invalid"),
    "an integer of 400 digits as a latency": (with_json("latency_ms", "9" * 400), "invalid"),
    "an integer of 400 digits in an unknown field": (with_json("own", "9" * 400), ACCEPTED),
    "an integer of 5,000 digits in an unknown field": (with_json("own", "9" * 5000), "unreadable"),
    "an integer of 64 bits in an unknown field": (with_json("own", str(2**64 - 1)), ACCEPTED),
    "a score that is huge": (changed(output={"candidates": [{"answer": "a", "score": 1e308}]}), ACCEPTED),
    # times
    "a leap second": (changed(ts="2026-11-20T11:59:60Z"), "invalid"),
    "24 o'clock": (changed(ts="2026-11-19T24:00:00Z"), "invalid"),
    "a time without a zone": (changed(ts="2026-11-20T11:59:30"), "invalid"),
    "seconds since 1970": (changed(ts=1_795_175_970), "invalid"),
    "a date only": (changed(ts="2026-11-20"), "invalid"),
    "a clock 4 minutes ahead": (changed(ts="2026-11-20T12:04:59Z"), ACCEPTED),
    "a clock 6 minutes ahead": (changed(ts="2026-11-20T12:06:00Z"), "future_dated"),
    "a clock that lags by a day": (changed(ts="2026-11-19T12:00:00Z"), ACCEPTED),
    "a clock that starts in 1970": (changed(ts="1970-01-01T00:00:00Z"), "too_old"),
    "the year 1": (changed(ts="0001-01-01T00:00:00Z"), "too_old"),
    "the year 9999": (changed(ts="9999-12-31T23:59:59Z"), "future_dated"),
    "nanoseconds": (changed(ts="2026-11-20T11:59:30.123456789Z"), ACCEPTED),
    # names
    "a model never seen": (changed(model={"name": "brand new"}), ACCEPTED),
    "a name in any script": (changed(model={"name": "مدل\u202e🦉"}), ACCEPTED),
    "a name of 128 characters": (changed(model={"name": "🦉" * 128}), ACCEPTED),
    "a name of 129 characters": (changed(model={"name": "n" * 129}), "invalid"),
    "an empty name": (changed(model={"name": ""}), "invalid"),
    "an empty id": (changed(request_id=""), "invalid"),
    "a slice dimension never seen": (changed(slices={"lens": "wide"}), ACCEPTED),
    "an empty slice value": (changed(slices={"device": ""}), ACCEPTED),
    "a slice value of 257 characters": (changed(slices={"device": "d" * 257}), "invalid"),
    "a number as a slice value": (changed(slices={"device": 7}), "invalid"),
    "a status never seen": (changed(status="fine"), "invalid"),
    "a field never seen": (changed(colour="red"), ACCEPTED),
    "a schema never seen": (changed(schema="prediction/v2"), "unknown_schema"),
    "no schema": (lambda event: json.dumps({"id": event["request_id"]}).encode(), "unknown_schema"),
    "SQL and mark-up": (changed(input={"prompt": "'; DROP TABLE predictions; --<script>\\x"}), ACCEPTED),
    "a prompt of 10,000 characters": (changed(input={"prompt": "🦉" * 10_000}), ACCEPTED),
    # vectors
    "a vector with NaN": (changed(**vector([1, np.nan])), "invalid"),
    "a vector with infinity": (changed(**vector([1, np.inf])), "invalid"),
    "a vector beyond half precision": (changed(**vector([1, 1e6])), "invalid"),
    "a vector of zeros": (changed(**vector([0, 0])), "invalid"),
    "a vector of nothing": (changed(**vector([])), "invalid"),
    "a vector of 16,001 numbers": (changed(**vector(np.ones(16_001), "f2")), "invalid"),
    "a vector that is no base64": (changed(**carrying("!", "f2")), "invalid"),
    "half a number at the end of a vector": (changed(**carrying("MTIzNDU=", "f4")), "invalid"),
    "a vector with negative zero": (changed(**vector([1, -0.0])), ACCEPTED),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_becomes_a_row_or_a_dead_letter_and_its_neighbours_are_stored(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, case: str
) -> None:
    make, outcome = CASES[case]
    raw = make(prediction("odd"))
    ingest.write(send(prediction("before"), raw, prediction("after")), NOW)
    stored = sorted(rows("SELECT request_id FROM predictions"))
    if outcome == ACCEPTED:
        assert stored == ["after", "before", "odd"]
        assert rows("SELECT reason, detail FROM dead_letters") == []
    else:
        assert stored == ["after", "before"]
        [(reason, detail, kept)] = rows("SELECT reason, detail, raw FROM dead_letters")
        assert (reason, bytes(kept)) == (outcome, raw)
        assert 10 < len(detail) <= 1000
        assert OUR_FAULT not in detail
    assert rows("SELECT sum(ok)::int FROM rollups_minute WHERE dimension = ''") == [len(stored)]
    assert rows("SELECT next_offset FROM stream_offsets") == [3]


def test_what_is_odd_and_accepted_is_stored_as_it_came(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    texts = ["🦉" * 10_000, "'; DROP TABLE predictions; --<script>\\x", "\u202e\u200b\ufeff", "\t\r\n\x01\x7f", "", " "]
    events = [prediction(f"r{index}", input={"prompt": one}) for index, one in enumerate(texts)]
    ingest.write(send(*events), NOW)
    assert rows("SELECT prompt FROM predictions ORDER BY request_id") == texts


def test_of_a_key_that_stands_twice_the_last_counts(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """As most JSON readers do (RFC 8259, section 4, leaves it open); so both copies count as one content."""
    twice = json.dumps(prediction("a", status="error")).encode()[:-1] + b', "status": "ok"}'
    ingest.write(send(twice, prediction("a", status="ok")), NOW)
    assert rows("SELECT status FROM predictions") == ["ok"]
    assert rows("SELECT outcome, records FROM ingest_counters ORDER BY 1") == [("accepted", 1), ("duplicate", 1)]


def test_negative_zero_and_the_smallest_numbers_count_in_the_first_bin(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(*(prediction(f"r{n}", latency_ms=one) for n, one in enumerate([-0.0, 0, 5e-324, 1e-300]))), NOW)
    assert rows("SELECT latency FROM rollups_minute WHERE dimension = ''") == [[4] + [0] * (LATENCY_BINS - 1)]


def test_one_instant_written_in_many_zones_is_one_minute(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """Summer time, half-hour zones, and the ends of the range: what counts is the instant."""
    written = ["2026-11-20T11:59:30Z", "2026-11-20T12:59:30+01:00", "2026-11-20T17:29:30+05:30", "2026-11-20t11:59:30z",
               "2026-11-21T01:59:30+14:00", "2026-11-19T23:59:30-12:00", "2026-11-20T11:59:30-00:00"]  # fmt: skip
    ingest.write(send(*(prediction(f"r{index}", ts=one) for index, one in enumerate(written))), NOW)
    assert rows("SELECT DISTINCT ts FROM predictions") == [datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)]
    assert rows("SELECT ok FROM rollups_minute WHERE dimension = ''") == [len(written)]


def test_both_sides_of_summer_time_s_hour_that_comes_twice_stay_apart(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    """Europe, 2026-10-25: 02:30 came twice, told apart by its offset alone."""
    now = datetime(2026, 10, 25, 12, tzinfo=UTC)
    times = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    make_service(engine).write(send(*(prediction(f"r{n}", ts=one) for n, one in enumerate(times))), now)
    minutes = rows("SELECT minute FROM rollups_minute WHERE dimension = '' ORDER BY 1")
    assert [one.hour for one in minutes] == [0, 1]


def test_the_last_and_the_first_instant_of_a_year_fall_into_their_own_minute_and_day(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    now = datetime(2027, 1, 1, 0, 1, tzinfo=UTC)
    times = ["2026-12-31T23:59:59.999999Z", "2027-01-01T00:00:00Z", "2027-01-01T00:59:59+01:00"]
    make_service(engine).write(send(*(prediction(f"r{n}", ts=one) for n, one in enumerate(times))), now)
    assert rows("SELECT minute, ok FROM rollups_minute WHERE dimension = '' ORDER BY 1") == [
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 2),
        (datetime(2027, 1, 1, tzinfo=UTC), 1),
    ]
    assert rows("SELECT tableoid::regclass::text FROM predictions GROUP BY 1 ORDER BY 1") == [
        "predictions_20261231",
        "predictions_20270101",
    ]


def test_values_and_models_never_seen_stay_within_the_cap(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """A slice value that holds an id would otherwise make a row per request; three values are allowed here."""
    events = [prediction(f"r{n}", slices={"device": f"id-{n}", "session": f"s-{n}"}) for n in range(500)]
    for start in range(0, 500, 100):
        ingest.write(send(*events[start : start + 100]), NOW)
    found = dict(rows("SELECT value, ok FROM rollups_minute WHERE dimension = 'device'"))
    assert len(found) == 4
    assert (found["__other__"], sum(found.values())) == (497, 500)
    assert rows("SELECT count(*) FROM rollups_minute WHERE dimension = 'session'") == [0]
    assert rows("SELECT count(DISTINCT slices->>'device') FROM predictions") == [500]


def test_an_embedder_keeps_the_length_of_its_first_vector(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    ingest.write(send(prediction("first", **vector([1, 2, 3]))), NOW)
    ingest.write(send(prediction("short", **vector([1, 2])), prediction("good", **vector([3, 2, 1]))), NOW)
    assert rows("SELECT request_id FROM embeddings ORDER BY 1") == ["first", "good"]
    [(reason, detail)] = rows("SELECT reason, detail FROM dead_letters")
    assert reason == "invalid"
    assert "length 3, not 2" in detail


def test_embedders_never_seen_stay_within_the_cap_and_those_that_are_known_go_on(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    """Their numbers are never used again. What the embed group uses is no matter of what records name."""
    service = make_service(engine, max_embedders=2, max_models=1)
    with engine.begin() as connection:
        embedder_id(connection, "own", 3, {"weights": "w"})
    beyond = {"model": {"name": "beyond"}, **named("x")}
    service.write(send(prediction("first", **named("a"))), NOW)
    service.write(send(prediction("no model", **beyond)), NOW)
    names = ["b", "c", "a", "own", "c"]
    service.write(send(*(prediction(f"{n} {name}", **named(name)) for n, name in enumerate(names))), NOW)
    make_service(engine, max_embedders=2).write(send(prediction("later", **named("b"))), NOW)
    assert rows("SELECT fingerprint FROM embedders ORDER BY 1") == ["a", "b", "own"]
    assert rows("SELECT request_id FROM embeddings ORDER BY 1") == ["0 b", "2 a", "3 own", "first", "later"]
    assert rows("SELECT reason FROM dead_letters ORDER BY 1") == ["invalid", "invalid", "too_many_models"]
    assert rows("SELECT DISTINCT detail FROM dead_letters WHERE reason = 'invalid'") == [
        "image embedding: embedder 'c' is one more than the 2 that records may name (ingest.max_embedders): raise it, "
        "or mend what names embedders, and replay"
    ]
    make_service(engine, max_embedders=3).write(send(prediction("1 c", **named("c"))), NOW)
    assert rows("SELECT count(*) FROM embeddings WHERE request_id = '1 c'") == [1]


def test_collectors_that_bring_embedders_at_once_register_no_more_than_the_cap(
    database_url: str, send: Send, prediction: Build, rows: Rows
) -> None:
    other = Partition("cluster", "t", "22222222-2222-2222-2222-222222222222", 1)
    batches = [
        [send(*(prediction(f"{name}{n}-{m}", **named(f"{name}{n}-{m}")) for m in range(4)), **place) for n in range(4)]
        for name, place in (("a", {}), ("b", {"partition": other}))
    ]
    write_at_once(database_url, lambda engine: make_service(engine, max_embedders=5), batches)
    assert rows("SELECT count(*) FROM embedders") == [5]
    assert rows("SELECT count(*) FROM embeddings") == [5]
    assert rows("SELECT count(*) FROM dead_letters WHERE reason = 'invalid'") == [32 - 5]


def named(embedder: str) -> dict[str, Any]:
    return carrying(base64.b64encode(np.ones(3, "<f4").tobytes()).decode(), "f4", embedder)


def test_random_bytes_in_any_number_stop_nothing(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    rng = random.Random(3)
    garbage = [rng.randbytes(rng.randrange(200)) for _ in range(300)]
    ingest.write(send(*garbage, prediction("good")), NOW)
    assert rows("SELECT request_id FROM predictions") == ["good"]
    assert rows("SELECT count(*) FROM dead_letters") == [300]


@pytest.mark.parametrize(
    "fault",
    [ValueError("jane"), RecursionError(), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "s"), KeyError("\ud800\x00")],
)
def test_a_fault_of_our_own_decoder_costs_one_record_and_says_so(
    engine: Engine, send: Send, prediction: Build, rows: Rows, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It would otherwise stop the partition for good: the collector that comes next reads the same record."""
    service = make_service(engine)
    native = service._options.decoders["t"]

    def decode(record: Record) -> Any:
        if record.offset == 1:
            raise fault
        return native(record)

    service._options = replace(service._options, decoders={"t": decode})
    service.write(send(*(prediction(name) for name in "abc")), NOW)
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["a", "c"]
    [(reason, detail)] = rows("SELECT reason, detail FROM dead_letters")
    assert reason == "unreadable"
    assert detail == f"{OUR_FAULT}: {type(fault).__name__}"
    [logged] = ours(caplog)
    assert logged.error == type(fault).__name__
    assert "decode" in logged.traceback
    assert not str(fault) or str(fault) not in JsonFormatter().format(logged)  # it may quote the record


def test_a_reason_that_quotes_what_no_text_can_hold_is_written_out(engine: Engine, send: Send, rows: Rows) -> None:
    service = make_service(engine)

    def refuse(_: Record) -> Any:
        raise InvalidEvent("invalid", "the field holds \ud800 and \x00" + "x" * 5000)

    service._options = replace(service._options, decoders={"t": refuse})
    service.write(send(b"{}"), NOW)
    [detail] = rows("SELECT detail FROM dead_letters")
    assert detail.startswith("the field holds \\ud800 and \\0")


def test_the_same_content_from_two_producers_counts_once_however_it_was_written(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """Another order of keys, other white space, other escapes: the same event."""
    event = prediction("a", input={"prompt": "é"})
    other = {key: event[key] for key in reversed(event)}
    written = [msgspec.json.encode(event), json.dumps(event, indent=4).encode(), json.dumps(other).encode()]
    ingest.write(send(*written), NOW)
    assert dict(rows("SELECT outcome, records FROM ingest_counters")) == {"accepted": 1, "duplicate": 2}


def test_the_same_instant_in_another_zone_is_other_content(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    """Two producers that share an id must write the same text; the first stands, and the other is kept to be seen."""
    ingest.write(send(prediction("a"), prediction("a", ts="2026-11-20T12:59:30+01:00")), NOW)
    assert rows("SELECT reason FROM dead_letters") == ["contradictory"]
