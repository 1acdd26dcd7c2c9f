"""Erasure takes what holds an id however it is written, and leaves what holds a longer one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch
from monitor.formats import FORMATS, FormatOptions
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.store import erase_letters
from tests.integration.conftest import make_eraser

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SUBJECTS = Subjects(("extra.metadata.user_id",), (b"a key of 16 bytes and more",))
DIARY = "my secret diary"
WRITTEN = {
    "shop/order/4711": "shop\\/order\\/4711",  # PHP's json_encode
    "bestellung-müller-1": "bestellung-m\\u00FCller-1",  # System.Text.Json of .NET
    "order+4711+x": "order\\u002B4711\\u002Bx",
    "mü/1": "m\\u00FC\\/1",  # too short to be looked for anywhere
    "plain-order-1": "plain-order-1",
}
"""Ids, and how encoders write them that escape more than Python's does."""
LETTERS = "SELECT convert_from(raw, 'UTF8') FROM dead_letters WHERE raw <> '' ORDER BY id"
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
Build = Callable[..., dict[str, Any]]


@pytest.fixture
def eraser(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


def calls(ingest: IngestService) -> IngestService:
    """That of the other tests, reading logs of the Open Inference Protocol."""
    privacy = Privacy(Redactor(PrivacyOptions()), SUBJECTS)
    decoders = {"t": FORMATS["oip"](FormatOptions(task="vqa"))}
    return IngestService(ingest._engine, replace(ingest._options, decoders=decoders, privacy=privacy), lambda *_: None)


def side(pair: str, kind: str, who: str, said: str = "What is it?") -> dict[str, Any]:
    tensors = [{"name": "prompt" if kind == "request" else "answer", "datatype": "BYTES", "shape": [1], "data": [said]}]
    body = {"inputs" if kind == "request" else "outputs": tensors}
    return {"id": pair, "ts": "2026-11-20T11:59:30Z", "model": "m", kind: body, "metadata": {"user_id": who}}


def test_sides_of_people_whose_ids_begin_alike_wait_on(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService
) -> None:
    service = calls(ingest)
    sides = [("call-of-1", "customer-1"), ("call-of-17", "customer-17"), ("call-of-x", "my-customer-1")]
    service.write(send(*(side(pair, "request", who) for pair, who in sides)), NOW)
    service.write(send(side("call-of-2", "request", "customer-2", "Who is customer-1?")), NOW)
    assert dict(eraser.subject("customer-1", "ops", NOW, dry_run=False).rows) == {"waiting_halves": 1}
    service.write(send(side("call-of-17", "response", "customer-17", "a mug")), NOW)
    assert rows("SELECT request_id FROM predictions") == ["call-of-17"]
    assert rows("SELECT pair_id FROM waiting_halves ORDER BY 1") == ["call-of-2", "call-of-x"]


def test_a_side_that_names_the_person_elsewhere_goes(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService, engine: Engine
) -> None:
    """Its texts are compared as they are written: by us."""
    service = calls(ingest)
    for number, who in enumerate(('a "b" \\ /ü', "customer-1\n")):
        service.write(send(side(f"call-{number}", "request", who), side(f"call-{number}x", "request", who + "x")), NOW)
        with engine.begin() as connection:
            connection.execute(text("UPDATE waiting_halves SET subject_hash = NULL"))
        assert eraser.subject(who, "ops", NOW, dry_run=False).rows["waiting_halves"] == 1
    assert rows("SELECT pair_id FROM waiting_halves ORDER BY 1") == ["call-0x", "call-1x"]


def test_dead_letters_of_ids_that_begin_alike_stay(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, eraser: EraseService
) -> None:
    ids = ["order-2026-1", "order-2026-15", "order-2026-1.b", "pre-order-2026-1"]
    ingest.write(send(*(prediction(one, status="weird") for one in ids)), NOW)
    assert dict(eraser.requests(ids[:1], "ops", NOW, dry_run=False).rows) == {"dead_letters": 1}
    assert [json.loads(one)["request_id"] for one in rows(LETTERS)] == ids[1:]


@pytest.mark.parametrize("cut", [0, 1], ids=["whole", "broken"])
def test_dead_letters_are_found_however_their_json_was_escaped(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows, eraser: EraseService, cut: int
) -> None:
    document = json.dumps(prediction("@@", status="weird", input={"prompt": DIARY}))
    records = [document.replace("@@", one)[: len(document.replace("@@", one)) - cut] for one in WRITTEN.values()]
    assert ingest.write(send(*(one.encode() for one in records)), NOW).total() == len(WRITTEN)
    for left, ident in enumerate(WRITTEN, 1):
        assert dict(eraser.requests([ident], "ops", NOW, dry_run=False).rows) == {"dead_letters": 1}
        assert len(rows(LETTERS)) == len(WRITTEN) - left
    assert eraser.requests(list(WRITTEN), "ops", NOW, dry_run=False).unknown == ()


def test_keys_headers_and_reasons_are_looked_through_too(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService
) -> None:
    batch = send(*(b"broken" for _ in range(6)))
    ids = ("order-2026-1", "order-2026-15")
    keyed = [replace(one, key=key.encode()) for one, key in zip(batch.records, ids, strict=False)]
    headed = [replace(one, headers=(("x-id", key.encode()),)) for one, key in zip(batch.records[2:], ids, strict=False)]
    ingest.write(replace(batch, records=(*keyed, *headed, *batch.records[4:])), NOW)
    with ingest._engine.begin() as connection:
        for offset, ident in enumerate(ids, 4):
            change = text("UPDATE dead_letters SET detail = :detail WHERE record_offset = :offset")
            connection.execute(change, {"detail": f"'{ident}' is wrong", "offset": offset})
    assert dict(eraser.requests(ids[:1], "ops", NOW, dry_run=False).rows) == {"dead_letters": 3}
    assert rows("SELECT record_offset FROM dead_letters WHERE raw = '' ORDER BY 1") == [0, 2, 4]


def test_short_ids_are_found_in_keys_headers_and_binary_records(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService
) -> None:
    binary = (b"\x0a\x06u-4711\x12\x05diary\xff", b"\x0a\x07u-47110\x12\x05diary\xff")
    first, second, third, fourth, *others = (batch := send(*(b"broken" for _ in range(4)), *binary)).records
    keyed = replace(first, key=b"u-4711"), replace(second, key=b"u-47110")
    headed = replace(third, headers=(("x-id", b"u-4711"),)), replace(fourth, headers=(("x-id", b"u-47110"),))
    ingest.write(replace(batch, records=(*keyed, *headed, *others)), NOW)
    assert dict(eraser.subject("u-4711", "ops", NOW, dry_run=False).rows) == {"dead_letters": 3}
    assert rows("SELECT record_offset FROM dead_letters WHERE raw = '' ORDER BY 1") == [0, 2, 4]


def test_very_many_are_looked_through_some_at_a_time(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_letters, "_LETTERS", 7)
    monkeypatch.setattr(erase_letters, "_LETTERS_BYTES", 300)
    ingest.write(send(*(b"broken order-%03d " % number + b"x" * (number % 60) for number in range(100))), NOW)
    wanted = [f"order-{number:03d}" for number in range(0, 100, 2)]
    assert eraser.requests(wanted, "ops", NOW, dry_run=True).rows["dead_letters"] == 50
    assert eraser.requests(wanted, "ops", NOW, dry_run=False).rows["dead_letters"] == 50
    assert [int(one.split()[1][6:]) % 2 for one in rows(LETTERS)] == [1] * 50


def test_ids_of_which_nothing_is_known_are_named(
    ingest: IngestService, send: Send, prediction: Build, label: Build, eraser: EraseService
) -> None:
    ingest.write(send(prediction("stored-0001"), label("labelled-0001"), prediction("refused-0001", status="?")), NOW)
    calls(ingest).write(send(side("waiting-0001", "request", "nobody")), NOW)
    ids = ["tpyo-0001", "stored-0001", "labelled-0001", "refused-0001", "waiting-0001", "tpyo-0002", "tpyo-0001"]
    for dry_run in (True, False):
        assert eraser.requests(ids, "ops", NOW, dry_run=dry_run).unknown == ("tpyo-0001", "tpyo-0002")
    assert eraser.requests([*ids, "tpyo-0003"], "ops", NOW, dry_run=False).unknown == ("tpyo-0003",)
