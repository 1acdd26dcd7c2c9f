"""Vectors that the embed group stored before ingest met another record of the same id, which brings some along."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch, Partition
from monitor.formats import FormatOptions, native
from monitor.services.embed import EmbedService
from monitor.services.ingest import IngestService
from monitor.store.embeddings import EmbeddedPrediction
from tests.integration.conftest import NOW, make_service
from tests.integration.plain_embedding import embed_service
from tests.integration.test_embed_pairs import PlainEncoder, vector_of

Build = Callable[..., dict[str, Any]]
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
OTHER = Partition("cluster", "t", "22222222-2222-2222-2222-222222222222", 0)
"""The embed group has read this one further than the ingest group."""


def vectors(*kinds: str, fill: float = 1.0) -> list[dict[str, Any]]:
    data = base64.b64encode(np.full(PlainEncoder.dimension, fill, "<f2").tobytes()).decode()
    return [{"kind": one, "embedder": PlainEncoder.fingerprint, "dtype": "f2", "data": data} for one in kinds]


@pytest.fixture
def sketched() -> list[EmbeddedPrediction]:
    return []


@pytest.fixture
def embed(engine: Engine, sketched: list[EmbeddedPrediction]) -> EmbedService:
    return embed_service(engine, native.decoder(FormatOptions()), lambda _, rows: sketched.extend(rows))


def a_record(prediction: Build, name: str, **changes: Any) -> dict[str, Any]:
    return prediction(name, input={"prompt": "What is it?"}, **changes)


@pytest.mark.parametrize("packs", [True, False])
def test_they_stop_no_partition_stay_as_they_are_and_count_once(
    engine: Engine, embed: EmbedService, send: Send, prediction: Build, rows: Rows,
    sketched: list[EmbeddedPrediction], packs: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if not packs:
        monkeypatch.setattr("monitor.services.ingest.MAX_PACKED", 0)
    events = [
        a_record(prediction, "good", embeddings=vectors("image")),
        a_record(prediction, "both", embeddings=vectors("image", "prompt")),
        a_record(prediction, "last"),
    ]
    ingest = IngestService(engine, make_service(engine)._options, lambda _, rows: sketched.extend(rows))
    ingest.write(send(a_record(prediction, "earlier", embeddings=vectors("image"))), NOW)  # the embedder is known
    assert embed.write(send(a_record(prediction, "both"), partition=OTHER), NOW).vectors == 2

    assert ingest.write(send(*events), NOW) == {("t", "accepted"): 3}
    found = rows("SELECT request_id, kind FROM embeddings ORDER BY 1, 2")
    assert found == [("both", "answer"), ("both", "image"), ("both", "prompt"), ("earlier", "image"), ("good", "image")]
    assert sorted((row.request_id, kind) for row in sketched for kind in row.vectors) == found
    [kept] = [row.vectors["prompt"] for row in sketched if "prompt" in row.vectors]
    np.testing.assert_array_equal(kept, vector_of("What is it?"))
    assert rows("SELECT next_offset FROM stream_offsets ORDER BY topic_id") == [4, 1]


def test_what_is_not_stored_is_sketched_beside_them(
    engine: Engine, embed: EmbedService, send: Send, prediction: Build, rows: Rows, sketched: list[EmbeddedPrediction]
) -> None:
    """All vectors count, whatever is stored of them."""
    options = make_service(engine, store_rate=0.5, label_rate=0.0)._options
    ingest = IngestService(engine, options, lambda _, rows: sketched.extend(rows))
    names = [f"r{number}" for number in range(40)]
    embed.write(send(*(a_record(prediction, name) for name in names), partition=OTHER), NOW)
    sketched.clear()
    ingest.write(send(*(a_record(prediction, name, embeddings=vectors("prompt")) for name in names)), NOW)
    stored = set(rows("SELECT request_id FROM predictions"))
    assert 0 < len(stored) < 40
    assert {row.request_id for row in sketched} == set(names) - stored


def test_poison_beside_them_is_found(
    engine: Engine, embed: EmbedService, send: Send, prediction: Build, rows: Rows
) -> None:
    embed.write(send(a_record(prediction, "both"), partition=OTHER), NOW)
    poison = a_record(prediction, "poison", embeddings=[{**vectors("image")[0], "embedder": "a\x00b"}])
    events = [a_record(prediction, "both", embeddings=vectors("prompt")), poison, a_record(prediction, "good")]
    make_service(engine).write(send(*events), NOW)
    assert rows("SELECT request_id FROM predictions ORDER BY 1") == ["both", "good"]
    assert rows("SELECT record_offset FROM dead_letters") == [1]
