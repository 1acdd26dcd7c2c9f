"""References of traffic that is more than they need, in bursts of near-duplicates: they keep their promise."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import HOUR, Window
from monitor.services import reference_rows
from monitor.services.bless import Actor, bless
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.ingest import IngestService
from monitor.services.references import ReferenceOptions
from monitor.services.sketches import SketchService
from monitor.store import vectors
from monitor.store.engine import transaction

START = datetime(2026, 11, 17, tzinfo=UTC)
REFERENCE = ReferenceOptions(HOUR, 500, 16 * HOUR, slice_dimensions=(), max_slice_values=10)
HOURS, LOOKS, MOST = 40, 40, 2400
Rows = Callable[..., list[Any]]


@pytest.fixture
def busy(engine: Engine, ingest: IngestService, send: Callable[..., Batch]) -> None:
    """At noon 64 bursts an hour of near-duplicates, at night 16; of 5 rows on average. Nothing ever changes."""
    rng = np.random.default_rng(2)
    service = IngestService(engine, ingest._options, SketchService(engine, (), 10).update)
    for hour in range(HOURS + LOOKS):
        events = []
        for burst in range(round(40 - 24 * np.cos(2 * np.pi * hour / 24))):
            centre, sure = rng.standard_normal(6), rng.uniform()
            for place in range(rng.geometric(1 / 5)):
                vector = (centre + 0.02 * rng.standard_normal(6)).astype("<f2")
                events.append(
                    {
                        "schema": "prediction/v1", "request_id": f"{hour}-{burst}-{place}", "task": "vqa",
                        "ts": (START + hour * HOUR + timedelta(seconds=55 * burst + place)).isoformat(),
                        "model": {"name": "m", "version": "v1"}, "status": "ok", "output": {"confidence": sure},
                        "embeddings": [{"kind": "image", "embedder": "clip@1", "dtype": "f2",
                                        "data": b64encode(vector.tobytes()).decode()}],
                    }
                )  # fmt: skip
        service.write(send(*events), START + (hour + 1) * HOUR)


@pytest.mark.usefixtures("busy")
def test_a_reference_of_a_part_of_its_traffic_takes_unchanged_bursts_for_no_drift(
    engine: Engine, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 1%, 40 looks alarm more than twice in one service of 120. Made of every fourth row it was 10 for pictures."""
    monkeypatch.setattr(reference_rows, "MAX_ROWS", MOST)
    monkeypatch.setattr(reference_rows, "MAX_OBSERVED", MOST)
    blessed = Window(START, START + HOURS * HOUR)
    bless(engine, REFERENCE, "m", blessed, ["image", "confidence"], Actor("ann", blessed.end))
    for look in range(LOOKS):
        evaluate_drift(engine, DriftOptions(REFERENCE, alpha=0.01), blessed.end + (look + 1) * HOUR)
    alarms = "SELECT stream, count(*) FILTER (WHERE p_value < 0.01), count(p_value) FROM drift_results " \
        "JOIN drift_references ON id = reference_id WHERE dimension = '' GROUP BY 1"  # fmt: skip
    found = {stream: (alarmed, looks) for stream, alarmed, looks in rows(alarms)}
    assert found.keys() == {"image", "confidence"}
    for alarmed, looks in found.values():
        assert looks == LOOKS
        assert alarmed <= 2

    with transaction(engine) as connection:
        [source] = vectors.sources(connection, blessed)
        taken = reference_rows.rows_of_vectors(connection, source, blessed, 1)
        everything = {one.ts: place for place, one in enumerate(vectors.embedded(connection, source, blessed))}
    assert 0.8 * MOST <= len(taken) <= MOST
    by_hour = defaultdict(list)
    for one in taken:
        by_hour[one.ts.replace(minute=0, second=0)].append(everything[one.ts])
    assert len(by_hour) == 24
    assert all(later == earlier + 1 for places in by_hour.values() for earlier, later in pairwise(places))
