"""Members of one group on the test's topic, and a producer for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from monitor.broker import ClientConfig, Sink, Source, ensure_topics
from tests.integration.source.members import SESSION_MS, Stored


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def member(broker: str, topic: str, stored: Stored) -> Iterator[Callable[..., Source]]:
    """Makes members of one group on the test's topic; all are closed at the end."""
    with ExitStack() as stack:

        def make(**changes: Any) -> Source:
            options = {"session_timeout_ms": SESSION_MS, **changes}
            source = Source(ClientConfig(broker), topic, [topic], stored.position, **options)
            stack.callback(source.close)
            return source

        yield make


@pytest.fixture
def send(broker: str, topic: str) -> Iterator[Callable[..., None]]:
    ensure_topics(ClientConfig(broker), [topic], 2)
    sink = Sink(ClientConfig(broker))

    def send_values(*values: bytes) -> None:
        for value in values:
            sink.send(topic, value, key=value.decode())
        sink.flush()

    yield send_values
    sink.close()
