"""Records that PostgreSQL refuses, as the embed group meets them: passed over, while their neighbours are embedded."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.halves import Half
from monitor.domain.records import Batch, Record
from monitor.errors import UnstorableValue
from monitor.formats import FORMATS, Decoder, FormatOptions
from monitor.telemetry import EMBEDDED
from tests.integration.conftest import NOW, make_service
from tests.integration.plain_embedding import embed_service
from tests.integration.test_embed_pairs import sides

Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
OIP = FORMATS["oip"](FormatOptions(task="vqa"))
START_NS = int(NOW.timestamp() - 30) * 10**9


LONG = secrets.token_hex(6000)
"""Too long for an index, also compressed."""


def letting(*poison: int) -> Decoder:
    """A decoder that lets ids out, at these offsets, which no index can hold."""

    def decode(record: Record) -> Any:
        said = OIP(record)
        return [Half(LONG, one.side, one.ts, one.fields) for one in said] if record.offset in poison else said

    return decode


def whole(name: str) -> dict[str, Any]:
    request, response = sides(name)
    return {**request, **response}


@pytest.mark.parametrize("poison", [(0,), (3,), (5,), (1, 2, 4), tuple(range(6))], ids=str)
def test_they_are_passed_over_wherever_they_stand(
    engine: Engine,
    send: Send,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
    poison: tuple[int, ...],
) -> None:
    service = embed_service(engine, letting(*poison))
    before = EMBEDDED.labels("unstorable")._value.get()
    records = [sides(f"r{number}")[0] if number in poison else whole(f"r{number}") for number in range(6)]
    outcome = service.write(send(*records), NOW)
    good = {f"r{number}" for number in range(6)} - {f"r{number}" for number in poison}
    assert set(rows("SELECT request_id FROM embeddings")) == good
    assert outcome.embedded == len(good)
    assert rows("SELECT next_offset FROM stream_offsets") == [6]
    assert rows("SELECT count(*) FROM waiting_halves") == [0]
    assert rows("SELECT count(*) FROM dead_letters") == [0], "the ingest group writes those"
    assert [one.offset for one in caplog.records if "passed over" in one.message] == list(poison)
    assert EMBEDDED.labels("unstorable")._value.get() - before == len(poison)


def test_a_fault_that_is_no_record_s_is_passed_on_and_moves_nothing(
    engine: Engine,
    send: Send,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = embed_service(engine, OIP)

    def refuse(*_: object) -> None:
        raise UnstorableValue("all are refused")

    monkeypatch.setattr("monitor.services.embed.offsets.advance", refuse)
    with pytest.raises(UnstorableValue):
        service.write(send(whole("a")), NOW)
    assert rows("SELECT next_offset FROM stream_offsets") == [0]


def test_a_span_with_an_id_that_is_too_long_is_refused_by_one_group_and_passed_over_by_the_other(
    engine: Engine,
    send: Send,
    rows: Rows,
) -> None:
    decoders = {"t": FORMATS["otlp_joined"](FormatOptions(task="vqa"))}
    batch = send(span(1), span(2, "i" * 12_000), span(3, "a good id"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset) "
            "SELECT 'ingest', cluster_id, topic_id, partition, topic, next_offset FROM stream_offsets"
        )
    embed_service(engine, decoders["t"]).write(batch, NOW)
    outcomes = make_service(engine, decoders=decoders, group="ingest").write(batch, NOW)
    assert outcomes == {("t", "half"): 2, ("t", "invalid"): 1}
    [detail] = rows("SELECT detail FROM dead_letters")
    assert "snellen.request_id: an id of 1 to 128 characters is needed, not 'iiii" in detail
    assert len(detail) < 200
    assert rows("SELECT next_offset FROM stream_offsets") == [3, 3]


def span(number: int, own: str | None = None) -> dict[str, Any]:
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "openai"}
    said |= {"snellen.request_id": own} if own else {}
    one = {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat m",
        "startTimeUnixNano": str(START_NS), "endTimeUnixNano": str(START_NS + 10**9),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in said.items()],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}
