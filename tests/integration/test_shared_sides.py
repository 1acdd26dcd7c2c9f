"""A batch that fails, or whose answer says nothing of single items, completes all items of its call, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch, Partition, Record
from monitor.formats import FORMATS, Decoded, FormatOptions
from monitor.services.draw_labels import LabelDesign
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.ingest import IngestService
from tests.integration.conftest import PARTITION, PRIVACY, make_service, write_at_once

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATIENCE, KEEP = timedelta(minutes=5), timedelta(hours=1)
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
STORED = "SELECT request_id, prompt, status, error_code FROM predictions ORDER BY 1"
WAITING = "SELECT count(*) FROM waiting_halves"
COUNTS = "SELECT coalesce(sum(joined), 0), coalesce(sum(lost), 0) FROM pair_counts"
BATCH = {"data": {"names": ["prompt"], "ndarray": [["a?"], ["b?"], ["c?"]]}}
FAILURE = {
    "status": {"code": 500, "info": "out of memory", "reason": "MICROSERVICE_INTERNAL_ERROR", "status": "FAILURE"}
}
FAILED = [("c#0", "a?"), ("c#1", "b?"), ("c#2", "c?")]


def seldon(record: Record) -> Sequence[Decoded]:
    """Records are written here with their headers inside."""
    said = msgspec.json.decode(record.value)
    headers = {"type": f"io.seldon.serving.inference.{said['kind']}", "requestid": said["id"]}
    named = tuple((name, text.encode()) for name, text in headers.items())
    whole = Record(
        record.partition, record.offset, int(NOW.timestamp() * 1000), msgspec.json.encode(said["body"]), named
    )
    return FORMATS["seldon"](FormatOptions(model="m"))(whole)


def asked(call: str = "c", body: Any = BATCH) -> dict[str, Any]:
    return {"kind": "request", "id": call, "body": body}


def said(call: str = "c", body: Any = FAILURE) -> dict[str, Any]:
    return {"kind": "response", "id": call, "body": body}


def make(engine: Engine) -> IngestService:
    return make_service(
        engine, decoders={"t": seldon}, slice_dimensions=(), labels=LabelDesign(), pair_patience=PATIENCE
    )


@pytest.fixture
def paired(engine: Engine) -> IngestService:
    return make(engine)


@pytest.mark.parametrize("order", list(itertools.permutations(["request", "response"])))
@pytest.mark.parametrize("at_once", [True, False])
def test_a_batch_that_failed_is_an_error_of_each_item(
    paired: IngestService, send: Send, rows: Rows, order: tuple[str, ...], at_once: bool
) -> None:
    records = [asked() if side == "request" else said() for side in order]
    for batch in [records] if at_once else [[one] for one in records]:
        paired.write(send(*batch), NOW)
    assert rows(STORED) == [(*one, "error", "500") for one in FAILED]
    assert rows(WAITING) == [0]
    assert rows(COUNTS) == [(3, 0)]


def test_an_answer_that_says_nothing_of_its_items_completes_them(paired: IngestService, send: Send, rows: Rows) -> None:
    numbers = {"data": {"tensor": {"shape": [1, 2], "values": [7, 8]}}}
    for one in (asked("c"), said("c", numbers), said("d", numbers), asked("d")):
        paired.write(send(one), NOW)
    assert [row[2] for row in rows(STORED)] == ["ok"] * 6
    assert (rows(WAITING), rows(COUNTS)) == ([0], [(6, 0)])


def test_a_request_that_says_nothing_of_its_items_completes_the_answers(
    paired: IngestService, send: Send, rows: Rows
) -> None:
    paired.write(
        send(said(body={"strData": "x"} | {"data": None}), asked("other", {"data": {"ndarray": [[1, 2]]}})), NOW
    )
    paired.write(send(said("other", {"data": {"names": ["answer"], "ndarray": [["a"], ["b"]]}})), NOW)
    assert [row[0] for row in rows(STORED)] == ["other#0", "other#1"]
    assert rows(WAITING) == [1]


def test_other_sides_are_left_alone(paired: IngestService, send: Send, rows: Rows) -> None:
    """One real answer is not that of every item, and ids may look like those of items."""
    paired.write(send(asked("a", {"strData": "a?"}), said("b#0"), said("c"), asked("d")), NOW)
    answer = said("d", {"strData": "a mug"})
    paired.write(send(said("a"), asked("b#0", {"strData": "b?"}), asked("c", {"strData": "c?"}), answer), NOW)
    assert [row[0] for row in rows(STORED)] == ["a", "b#0", "c"]
    assert (rows(WAITING), rows(COUNTS)) == ([4], [(3, 0)])


def test_a_loss_counted_too_early_is_taken_back(engine: Engine, paired: IngestService, send: Send, rows: Rows) -> None:
    ticks = [NOW + PATIENCE + timedelta(seconds=second) for second in (1, 2)]
    paired.write(send(said()), NOW)
    assert expire_halves(engine, ExpiryOptions("g", "e", KEEP, 1000, PRIVACY), ticks[0]) == 1
    paired.write(send(asked()), ticks[1])
    assert rows(COUNTS) == [(3, 0)]
    assert rows(WAITING) == [0]


def test_two_collectors_that_bring_a_batch_and_its_failure_at_once_complete_its_items(
    database_url: str, send: Send, rows: Rows
) -> None:
    calls, other = [f"c{number:02}" for number in range(40)], Partition("cluster", "t", PARTITION.topic_id, 1)
    brought = [[send(asked(call)) for call in calls], [send(said(call), partition=other) for call in calls]]
    again = write_at_once(database_url, make, brought)
    assert again, "they never met at the same moment"
    assert (len(rows(STORED)), rows(WAITING), rows(COUNTS)) == (120, [0], [(120, 0)])


def test_what_comes_again_is_no_loss(engine: Engine, paired: IngestService, send: Send, rows: Rows) -> None:
    paired.write(send(asked(), said()), NOW)
    assert paired.write(send(asked()), NOW) == {("t", "duplicate"): 3}
    assert paired.write(send(asked(), said()), NOW) == {("t", "duplicate"): 6}
    paired.write(send(said()), NOW)
    assert expire_halves(engine, ExpiryOptions("g", "e", KEEP, 1000, PRIVACY), NOW + 2 * PATIENCE) == 0
    assert (rows(WAITING), rows(COUNTS)) == ([0], [(3, 0)])
