"""Our clients, as tests run them: in this process and as processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.embedded.probes import to_libpq
from monitor.errors import BrokerError, BrokerRefused
from tests.certificates import Authority
from tests.integration.transport.gateway import PASSWORD, USER, Gateway
from tests.pace import exit_code, within


def config(
    gateway: Gateway, authority: Authority, protocol: str, mechanism: str | None, **changes: Any
) -> ClientConfig:
    values: dict[str, Any] = {"bootstrap_servers": gateway.servers, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        values["ssl_cafile"] = str(authority.file)
    if mechanism:
        values |= {"sasl_mechanism": mechanism, "sasl_username": USER, "sasl_password": PASSWORD}
    return ClientConfig(**values | changes)


def refusal(config: ClientConfig, kind: type[BrokerError] = BrokerRefused) -> str:
    """The message with which every kind of client gives up, soon."""
    messages = []
    for connect in (lambda: ensure_topics(config, ["t"], 1), lambda: Sink(config)):
        with pytest.raises(kind) as refused:
            within(15, connect)
        messages.append(str(refused.value))
        assert "\n" not in messages[-1]
        assert PASSWORD not in messages[-1]
    return messages[-1]


def snellen(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def collector(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "collectors", "ingest"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def last_words(process: subprocess.Popen[str], seconds: float) -> str:
    """What a collector says that gives up, in time."""
    assert exit_code(process, seconds) == 1
    assert process.stderr is not None
    return process.stderr.read()


def number(database_url: str, query: LiteralString) -> int:
    with psycopg.connect(to_libpq(database_url)) as connection:
        (found,) = connection.execute(query).fetchone() or (0,)
    return int(found)
