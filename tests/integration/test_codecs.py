"""Batches of every codec, from our client and from one that is not ours, are read alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor.broker import ClientConfig, Source, ensure_topics
from monitor.broker.peek import peek
from monitor.broker.unpacking import MAX_UNPACKED
from monitor.cli.main import app
from monitor.domain.records import Partition, Record
from monitor.errors import BrokerError
from monitor.formats import native
from monitor.formats.options import FormatOptions
from monitor.services.ingest import IngestService
from monitor.services.positions import Positions
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
EACH = 20
NOW = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
PREDICTION = {
    "schema": "prediction/v1", "ts": "2026-11-21T10:00:00Z", "model": {"name": "m"}, "task": "vqa", "status": "ok"
}  # fmt: skip


def with_confluent(servers: str, topic: str, codec: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers, "compression.codec": codec, "linger.ms": 50, "log_level": 0})
    for value in values:
        producer.produce(topic, value, headers=[("codec", codec.encode())])
    assert producer.flush(30) == 0


def with_kafka_python(servers: str, topic: str, codec: str, values: list[bytes]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=servers, compression_type=None if codec == "none" else codec, linger_ms=50
    )
    sent = [producer.send(topic, value, headers=[("codec", codec.encode())]) for value in values]
    producer.close(30)
    assert all(one.succeeded() for one in sent)


CLIENTS: dict[str, Callable[[str, str, str, list[bytes]], None]] = {
    "confluent": with_confluent,
    "kafka-python": with_kafka_python,
}


def values_of(client: str, codec: str) -> list[bytes]:
    return [json.dumps(PREDICTION | {"request_id": f"{client}-{codec}-{n}"}).encode() for n in range(EACH)]


@pytest.fixture
def filled(broker: str, topic: str) -> str:
    ensure_topics(ClientConfig(broker), [topic], 2)
    for client, codec in product(CLIENTS, CODECS):
        CLIENTS[client](broker, topic, codec, values_of(client, codec))
    return topic


def test_every_codec_of_either_client_is_read(broker: str, filled: str) -> None:
    expected = sorted(value for client, codec in product(CLIENTS, CODECS) for value in values_of(client, codec))
    everything = list(peek(ClientConfig(broker), filled, 10_000))
    assert sorted(one.value for one in everything) == expected
    assert {dict(one.headers)["codec"] for one in everything} == {codec.encode() for codec in CODECS}
    source = Source(ClientConfig(broker), filled, [filled], lambda *_, **__: 0, session_timeout_ms=1500)
    try:
        got: list[Record] = []
        for _ in range(200):
            got += source.poll(1000, 10**7, 200).records
            if len(got) >= len(expected):
                break
    finally:
        source.close()
    assert sorted(one.value for one in got) == expected


@pytest.mark.parametrize("codec", [one for one in CODECS if one != "none"])
def test_a_bomb_costs_one_dead_letter_and_stalls_nothing(
    broker: str, topic: str, codec: str, engine: Engine, rows: Callable[..., list[Any]]
) -> None:
    values = values_of("any", codec)
    ensure_topics(ClientConfig(broker), [topic], 1)
    with_kafka_python(broker, topic, codec, values[:1])
    bomb = KafkaProducer(bootstrap_servers=broker, compression_type=codec, max_request_size=2 * MAX_UNPACKED)
    assert bomb.send(topic, bytes(MAX_UNPACKED + 1)).get(60).offset == 1
    bomb.close()
    with_kafka_python(broker, topic, codec, values[1:])

    options = replace(make_service(engine)._options, decoders={topic: native.decoder(FormatOptions())})
    ingest = IngestService(engine, options, lambda *_: None)
    start = Positions(engine, options.group, lambda: NOW).start
    source = Source(ClientConfig(broker), options.group, [topic], start, session_timeout_ms=1500)
    try:
        seen = 0
        for _ in range(100):
            batch = source.poll(1000, 10**7, 200)
            if batch.records:
                ingest.write(batch, NOW)
            seen += len(batch.records)
            if seen == EACH + 1:
                break
        assert source.behind() == {}
    finally:
        source.close()
    assert rows("SELECT count(*) FROM predictions WHERE request_id LIKE :one", one=f"any-{codec}-%") == [EACH]
    [letter] = rows("SELECT record_offset, reason, detail, length(raw) FROM dead_letters WHERE topic = :t", t=topic)
    offset, reason, detail, kept = letter
    assert (offset, reason, kept) == (1, "unreadable", 0)
    assert f"from offset 1 to 1 cannot be read: ValueError: unpacked it is larger than {MAX_UNPACKED}" in detail
    assert f"compression {codec}" in detail


def test_peeking_takes_the_newest_of_each_partition_and_leaves_no_trace(broker: str, filled: str) -> None:
    everything: dict[Partition, list[int]] = {}
    for one in peek(ClientConfig(broker), filled, 10_000):
        everything.setdefault(one.partition, []).append(one.offset)
    some = list(peek(ClientConfig(broker), filled, 10))
    assert 0 < len(some) <= 10
    for one in some:
        assert one.offset >= max(everything[one.partition]) - 4
    assert sorted(map(str, some)) == sorted(map(str, peek(ClientConfig(broker), filled, 10)))


def test_a_topic_that_is_not_there_is_told_with_those_that_are(broker: str, filled: str) -> None:
    with pytest.raises(BrokerError, match=rf"no topic 'absent' at .*{filled}"):
        list(peek(ClientConfig(broker), "absent", 10))


def test_an_empty_topic_has_nothing(broker: str, topic: str) -> None:
    ensure_topics(ClientConfig(broker), [topic], 1)
    assert list(peek(ClientConfig(broker), topic, 10)) == []


def test_a_live_topic_can_be_checked(broker: str, filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNELLEN_KAFKA__BOOTSTRAP_SERVERS", broker)
    done = CliRunner().invoke(app, ["ingest", "check", filled, "--json"])
    assert done.exit_code == 0
    report = json.loads(done.output)
    assert report["events"]["prediction/v1"] == len(CLIENTS) * len(CODECS) * EACH
    assert report["detected"] == {"native": report["records"]}
