"""Retrievals that telemetry tells of: what was asked for, and the documents that were found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.chats import read_json
from monitor.formats.payloads.rows import Fields
from monitor.formats.spans import Attributes


def retrieval(attributes: Attributes) -> Fields:
    """What a span of GenAI conventions says of one.

    Raises:
        InvalidEvent: its documents are no list, or a score is no number.
    """
    documents = read_json(attributes.get("gen_ai.retrieval.documents") or [])
    if not isinstance(documents, list):
        raise InvalidEvent(Rejection.INVALID, "gen_ai.retrieval.documents is no list")
    rows = [one for one in documents if isinstance(one, dict)]
    return {
        "task": "retrieval",
        "input": {"prompt": attributes.get("gen_ai.retrieval.query.text")},
        "output": ranked((one.get("id", one.get("content")), one.get("score")) for one in rows),
        "model": {"name": attributes.get("gen_ai.data_source.id")},
    }


def ranked(documents: Iterable[tuple[Any, Any]]) -> Fields:
    """`output` of a retrieval: what was found with its score; candidates need one, so without any the best is all.

    Raises:
        InvalidEvent: a score is no finite number.
    """
    found = [(str(name), score) for name, score in documents if name is not None]
    if not found:
        return {}
    scored = all(isinstance(score, int | float) for _, score in found)
    if scored and not all(math.isfinite(score) for _, score in found):
        raise InvalidEvent(Rejection.INVALID, "the score of a document is no finite number")
    candidates = [{"answer": name, "score": score} for name, score in found] if scored else []
    return {"answer": found[0][0], "candidates": candidates}
