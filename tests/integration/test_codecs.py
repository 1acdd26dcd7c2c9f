"""Batches of every codec, from our client and from one that is not ours, are read alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer
from typer.testing import CliRunner

from monitor.broker import ClientConfig, Source, ensure_topics
from monitor.broker.peek import peek
from monitor.cli.main import app
from monitor.domain.records import Partition, Record
from monitor.errors import BrokerError

pytestmark = pytest.mark.integration
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
EACH = 20
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
