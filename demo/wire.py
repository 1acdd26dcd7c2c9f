"""From the simulation to Snellen's topics, and how far Snellen has got with them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Engine

from monitor import bootstrap
from monitor.broker import Sink, topic_ends
from monitor.domain.events import Deployment, Event, Label, Prediction, encode
from monitor.domain.records import Partition
from monitor.errors import BrokerError
from monitor.settings import Settings
from monitor.store import replays
from monitor.store.engine import transaction

RECONNECT_S: Final = 2.0
PATIENCE_S: Final = 120.0
"""How long the broker may be away."""


class Wire:
    """Sends events, each kind to its topic. Call `close` at the end."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._sink: Sink | None = None

    def send(self, events: Iterable[Event]) -> None:
        """Send and wait for the acknowledgement. What a broker that went away did not take is sent again: its ids
        are known by then or they are not, and Snellen keeps each once.

        Raises:
            BrokerError: it did not come back.
        """
        pending = list(events)
        deadline = time.monotonic() + PATIENCE_S
        while pending:
            try:
                self._send(pending)
            except BrokerError:
                self.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(RECONNECT_S)
            else:
                return

    def mark(self) -> dict[Partition, int]:
        """Where the logs end now."""
        return topic_ends(bootstrap.client_config(self._config), bootstrap.own_topics(self._config))

    def close(self) -> None:
        """Let go of the broker."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _send(self, events: Iterable[Event]) -> None:
        if self._sink is None:
            self._sink = bootstrap.make_sink(self._config)
        for event in events:
            self._sink.send(topic_of(event, self._config), encode(event), key=_key(event))
        self._sink.flush()


class Stored:
    """Asks PostgreSQL how far each consumer group has stored the logs."""

    def __init__(self, config: Settings, engine: Engine) -> None:
        self._engine = engine
        everything, predictions = bootstrap.own_topics(config), (config.kafka.predictions_topic,)
        self._groups = {bootstrap.group(config, "ingest"): everything, bootstrap.group(config, "embed"): predictions}

    def has(self, mark: Mapping[Partition, int]) -> bool:
        """Did both groups store everything before the mark?

        Raises:
            StoreError: no answer.
        """
        with transaction(self._engine) as connection:
            return all(
                stands.get(partition, 0) >= end
                for group, topics in self._groups.items()
                for stands in [replays.positions(connection, group, topics)]
                for partition, end in mark.items()
                if partition.topic in topics
            )


def topic_of(event: Event, config: Settings) -> str:
    """Where an event of its kind goes."""
    kafka = config.kafka
    match event:
        case Prediction():
            return kafka.predictions_topic
        case Label():
            return kafka.labels_topic
        case Deployment():
            return kafka.deployments_topic


def _key(event: Event) -> str:
    return event.model if isinstance(event, Deployment) else event.request_id
