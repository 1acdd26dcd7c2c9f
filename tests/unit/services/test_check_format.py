"""A sample of a log, and what would be made of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from monitor.domain.events import Event
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent, SettingsError
from monitor.formats import FORMATS, FormatOptions, auto
from monitor.services.check_format import Halves, Report, check_format
from monitor.services.reading import Limits
from monitor.services.samples import Sample, read_samples

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIMITS = Limits(max_record_bytes=10_000, max_future=timedelta(minutes=5), max_age=timedelta(days=30))
BASE = {
    "schema": "prediction/v1", "ts": "2026-11-21T10:00:00Z", "model": {"name": "m"}, "task": "vqa", "status": "ok"
}  # fmt: skip


def event(request_id: str, **fields: Any) -> dict[str, Any]:
    return BASE | {"request_id": request_id} | fields


def check(*values: Any, form: str = "auto", show_values: bool = True) -> Report:
    raws = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    samples = [Sample(f"line {n}", Record(Partition("c", "t", "i", 0), n, -1, raw)) for n, raw in enumerate(raws, 1)]
    detect = auto.detected if form == "auto" else None
    return check_format(samples, FORMATS[form](FormatOptions()), LIMITS, NOW, detect=detect, show_values=show_values)


def counts(report: Report, schema: str = "prediction/v1") -> dict[str, int]:
    return {one.name: one.found for one in report.fields[schema]}


def test_every_field_of_the_contract_is_counted_found_or_not() -> None:
    report = check(
        event("a", output={"answer": "mug", "confidence": 0.5}, slices={"device": "x"}, note="hm"),
        event("b", output={"answer": "cup"}, input={"image": {"ref": "s3://b/k"}}),
    )
    found = counts(report)
    assert (found["request_id"], found["output.answer"], found["output.confidence"]) == (2, 2, 1)
    assert (found["input.image.ref"], found["slices.device"], found["extra.note"]) == (1, 1, 1)
    assert found["latency_ms"] == found["model.version"] == found["embeddings"] == 0
    assert {one.name: one.share for one in report.fields["prediction/v1"]}["output.confidence"] == 0.5
    assert report.missing.keys() == {"model.version", "input.prompt", "latency_ms"}
    assert (report.events["prediction/v1"], report.detected, report.decoded) == (2, {"native": 2}, True)


def test_refusals_are_told_by_reason_with_their_place_and_each_message_once() -> None:
    report = check(
        b"nonsense",
        event("a", status="fine"),
        *[event("b", status="fine")] * 5,
        {"question": {"text": "?", "to whom": [{"name": "x"}]}},
        b" " * 20_000,
    )
    assert not report.decoded
    assert {one.reason: one.count for one in report.refused} == {
        "invalid": 6, "unreadable": 1, "unknown_schema": 1, "oversized": 1
    }  # fmt: skip
    invalid = report.refused[0]
    assert [place for place, _ in invalid.examples] == ["line 2"]
    assert "$.status" in invalid.examples[0][1]
    assert [(one.name, one.found, one.share) for one in report.paths if "question" in one.name] == [
        ("$.question.text", 1, 1 / 7),
        ("$.question['to whom'][0].name", 1, 1 / 7),
    ]


def test_what_the_client_could_not_unpack_is_told_with_its_reason_and_no_decoder_is_asked() -> None:
    fault = "offsets 3 to 9 cannot be read: unpacked it is too large"
    broken = Sample("offset 9", Record(Partition("c", "t", "i", 0), 9, -1, b"", fault=fault))
    report = check_format([broken], FORMATS["native"](FormatOptions()), LIMITS, NOW)
    [refusal] = report.refused
    assert (refusal.reason, refusal.examples) == ("unreadable", [("offset 9", fault)])


def test_the_same_id_twice_is_a_duplicate_or_a_contradiction() -> None:
    report = check(event("a"), event("a"), event("a", latency_ms=3))
    assert (report.events["prediction/v1"], report.duplicates) == (1, 1)
    assert [(one.reason, one.count) for one in report.refused] == [("contradictory", 1)]


def test_what_collectors_would_find_too_old_is_readable_all_the_same() -> None:
    report = check(event("a", ts="2026-01-01T00:00:00Z"), event("b", ts="2026-12-01T00:00:00Z"))
    assert report.events["prediction/v1"] == 2
    assert {one.reason: one.count for one in report.late} == {"too_old": 1, "future_dated": 1}


def test_halves_are_paired_in_any_order_and_the_rest_is_shown() -> None:
    call = {"model": {"name": "m"}, "task": "vqa", "status": "ok"}
    halves = {
        b"1": Half("x", "response", NOW, {"output": {"answer": "yes"}}),
        b"2": Half("x", "request", NOW - timedelta(seconds=1), call),
        b"3": Half("y", "request", NOW, call | {"input": {"prompt": "open?"}}),
    }

    def decode(record: Record) -> list[Event | Half | InvalidEvent]:
        return [halves[record.value]]

    samples = [Sample("", Record(Partition("c", "t", "i", 0), 0, -1, name)) for name in halves]
    report = check_format(samples, decode, LIMITS, NOW)
    assert report.halves == Halves(requests=2, responses=1, met=1)
    assert counts(report)["latency_ms"] == 1
    assert {one.name: one.example for one in report.unpaired["request"]}["input.prompt"] == "open?"


def test_values_can_be_hidden() -> None:
    secret = event("a", input={"prompt": "my secret"}, latency_ms=2.5, slices={"tenant": "acme"})
    shown = check(secret, show_values=False).fields["prediction/v1"]
    examples = {one.name: one.example for one in shown}
    assert (examples["input.prompt"], examples["latency_ms"]) == ("text of 9 characters", "number")
    assert not any("secret" in str(one) or "acme" in str(one) for one in shown)


def test_long_values_are_cut() -> None:
    (prompt,) = [
        one
        for one in check(event("a", input={"prompt": "x " * 500})).fields["prediction/v1"]
        if one.name == "input.prompt"
    ]
    assert prompt.example == "x " * 23 + "x…"


def test_deployments_are_counted_too() -> None:
    change = {
        "schema": "deployment/v1",
        "model": "m",
        "version": "2",
        "ts": "2026-11-21T10:00:00Z",
        "action": "rollout",
    }
    report = check(change)
    assert report.events["deployment/v1"] == 1
    assert counts(report, "deployment/v1")["action"] == 1
    assert not report.missing


ROWS = [{"id": 1}, {"id": 2}]


def values(path: Path) -> list[bytes]:
    return [sample.record.value for sample in read_samples(path)]


def test_lines_are_records(tmp_path: Path) -> None:
    text = b'{"id": 1}\n\n{"id": 2}\r\n'
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(text))
    assert values(tmp_path / "a.jsonl") == values(tmp_path / "b.ndjson.gz") == [b'{"id": 1}', b'{"id": 2}']
    assert [one.place for one in read_samples(tmp_path / "a.jsonl")] == ["line 1", "line 3"]
    assert next(one.place for one in read_samples(tmp_path)) == "a.jsonl: line 1"


def test_lines_packed_by_zstd_are_read_up_to_a_cut_which_is_told(tmp_path: Path) -> None:
    lines = [
        b'{"id": %d, "noise": "%s"}' % (one, hashlib.sha256(bytes([one])).hexdigest().encode()) for one in range(99)
    ]
    whole = zstandard.compress(b"\n".join(lines))
    for name, end in (("whole", len(whole)), ("checksum", len(whole) - 1), ("half", len(whole) // 2)):
        (tmp_path / f"{name}.jsonl.zst").write_bytes(zstandard.compress(lines[0] + b"\n") + whole[:end])
    cuts: list[str] = []
    whole_file = [one.record.value for one in read_samples(tmp_path / "whole.jsonl.zst", cuts.append)]
    assert (whole_file, cuts) == ([lines[0], *lines], [])
    for name in ("checksum", "half"):
        read = [one.record.value for one in read_samples(tmp_path / f"{name}.jsonl.zst", cuts.append)]
        assert read == whole_file[: len(read)]
        assert read
        assert "the file ends inside a Zstandard frame" in cuts.pop()


def test_lines_packed_by_zstd_are_read_in_all_their_frames(tmp_path: Path) -> None:
    frames = [zstandard.compress(one) for one in (b'{"id": 1}\n', b'{"id": 2}\n')]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    assert values(tmp_path / "a.jsonl.zst") == [b'{"id": 1}', b'{"id": 2}']


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(BOM_UTF8 + b'{"id": 1}\n{"id": 2}\n')
    (tmp_path / "b.json").write_bytes(BOM_UTF8 + b'{"id": 1}')
    assert values(tmp_path / "a.jsonl") == [b'{"id": 1}', b'{"id": 2}']
    assert values(tmp_path / "b.json") == [b'{"id": 1}']


def test_of_a_file_that_was_cut_off_what_stands_before_is_read_and_the_rest_is_told(tmp_path: Path) -> None:
    lines = b"".join(b'{"id": %d}\n' % number for number in random.Random(1).sample(range(10**9), 20_000))
    packed = gzip.compress(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    told: list[str] = []
    found = [sample.record.value for sample in read_samples(tmp_path / "a.jsonl.gz", told.append)]
    assert 5_000 < len(found) < 15_000
    assert b"\n".join(found) == lines[: len(b"\n".join(found))]
    [fault] = told
    assert f"a.jsonl.gz: damaged or cut off behind line {len(found)}: " in fault


def test_lines_of_kcat_have_headers_and_times(tmp_path: Path) -> None:
    line = {
        "topic": "t", "partition": 3, "offset": 7, "tstype": "create", "ts": 1763719200000, "broker": 1,
        "headers": ["ce_id", "42", "ce_type", "x"], "key": "k", "payload": '{"id": 1}',
    }  # fmt: skip
    (tmp_path / "a.jsonl").write_text(json.dumps(line))
    ((_, record),) = read_samples(tmp_path / "a.jsonl")
    assert (record.value, record.timestamp_ms, record.offset) == (b'{"id": 1}', 1763719200000, 7)
    assert record.headers == (("ce_id", b"42"), ("ce_type", b"x"))
    assert (record.partition.topic, record.key) == ("t", b"k")


def test_a_document_is_a_record_or_a_list_of_them_or_a_sample(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{\n "id": 1}')
    (tmp_path / "list.json").write_text(json.dumps(ROWS))
    (tmp_path / "broken.json").write_text("{")
    sample = {"headers": {"ce_id": "42"}, "value_base64": "AAE=", "topic": "seldon.default.model.m.inputs", "key": "k"}
    (tmp_path / "sample.json").write_text(json.dumps(sample))
    assert values(tmp_path / "one.json") == [b'{\n "id": 1}']
    assert [json.loads(one) for one in values(tmp_path / "list.json")] == ROWS
    assert values(tmp_path / "broken.json") == [b"{"]
    ((_, record),) = read_samples(tmp_path / "sample.json")
    assert (record.value, record.headers) == (b"\x00\x01", (("ce_id", b"42"),))
    assert (record.partition.topic, record.key) == ("seldon.default.model.m.inputs", b"k")


@pytest.mark.parametrize(
    "lengths", [lambda size: size.to_bytes(4, "big"), lambda size: bytes([size])], ids=["four", "varint"]
)
def test_dumps_are_parted_where_lengths_account_for_every_byte(tmp_path: Path, lengths: Any) -> None:
    pieces = [b"first", b"second record", b"3"]
    whole = b"".join(lengths(len(one)) + one for one in pieces)
    (tmp_path / "dump.pb").write_bytes(whole)
    assert values(tmp_path / "dump.pb") == pieces
    (tmp_path / "cut.pb").write_bytes(whole[:-1])
    assert values(tmp_path / "cut.pb") == [whole[:-1]]


def test_records_of_files_are_dated_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    ((_, record),) = read_samples(tmp_path / "a.json")
    assert abs(record.timestamp_ms / 1000 - datetime.now(UTC).timestamp()) < 60


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(SettingsError, match=r"a.jsonl.gz: cannot be read"):
        list(read_samples(tmp_path / "a.jsonl.gz"))
    (tmp_path / "a.jsonl.zst").write_bytes(b"no zstd")
    with pytest.raises(SettingsError, match=r"a.jsonl.zst: cannot be read"):
        list(read_samples(tmp_path / "a.jsonl.zst"))
    (tmp_path / "b.json").write_text('{"headers": {}, "value_base64": "?"}')
    with pytest.raises(SettingsError, match="no base64"):
        list(read_samples(tmp_path / "b.json"))
