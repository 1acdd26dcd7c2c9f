"""Calls in two records: whose they are is known however their sides come, and a side that waits goes with the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.domain.halves import prelude
from monitor.domain.records import Batch, Partition, Record
from monitor.formats import FORMATS, FormatOptions
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.store import audit
from monitor.store.halves import HalfArrival, wait
from tests.integration.conftest import make_eraser

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SUBJECTS = Subjects(("extra.metadata.user_id",), (b"a key of 16 bytes and more",))
MAIL, PLAIN = "jane@example.com", "u-4711-jane"
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]


def make(ingest: IngestService, **options: Any) -> IngestService:
    """That of the other tests, reading logs of the Open Inference Protocol."""
    privacy = Privacy(Redactor(PrivacyOptions(**options)), SUBJECTS)
    decoders = {"t": FORMATS["oip"](FormatOptions(task="vqa"))}
    return IngestService(ingest._engine, replace(ingest._options, decoders=decoders, privacy=privacy), lambda *_: None)


def side(pair: str, kind: str, who: str | None) -> dict[str, Any]:
    said = {"prompt": "What is it?"} if kind == "request" else {"answer": "a mug"}
    tensors = [{"name": name, "datatype": "BYTES", "shape": [1], "data": [value]} for name, value in said.items()]
    body = {"inputs" if kind == "request" else "outputs": tensors}
    metadata = {} if who is None else {"metadata": {"user_id": who}}
    return {"id": pair, "ts": "2026-11-20T11:59:30Z", "model": "m", kind: body, **metadata}


@pytest.fixture
def eraser(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


@pytest.mark.parametrize("extra", ["redact", "hide"])
def test_a_person_is_found_whichever_side_names_them_and_in_however_many_batches(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService, extra: str
) -> None:
    service = make(ingest, extra=extra)
    for who in (MAIL, PLAIN):
        for names in ("request", "response"):
            pair = f"{who}-{names}"
            request, response = (side(pair, one, who if one == names else None) for one in ("request", "response"))
            together = [{**one, "id": f"{pair}-together"} for one in (request, response)]
            late = [{**one, "id": f"{pair}-late"} for one in (request, response)]
            batches = [[request], [response], together, late[1:], late[:1]]
            for batch in batches:
                service.write(send(*batch), NOW)
    assert dict(rows("SELECT subject_hash, count(*) FROM predictions GROUP BY 1")) == {
        SUBJECTS.digests(who)[0]: 6 for who in (MAIL, PLAIN)
    }
    assert MAIL not in str(rows("SELECT CAST(detail AS text) FROM predictions"))
    assert eraser.subject(MAIL, "ops", NOW, dry_run=False).requests == 6
    assert rows("SELECT count(*) FROM predictions") == [6]


def test_where_the_sides_name_two_people_the_response_counts_however_they_come(
    ingest: IngestService, send: Send, rows: Rows
) -> None:
    service = make(ingest)
    for pair in ("apart", "late", "together"):
        sides = [side(pair, "request", PLAIN), side(pair, "response", MAIL)]
        batches = {"apart": [sides[:1], sides[1:]], "late": [sides[1:], sides[:1]], "together": [sides]}[pair]
        for batch in batches:
            service.write(send(*batch), NOW)
    assert rows("SELECT subject_hash FROM predictions") == [SUBJECTS.digests(MAIL)[0]] * 3


@pytest.mark.parametrize("options", [{}, {"extra": "hide"}])
def test_a_side_that_still_waits_goes_and_neither_it_nor_the_other_comes_back(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService, engine: Engine, options: dict[str, str]
) -> None:
    service = make(ingest, **options)
    service.write(send(side("hers", "request", MAIL), side("his", "request", PLAIN)), NOW)
    stored = str([bytes(one) for one in rows("SELECT fields FROM waiting_halves")])
    assert MAIL not in stored
    dry = eraser.subject(MAIL, "ops", NOW, dry_run=True)
    assert (dry.requests, dict(dry.rows)) == (0, {"waiting_halves": 1})
    assert eraser.subject(MAIL, "ops", NOW, dry_run=False) == dry
    assert rows("SELECT pair_id FROM waiting_halves") == ["his"]
    with engine.connect() as connection:
        [entry] = audit.entries(connection, "erase")
    assert entry.detail == {"subject": SUBJECTS.digests(MAIL)[0].hex(), "requests": 0, "rows": {"waiting_halves": 1}}
    service.write(send(side("hers", "response", None)), NOW)
    service.write(send(side("hers", "request", MAIL)), NOW)
    assert rows("SELECT pair_id FROM waiting_halves") == ["his"]
    assert rows("SELECT count(*) FROM predictions") == [0]


@pytest.mark.parametrize("by_id", [True, False], ids=["request", "person"])
def test_what_came_ahead_of_a_response_goes_with_its_call_and_does_not_come_back(
    rows: Rows, eraser: EraseService, engine: Engine, by_id: bool
) -> None:
    record = Record(Partition("c", "t", "i", 0), 0, -1, b"")

    def come(*calls: str) -> None:
        ahead = [prelude(one, NOW, {"extra": {"note": "a diary"}}) for one in calls]
        whose = SUBJECTS.digest(PLAIN)
        arrivals = [HalfArrival(one, b"d", record, None, subject_hash=whose) for one in ahead]
        with engine.begin() as connection:
            wait(connection, "g", arrivals, NOW)

    come("hers", "hers#prelude")
    if by_id:
        done = eraser.requests(["hers"], "ops", NOW, dry_run=False)
        assert (dict(done.rows), done.unknown) == ({"waiting_halves": 1}, ())
        assert rows("SELECT pair_id FROM waiting_halves") == ["hers#prelude#prelude"]
    else:
        assert dict(eraser.subject(PLAIN, "ops", NOW, dry_run=False).rows) == {"waiting_halves": 2}
    come("hers")
    assert rows("SELECT count(*) FROM waiting_halves WHERE pair_id = 'hers#prelude'") == [0]


def test_of_a_side_that_waits_since_the_last_release_what_it_says_is_read(
    ingest: IngestService, send: Send, rows: Rows, eraser: EraseService, engine: Engine
) -> None:
    service = make(ingest)
    service.write(send(side("a", "request", PLAIN), side("b", "request", PLAIN)), NOW)
    with engine.begin() as connection:
        connection.execute(text("UPDATE waiting_halves SET subject_hash = NULL"))
    service.write(send(side("a", "response", None)), NOW)
    assert rows("SELECT subject_hash FROM predictions") == [SUBJECTS.digests(PLAIN)[0]]
    done = eraser.subject(PLAIN, "ops", NOW, dry_run=False)
    assert (done.requests, done.rows["waiting_halves"]) == (1, 1)
    service.write(send(side("b", "response", None)), NOW)
    assert rows("SELECT count(*) FROM waiting_halves") == [0]
