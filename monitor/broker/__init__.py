"""Kafka: the only place that imports its client."""

from monitor.broker.client import ClientConfig
from monitor.broker.sink import Sink
from monitor.broker.source import Source
from monitor.broker.topics import ensure_topics, topic_ends

__all__ = ["ClientConfig", "Sink", "Source", "ensure_topics", "topic_ends"]
