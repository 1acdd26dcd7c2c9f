"""Clients that cannot start leave nothing behind: who waits for a broker makes one each second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError, KafkaTimeoutError

from monitor.broker import ClientConfig, topic_ends
from monitor.broker.client import make_client
from monitor.errors import BrokerError

pytestmark = pytest.mark.integration
NOBODY = "127.0.0.1:9"


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


@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer])
def test_a_client_that_finds_no_broker_leaves_nothing_behind(kind: Callable[..., Any]) -> None:
    before = held()
    for _ in range(3):
        with pytest.raises(KafkaError):
            make_client(kind, bootstrap_servers=[NOBODY], bootstrap_timeout_ms=100)
    assert held() <= before
