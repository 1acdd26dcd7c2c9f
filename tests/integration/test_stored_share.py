"""More traffic than storage should hold: everything counts, a known share is stored, and estimates from it hold."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.sampling import LABEL_KEY, selected
from monitor.services.draw_labels import LabelDesign
from monitor.services.ingest import IngestService
from monitor.store.embeddings import EmbeddedPrediction
from tests.integration.conftest import NOW, make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

RATE, LABEL_RATE = 0.2, 0.1
INCLUSION = 1 - (1 - RATE) * (1 - LABEL_RATE)
SITES, PER_SITE = 40, 250
SEED = 20261121


def sampling(engine: Engine, sketched: list[EmbeddedPrediction]) -> IngestService:
    labels = LabelDesign(rate=LABEL_RATE)
    options = replace(make_service(engine)._options, store_rate=RATE, labels=labels, max_slice_values=SITES)
    return IngestService(engine, options, lambda _, rows: sketched.extend(rows))


@pytest.fixture
def truth(engine: Engine, send: Send, prediction: Build) -> dict[str, Any]:
    """Latencies and statuses [site, event] of traffic that was ingested at `RATE`; every event has a vector."""
    rng = np.random.default_rng(SEED)
    latency = rng.gamma(2.0, 40.0, (SITES, PER_SITE)).round(3)
    failed = rng.random((SITES, PER_SITE)) < rng.uniform(0.02, 0.3, (SITES, 1))
    sketched: list[EmbeddedPrediction] = []
    service = sampling(engine, sketched)
    data = base64.b64encode(np.ones(4, dtype="<f2").tobytes()).decode()
    carried = [{"kind": "image", "embedder": "e@1", "dtype": "f2", "data": data}]
    for site in range(SITES):
        events = [
            prediction(
                f"{site}-{index}",
                status="error" if failed[site, index] else "ok",
                latency_ms=float(latency[site, index]),
                slices={"device": f"s{site}"},
                embeddings=carried,
            )
            for index in range(PER_SITE)
        ]
        service.write(send(*events), NOW)
    return {"latency": latency, "failed": failed, "sketched": sketched}


def test_a_sample_is_stored_everything_counts_and_estimates_agree_within_their_intervals(
    truth: dict[str, Any], rows: Rows
) -> None:
    everything = {f"{site}-{index}" for site in range(SITES) for index in range(PER_SITE)}
    assert rows("SELECT count(*) FROM arrivals") == [SITES * PER_SITE]
    assert rows("SELECT sum(ok), sum(error) FROM rollups_minute WHERE dimension = ''") == [
        ((~truth["failed"]).sum(), truth["failed"].sum())
    ]
    assert {row.request_id for row in truth["sketched"]} == everything

    stored = rows("SELECT request_id FROM predictions")
    assert {one for one in everything if selected(one, LABEL_RATE, LABEL_KEY)} < set(stored) < everything
    assert rows("SELECT DISTINCT inclusion_probability FROM predictions") == [pytest.approx(INCLUSION)]
    assert sorted(rows("SELECT request_id FROM embeddings")) == sorted(stored)
    assert set(rows("SELECT request_id FROM label_tasks")) < set(stored)

    found = rows("""
        SELECT substring(slices ->> 'device' FROM 2)::int AS site, sum(1 / inclusion_probability),
               count(*), avg(latency_ms), stddev_samp(latency_ms), avg((status = 'error')::int)
        FROM predictions GROUP BY 1 ORDER BY 1
    """)
    site, total, n, mean, deviation, share = np.array([[float(one) for one in row] for row in found]).T
    assert site.tolist() == list(range(SITES))
    finite = np.sqrt(1 - n / PER_SITE)
    errors = truth["failed"].mean(axis=1)
    covered = {
        "count": np.abs(total - PER_SITE) <= 1.96 * np.sqrt(PER_SITE * (1 - INCLUSION) / INCLUSION),
        "mean latency": np.abs(mean - truth["latency"].mean(axis=1)) <= 1.99 * finite * deviation / np.sqrt(n),
        "error share": np.abs(share - errors) <= 1.96 * finite * np.sqrt(errors * (1 - errors) / n),  # Wilson's
    }
    # 40 intervals of 95%: with 32 or fewer that cover, 95% would be a claim that 1 of 10,000 seeds bears out.
    assert {name: int(one.sum()) for name, one in covered.items() if one.sum() <= 32} == {}


def test_a_replay_is_stored_whole(engine: Engine, send: Send, prediction: Build, rows: Rows) -> None:
    service = sampling(engine, [])
    service.write(send(*(prediction(f"r{index}") for index in range(100)), replay="again"), NOW)
    assert rows("SELECT count(*), count(inclusion_probability) FROM predictions") == [(100, 0)]


def test_what_was_not_stored_is_still_known_when_it_comes_again(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    service = sampling(engine, [])
    events = [prediction(f"r{index}") for index in range(100)]
    service.write(send(*events), NOW)
    again = service.write(send(*events), NOW)
    assert again == {("t", "duplicate"): 100}
    assert rows("SELECT sum(ok) FROM rollups_minute WHERE dimension = ''") == [100]
