"""The authority, the gateway to a broker, and the settings of a process behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monitor.embedded.broker import find_binary
from monitor.embedded.ports import free_port
from monitor.embedded.process import ManagedProcess
from tests.certificates import Authority, server_side
from tests.integration.transport.gateway import PASSWORD, USER, Gateway


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In front of a broker of its own; tests set what it demands."""
    front, behind = free_port(21000 + os.getpid() % 1000), free_port(22000 + os.getpid() % 1000)
    broker = ManagedProcess(
        "broker",
        [
            str(find_binary()), "broker", "--cluster-id=secured", f"--listener-url=tcp://127.0.0.1:{behind}",
            f"--advertised-listener-url=tcp://127.0.0.1:{front}", "--storage-engine=memory://snellen/",
        ],
        log=tmp_path_factory.mktemp("broker") / "broker.log",
        health=f"kafka://127.0.0.1:{behind}",
    )  # fmt: skip
    try:
        broker.start()
        broker.wait_ready(10)
        with closing(Gateway(front, behind)) as found:
            yield found
    finally:
        broker.stop(2)


@pytest.fixture
def environment(
    gateway: Gateway, authority: Authority, database_url: str, topic: str, tmp_path: Path
) -> dict[str, str]:
    """Settings of a process that reaches the gateway by SASL over TLS, with a client certificate."""
    certificate, key = authority.issue(f"client-{topic}")
    gateway.demand(server_side(authority, clients=authority), ("SCRAM-SHA-512",))
    kafka = {
        "BOOTSTRAP_SERVERS": gateway.servers, "SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512",
        "SASL_USERNAME": USER, "SASL_PASSWORD": PASSWORD, "SSL_CAFILE": str(authority.file),
        "SSL_CERTFILE": str(certificate), "SSL_KEYFILE": str(key), "GROUP": topic, "PARTITIONS": "1",
        "PREDICTIONS_TOPIC": f"{topic}.p", "LABELS_TOPIC": f"{topic}.l", "DEPLOYMENTS_TOPIC": f"{topic}.d",
    }  # fmt: skip
    return {
        **os.environ, "SNELLEN_CONFIG": os.devnull, "SNELLEN_HOME": str(tmp_path), "SNELLEN_DATABASE_URL": database_url,
        **{f"SNELLEN_KAFKA__{name}": value for name, value in kafka.items()},
    }  # fmt: skip
