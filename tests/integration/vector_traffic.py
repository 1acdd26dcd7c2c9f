"""Hours of traffic with vectors, as ingest stores and sketches them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import HOUR
from monitor.services.ingest import IngestService
from monitor.services.sketches import SketchService

START = datetime(2026, 11, 17, tzinfo=UTC)
PER_HOUR = 60
Hours = Callable[..., None]


def vector_hours(engine: Engine, ingest: IngestService, send: Callable[..., Batch]) -> Hours:
    """Stores hours of traffic with image vectors, around a centre, and confidences."""
    rng = np.random.default_rng(5)
    service = IngestService(engine, ingest._options, SketchService(engine, ("device",), 10).update)

    def store(
        first: int, last: int, *, centre: float = 0.0, embedder: str = "clip@1", per_hour: int = PER_HOUR
    ) -> None:
        events = []
        for number in range((last - first) * per_hour):
            vector = rng.normal(centre, 1.0, 8).astype("<f2")
            data = b64encode(vector.tobytes()).decode()
            events.append(
                {
                    "schema": "prediction/v1", "request_id": f"{embedder}-{first}-{number}", "task": "vqa",
                    "ts": (START + first * HOUR + number * HOUR / per_hour).isoformat(), "status": "ok",
                    "model": {"name": "m", "version": "v1"}, "slices": {"device": f"cam-{rng.integers(2)}"},
                    "output": {"confidence": float(rng.uniform())},
                    "embeddings": [{"kind": "image", "embedder": embedder, "dtype": "f2", "data": data}],
                }
            )  # fmt: skip
        service.write(send(*events), START + last * HOUR)

    return store
