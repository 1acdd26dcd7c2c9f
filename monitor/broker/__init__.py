"""Kafka: the only place that imports its client."""

from monitor.broker.client import ClientConfig
from monitor.broker.log_queue import LogCounts
from monitor.broker.logger import PredictionLogger
from monitor.broker.sink import Sink
from monitor.broker.source import Source
from monitor.broker.topics import ensure_topics, require_topics, topic_ends

__all__ = [
    "ClientConfig",
    "LogCounts",
    "PredictionLogger",
    "Sink",
    "Source",
    "ensure_topics",
    "require_topics",
    "topic_ends",
]
