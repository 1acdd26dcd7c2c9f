"""The streams that are watched for drift. A new one is one line here, in its family's file or in one of its own."""

from __future__ import annotations

from typing import Final

from monitor.streams.embeddings import AGREEMENT, ANSWER, IMAGE, PROMPT
from monitor.streams.image_quality import IMAGE_QUALITY
from monitor.streams.mix import ANSWER_MIX, METADATA
from monitor.streams.scalars import CONFIDENCE, MARGIN
from monitor.streams.stream import OWN, FieldStream, Observed, Vector, Vectors, VectorStream, fingerprint
from monitor.streams.text import ANSWER_TEXT, PROMPT_TEXT

VECTOR_STREAMS: Final[dict[str, VectorStream]] = {
    stream.name: stream for stream in (IMAGE, PROMPT, ANSWER, AGREEMENT, IMAGE_QUALITY)
}
"""Name -> what becomes of a prediction's stored vectors."""

FIELD_STREAMS: Final[dict[str, FieldStream]] = {
    stream.name: stream for stream in (CONFIDENCE, MARGIN, ANSWER_MIX, PROMPT_TEXT, ANSWER_TEXT, METADATA)
}
"""Name -> what becomes of a prediction's own fields."""

STREAMS: Final[dict[str, VectorStream | FieldStream]] = {**VECTOR_STREAMS, **FIELD_STREAMS}

_OWN: Final = frozenset(stream.embedder for stream in VECTOR_STREAMS.values() if stream.embedder)


def vector_streams(embedder: str) -> list[VectorStream]:
    """The streams that read vectors of this embedder (a fingerprint)."""
    return [stream for stream in VECTOR_STREAMS.values() if stream.reads(embedder, _OWN)]


__all__ = [
    "FIELD_STREAMS",
    "OWN",
    "STREAMS",
    "VECTOR_STREAMS",
    "FieldStream",
    "Observed",
    "Vector",
    "VectorStream",
    "Vectors",
    "fingerprint",
    "vector_streams",
]
