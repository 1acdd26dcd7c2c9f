"""Refused records of a person are found by an id that redaction removed from them, in whatever form they came."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from monitor.domain.halves import Half, Side
from monitor.domain.records import Batch, Partition, Record
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.privacy.gzipped import MOST, said_within
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.ingest import IngestService
from monitor.services.protect import MAX_REMOVED, Privacy
from monitor.store.dead_letters import Rejected
from tests.integration.conftest import PRIVACY, make_eraser

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEYS = (b"a new key of 16 bytes and more", b"the key before it")
SUBJECTS = Subjects(("extra.user_id", "extra.user.id"), KEYS)
JANE, JOE = "jane@example.com", "joe@example.com"
DIARY = "my secret diary"
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Build = Callable[..., dict[str, Any]]
CONTENT = "SELECT convert_from(raw, 'UTF8') FROM dead_letters WHERE raw <> '' ORDER BY id"


def make(ingest: IngestService, *, subjects: Subjects = SUBJECTS, decode: Any = None, **options: Any) -> IngestService:
    decoders = {"t": decode} if decode else ingest._options.decoders
    privacy = Privacy(Redactor(PrivacyOptions(**options)), subjects)
    return IngestService(ingest._engine, replace(ingest._options, decoders=decoders, privacy=privacy), lambda *_: None)


@pytest.fixture
def erase(engine: Engine) -> Callable[[str], dict[str, int]]:
    eraser = make_eraser(engine, SUBJECTS)

    def run(subject: str) -> dict[str, int]:
        return dict(eraser.subject(subject, "ops", NOW, dry_run=False).rows)

    return run


def test_whatever_named_the_person_their_refused_records_go_and_no_others(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, erase: Callable[[str], dict[str, int]]
) -> None:
    service = make(ingest, patterns={"employee": r"E-\d{6}"})

    def refused(number: int, **fields: Any) -> dict[str, Any]:
        return prediction(f"r{number}", status="weird", input={"prompt": DIARY}, **fields)

    hers = [
        refused(1, extra={"user_id": JANE}),
        refused(2, extra={"user": {"id": JANE}}),
        [refused(3, extra={"note": "nothing"}), {"whose": JANE}],
        f'{{"user": "{JANE}", "prompt": "{DIARY}"'.encode(),
        f"\x08\x10{DIARY}\x12{JANE}\x1a".encode(),
        {"user": f"mailto:{JANE}", "prompt": DIARY},
    ]
    others = [refused(7, extra={"user_id": JOE}), refused(8, extra={"user_id": "E-123456"}), refused(9)]
    others.append(refused(10, extra={"user_id": 4711}))
    records = [one if isinstance(one, bytes | dict) else msgspec.json.encode(one) for one in (*hers, *others)]
    assert service.write(send(*records), NOW).total() == 10
    assert JANE not in "".join(rows(CONTENT))
    assert erase(JANE) == {"dead_letters": 6}
    assert len(rows(CONTENT)) == 4
    assert erase(JANE) == {}
    assert erase("E-123456") == {"dead_letters": 1}
    assert erase("4711") == {"dead_letters": 1}
    assert erase(JOE) == {"dead_letters": 1}
    assert [DIARY in one for one in rows(CONTENT)] == [True]
    assert rows("SELECT count(*) FROM dead_letters WHERE subject_hashes IS NOT NULL") == [0]


def test_key_and_headers_name_a_person_too_and_keys_may_have_changed(
    ingest: IngestService, send: Send, rows: Rows, erase: Callable[[str], dict[str, int]]
) -> None:
    service = make(ingest, subjects=Subjects(("extra.user_id",), KEYS[1:]))
    batch = send(b"broken", b"broken", b"broken")
    first, second, third = batch.records
    records = (replace(first, key=JANE.encode()), replace(second, headers=(("x-user", JANE.encode()),)), third)
    service.write(replace(batch, records=records), NOW)
    assert erase(JANE) == {"dead_letters": 2}
    assert rows(CONTENT) == ["broken"]


def packed(text: str) -> bytes:
    return gzip.compress(json.dumps({"user": text, "prompt": DIARY}).encode())


@pytest.mark.parametrize("mode", ["redact", "keep"])
def test_what_is_packed_in_refused_records_is_found_and_no_others(
    ingest: IngestService, send: Send, rows: Rows, erase: Callable[[str], dict[str, int]], mode: str
) -> None:
    service = make(ingest, dead_letters=mode)
    records = [
        one
        for who in ("user-4711", JANE, "user-4712")
        for one in (
            packed(who),
            b"\x08\x10" + packed(who) + b"\x1a",
            msgspec.json.encode({"specversion": "1.0", "data_base64": packed(who)}),
        )
    ]
    assert service.write(send(*records), NOW).total() == 9
    said = b"".join(one for raw in rows("SELECT raw FROM dead_letters") for one in said_within([bytes(raw)])[0])
    assert said.count(JANE.encode()) == (3 if mode == "keep" else 1)  # in the midst of a binary format it stays
    assert erase("user-4711") == {"dead_letters": 3}
    assert erase("user-4711") == {}
    assert erase(JANE) == {"dead_letters": 3}
    assert rows("SELECT count(*) FROM dead_letters WHERE raw <> ''") == [3]


def test_what_is_packed_and_cannot_be_read_goes_with_whoever_is_erased(
    ingest: IngestService, send: Send, rows: Rows, erase: Callable[[str], dict[str, int]]
) -> None:
    """Nobody can tell whose it is; and no format could read it, if it were sent again."""
    service = make(ingest, dead_letters="keep")
    broken, bomb = packed(JOE)[:-4], gzip.compress(bytes(MOST + 1))
    service.write(send(broken, bomb, msgspec.json.encode({"data_base64": broken}), packed(JOE), b"{}"), NOW)
    assert erase("somebody else") == {"dead_letters": 3}
    assert rows("SELECT count(*) FROM dead_letters WHERE raw <> ''") == [2]


def test_very_much_that_is_packed_is_read_in_parts(
    ingest: IngestService, send: Send, erase: Callable[[str], dict[str, int]]
) -> None:
    service = make(ingest, dead_letters="keep")
    large = [gzip.compress(b"%07d " % one * 25_000 + b"user-%04d" % one) for one in range(60)]
    service.write(send(*large), NOW)
    tracemalloc.start()
    assert erase("user-0059") == {"dead_letters": 1}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 8 * 25_000 * 3


def decode(record: Record) -> list[Half]:
    pair, side, who = record.value.decode().split()
    kind: Side = "request" if side == "request" else "response"
    fields = {"model": {"name": "m"}, "task": "vqa", "status": "ok", "input": {"prompt": DIARY}}
    if side == "invalid":
        fields["output"] = {"answer": 7}
    return [Half(pair, kind, NOW, {**fields, "extra": {"user_id": who}} if who != "-" else fields)]


def test_sides_of_calls_that_are_refused_go_with_the_person_whom_either_named(
    ingest: IngestService, send: Send, engine: Engine, rows: Rows, erase: Callable[[str], dict[str, int]]
) -> None:
    service = make(ingest, decode=decode)
    for record in ("lonely request {}", "wrong request {}", "wrong invalid -", "twice request {}", "twice response -"):
        service.write(send(record.format(JANE).encode()), NOW)
    service.write(send(b"other request joe@example.com"), NOW)
    keep = timedelta(hours=1)
    expire_halves(engine, ExpiryOptions("g", "e", keep, 1000, PRIVACY), NOW + keep + timedelta(minutes=6))
    reasons = rows("SELECT reason FROM dead_letters ORDER BY id")
    assert sorted(reasons) == ["invalid", "invalid", "unpaired", "unpaired"]
    assert JANE not in str(rows("SELECT raw FROM dead_letters"))
    assert erase(JANE) == {"predictions": 1, "dead_letters": 3}
    assert rows("SELECT reason FROM dead_letters WHERE raw <> ''") == ["unpaired"]


def kept(content: bytes, **options: Any) -> Rejected:
    record = Record(Partition("c", "t", "i", 0), 7, -1, content)
    return Privacy(Redactor(PrivacyOptions(**options)), SUBJECTS).rejected(Rejected(record, "invalid", "no"))


@pytest.mark.parametrize("options", [{"dead_letters": "drop"}, {"prompts": "hide"}])
def test_where_no_content_is_kept_no_hash_is(options: dict[str, str]) -> None:
    content = msgspec.json.encode({"extra": {"user_id": JANE}})
    assert len(kept(content).subjects) == 1
    one = kept(content, **options)
    assert (one.record.value, one.subjects) == (b"", ())


def test_of_a_record_of_very_many_addresses_no_content_is_kept() -> None:
    few, many = (
        kept(b" ".join(b"u%d@b.co" % number for number in range(count))) for count in (MAX_REMOVED, MAX_REMOVED + 1)
    )
    assert len(few.subjects) == MAX_REMOVED
    assert (few.record.value[:4], many.record.value, many.subjects) == (b"****", b"", ())
    assert many.detail == f"no; no content is kept of more than {MAX_REMOVED} addresses"
