"""Events of very many days at once, as a replay of a long and sparse log brings them, or whoever claims to be one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.errors import Fenced
from monitor.formats import otlp
from monitor.formats.options import FormatOptions
from monitor.services.ingest import IngestService
from monitor.store.partitions import MAX_DAYS
from tests.integration.conftest import NOW, TOPIC, make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
START = datetime(1999, 1, 1, tzinfo=UTC)
DAYS = 3 * MAX_DAYS


def on(day: int) -> str:
    return (START + timedelta(days=day)).isoformat()


def test_a_batch_of_many_days_is_stored_in_parts(
    ingest: IngestService, send: Callable[..., Batch], prediction: Build, rows: Callable[..., list[Any]]
) -> None:
    batch = send(*(prediction(f"r{day}", ts=on(day)) for day in range(DAYS)), replay="old log")
    assert ingest.write(batch, NOW) == Counter({(TOPIC, "accepted"): DAYS})
    assert rows("SELECT count(*) FROM predictions") == [DAYS]
    assert rows("SELECT next_offset FROM stream_offsets") == [DAYS]
    with pytest.raises(Fenced):  # nothing of it is stored twice
        ingest.write(batch, NOW)


def test_one_record_of_more_days_than_a_transaction_takes_is_refused_and_its_neighbours_are_stored(
    engine: Engine, send: Callable[..., Batch], rows: Callable[..., list[Any]]
) -> None:
    options = replace(make_service(engine)._options, decoders={TOPIC: otlp.decoder(FormatOptions())})
    batch = send(spans([0], "a"), spans(range(MAX_DAYS + 1), "b"), spans(range(MAX_DAYS), "c"), replay="old log")
    outcomes = IngestService(engine, options, lambda *_: None).write(batch, NOW)
    assert outcomes == Counter({(TOPIC, "accepted"): MAX_DAYS + 1, (TOPIC, "invalid"): 1})
    assert rows("SELECT record_offset, detail FROM dead_letters") == [
        (1, f"events of {MAX_DAYS + 1} days, one transaction takes {MAX_DAYS}")
    ]


def spans(days: Any, trace: str) -> dict[str, Any]:
    attributes = [
        {"key": key, "value": {"stringValue": value}}
        for key, value in {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}.items()
    ]
    each = [
        {
            "traceId": trace * 32,
            "spanId": f"{day + 1:016x}",
            "startTimeUnixNano": str(int((START + timedelta(days=day)).timestamp()) * 10**9),
            "endTimeUnixNano": str(int((START + timedelta(days=day)).timestamp() + 1) * 10**9),
            "attributes": attributes,
        }
        for day in days
    ]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": each}]}]}
