"""Clients make no topics, and leave nothing behind where they cannot start: who waits makes one each second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from monitor.broker import ClientConfig, Sink, Source, ensure_topics, topic_ends
from monitor.broker.client import make_client
from monitor.broker.peek import peek
from monitor.errors import BrokerError
from tests.integration.source.members import SESSION_MS, Stored, poll_for, read

pytestmark = pytest.mark.integration
NOBODY = "127.0.0.1:9"
KINDS = [KafkaAdminClient, KafkaConsumer, KafkaProducer]


def held() -> int:
    """Threads of clients, and their selectors. (Sockets of failed connections are in errors that pytest keeps.)"""
    threads = [one for one in threading.enumerate() if one.name.startswith("kafka-io-")]
    links = [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return len(threads) + links.count(Path("anon_inode:[eventpoll]"))


def test_a_cluster_that_does_not_describe_itself_leaves_no_client_behind(
    broker: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: KafkaAdminClient) -> Any:
        raise KafkaTimeoutError("away")

    before = held()
    monkeypatch.setattr(KafkaAdminClient, "describe_cluster", away)
    for _ in range(3):
        with pytest.raises(BrokerError, match="away"):
            topic_ends(ClientConfig(broker), [topic])
    assert held() <= before


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_finds_no_broker_leaves_nothing_behind(kind: Callable[..., Any]) -> None:
    before = held()
    for _ in range(3):
        with pytest.raises(KafkaError):
            make_client(kind, bootstrap_servers=[NOBODY], bootstrap_timeout_ms=100)
    assert held() <= before


@pytest.mark.parametrize("kind", KINDS)
def test_no_client_asks_for_a_topic_as_if_to_have_it_made(broker: str, kind: Callable[..., Any]) -> None:
    client = make_client(kind, bootstrap_servers=[broker])
    try:
        cluster = client._metadata if kind is KafkaProducer else client._client.cluster
        assert cluster.metadata_request().allow_auto_topic_creation is False
    finally:
        client.close()


def test_a_misspelt_topic_is_not_made_by_who_reads_it_and_is_read_once_it_is_there(
    broker: str, topic: str, stored: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    config, misspelt = ClientConfig(broker), f"{topic}.misspelt"
    ensure_topics(config, [topic], 2)
    source = Source(config, topic, [topic, misspelt], stored.position, session_timeout_ms=SESSION_MS)
    sink = Sink(config)
    try:
        sink.send(topic, b"a")
        sink.flush()
        assert read(source, stored, 1) == [b"a"]
        poll_for(source, stored, 1)
        told = [record.name for record in caplog.records if "opic" in record.getMessage()]
        assert told == ["monitor.broker.source"], "it is told once"
        with pytest.raises(BrokerError, match="there is no topic"):
            list(peek(config, misspelt, 1))
        assert {one.topic for one in topic_ends(config, [topic, misspelt])} == {topic}
        ensure_topics(config, [misspelt], 2)
        sink.send(misspelt, b"b")
        sink.flush()
        assert read(source, stored, 1) == [b"b"]
    finally:
        sink.close()
        source.close()
