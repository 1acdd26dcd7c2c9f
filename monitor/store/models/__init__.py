"""The tables. The only ORM; nothing outside `monitor.store` sees these classes.

Partitioned tables list their key columns first: PostgreSQL demands that the partition column is part of the key.
"""

from monitor.store.models import alerts, audit, drift, estimates, explanations, ingested, labels, streams  # noqa: F401 (so that the metadata is whole)
from monitor.store.models.base import Base

__all__ = ["PARTITIONED_BY_DAY", "Base"]

PARTITIONED_BY_DAY = ("predictions", "embeddings", "arrivals")
