"""An embed service with an encoder that costs nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from monitor.embedding.embedder import Embedder
from monitor.embedding.images import ImageOpener
from monitor.formats import Decoder
from monitor.services.embed import EmbedOptions, EmbedService
from tests.integration.conftest import TOPIC, make_service
from tests.integration.test_embed_pairs import PlainEncoder


def embed_service(engine: Engine, decoder: Decoder, sketch: Any = lambda *_: None) -> EmbedService:
    """It embeds all, and is as `make_service` otherwise."""
    ours = make_service(engine)._options
    options = EmbedOptions(
        group=ours.group, decoders={TOPIC: decoder}, limits=ours.limits, sample_rate=1.0, store_rate=1.0,
        pair_patience=ours.pair_patience, privacy=ours.privacy, max_models=ours.max_models, labels=ours.labels,
    )  # fmt: skip
    encoder: Any = PlainEncoder()
    return EmbedService(
        engine, Embedder(encoder, ImageOpener([], max_bytes=100_000, max_pixels=100_000).open), options, sketch
    )
