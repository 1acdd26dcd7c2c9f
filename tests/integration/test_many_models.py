"""Models beyond the cap: refused with the setting that says so, and taken when there is room for them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch, Partition
from monitor.services.ingest import IngestService
from monitor.store.engine import make_engine
from monitor.store.served_models import REMEMBERED, ModelKey, ServedModels

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
CAP = 5


@pytest.fixture
def capped(ingest: IngestService) -> IngestService:
    return make(ingest, CAP)


def make(ingest: IngestService, cap: int) -> IngestService:
    return IngestService(ingest._engine, replace(ingest._options, max_models=cap), lambda *_: None)


def test_what_a_client_names_stays_within_the_cap_and_what_is_known_is_untouched(
    capped: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    capped.write(send(prediction("first")), NOW)
    named = [
        prediction(f"r{n}", model={"name": f"m{n}", "version": f"v{n}"}, task=f"t{n}", slices={"device": f"d{n}"})
        for n in range(200)
    ]
    counts = capped.write(send(*named[:100], prediction("second"), *named[100:]), NOW)
    assert counts == {("t", "accepted"): CAP, ("t", "too_many_models"): 200 - CAP + 1}
    assert rows("SELECT count(DISTINCT (model, version, task)) FROM rollups_minute") == [CAP]
    assert rows("SELECT count(*) FROM predictions") == [CAP + 1]
    assert set(rows("SELECT request_id FROM predictions")) >= {"first", "second"}
    assert rows("SELECT count(*) FROM arrivals") == [CAP + 1]
    [detail] = rows("SELECT detail FROM dead_letters WHERE raw LIKE convert_to(:like, 'UTF8')", like="%m99%")
    assert detail == (
        "model 'm99', version 'v99', task 't99' is one more than the 5 of the last 7 days (ingest.max_models): "
        "raise it, or mend what names models, and replay"
    )
    assert rows("SELECT count(*) FROM slice_values") == [3]


def test_name_version_and_task_each_make_a_model_and_the_variant_does_not(
    ingest: IngestService, send: Send, prediction: Build
) -> None:
    service = make(ingest, 1)
    canary = prediction("b", model={"name": "m", "version": "v1", "variant": "canary"})
    assert service.write(send(prediction("a"), canary), NOW) == {("t", "accepted"): 2}
    others: list[dict[str, Any]] = [{"model": {"name": "n", "version": "v1"}}, {"model": {"name": "m"}}, {"task": "x"}]
    for changed in others:
        assert service.write(send(prediction("c", **changed)), NOW) == {("t", "too_many_models"): 1}


def test_a_higher_cap_takes_what_was_refused(ingest: IngestService, send: Send, prediction: Build, rows: Rows) -> None:
    named = [prediction(f"r{n}", model={"name": f"m{n}"}) for n in range(3)]
    assert make(ingest, 2).write(send(*named), NOW) == {("t", "accepted"): 2, ("t", "too_many_models"): 1}
    assert make(ingest, 3).write(send(*named), NOW) == {("t", "duplicate"): 2, ("t", "accepted"): 1}
    assert rows("SELECT count(*) FROM predictions") == [3]


def test_a_model_of_which_nothing_came_for_days_makes_room_and_one_that_is_served_stays(
    ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    service = make(ingest, 2)

    def write(number: int, name: str, now: datetime) -> list[str]:
        event = prediction(f"r{number}", model={"name": name}, ts=now.isoformat())
        return [outcome for _, outcome in service.write(send(event), now)]

    assert write(0, "left", NOW) == write(1, "served", NOW) == ["accepted"]
    for day in range(1, REMEMBERED.days + 1):
        assert write(2 * day, "served", NOW + timedelta(days=day)) == ["accepted"]
        assert write(2 * day + 1, "new", NOW + timedelta(days=day)) == ["too_many_models"]
    later = NOW + REMEMBERED + timedelta(days=1)
    assert write(100, "new", later) == write(101, "served", later) == ["accepted"]
    assert write(102, "left", later) == ["too_many_models"]
    assert rows("SELECT model FROM served_models ORDER BY 1") == ["new", "served"]


def test_many_collectors_at_once_agree_on_the_models_that_count(database_url: str, engine: Engine, rows: Rows) -> None:
    """Each brings models of its own and some of the others'."""
    keys = [ModelKey(f"m{n}", "", "t") for n in range(40)]

    def run(number: int) -> set[ModelKey]:
        own = make_engine(database_url)
        models = ServedModels(10)
        models.refresh(NOW)
        refused: set[ModelKey] = set()
        for start in range(0, 40, 4):
            refused |= models.beyond(own, {keys[(start * (number + 1) + step * 3) % 40] for step in range(8)}).keys()
        own.dispose()
        return refused

    with ThreadPoolExecutor(6) as pool:
        refused = list(pool.map(run, range(6)))
    admitted = {ModelKey(*row) for row in rows("SELECT model, version, task FROM served_models")}
    assert len(admitted) == 10
    for one in refused:
        assert one.isdisjoint(admitted)
        assert len(one) >= 1


def test_two_collectors_that_bring_models_at_once_store_no_more_than_the_cap(
    database_url: str, ingest: IngestService, send: Send, prediction: Build, rows: Rows
) -> None:
    other = Partition("cluster", "t", "22222222-2222-2222-2222-222222222222", 1)
    batches = [
        [
            send(*[prediction(f"{name}{n}-{m}", model={"name": f"{name}{n}-{m}"}) for m in range(4)], **place)
            for n in range(8)
        ]
        for name, place in (("a", {}), ("b", {"partition": other}))
    ]

    def run(several: list[Batch]) -> int:
        own = make_engine(database_url)
        service = IngestService(own, replace(ingest._options, max_models=CAP), lambda *_: None)
        taken = sum(service.write(batch, NOW)["t", "accepted"] for batch in several)
        own.dispose()
        return taken

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, batches)) == CAP
    assert rows("SELECT count(DISTINCT model) FROM rollups_minute") == [CAP]
    assert rows("SELECT count(*) FROM dead_letters WHERE reason = 'too_many_models'") == [64 - CAP]
