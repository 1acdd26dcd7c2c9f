"""What pages ask for: the queries of `monitor.store.queries`, cached for a few seconds. Pages touch no database.

Functions keep the arguments and the result of their query, less the connection.

connection.py   settings, engine, the time of a page, the cache
pulse.py        whether PostgreSQL answers
traffic.py      models, requests, deployments, canaries
quality.py      accuracy, slices, calibration, metrics of tasks
drift.py        findings, alarms, explanations, references
alerts.py       objectives, evaluations, incidents, messages
labels.py       the annotators' desk and backlog
ingest.py       partitions, records, dead letters
pictures.py     thumbnails
"""

from dashboards.data import alerts, drift, ingest, labels, pictures, quality, traffic
from dashboards.data.connection import now, silence

__all__ = ["alerts", "drift", "ingest", "labels", "now", "pictures", "quality", "silence", "traffic"]
