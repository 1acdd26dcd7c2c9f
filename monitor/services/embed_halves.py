"""Calls in two records as the embed group sees them: a side is embedded as it came, before it is redacted and waits.

So what is embedded does not depend on which sides came together, and no text waits that was to be removed: vectors do.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace

from monitor.domain.events import Model, Prediction
from monitor.domain.halves import Half
from monitor.services.triage import Accepted
from monitor.store.embeddings import STORED, HalfVector, Vector
from monitor.store.halves import HalfArrival
from monitor.streams import image_quality as quality

_PLACES: Final = {"image": ("input", "image"), "prompt": ("input", "prompt"), "answer": ("output", "answer")}
"""Where in `Half.fields` stands what is embedded, by kind."""
_ANY_MODEL: Final = Model("-")


def to_embed(half: Half) -> Prediction | None:
    """What there is to embed of one side, as a prediction that says nothing else; None: it can be part of none."""
    fields: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
    for part, name in _PLACES.values():
        fields[part][name] = _said(half, part, name)
    if half.fields.get("embeddings") or not any(one for part in fields.values() for one in part.values()):
        return None
    call = {"schema": "prediction/v1", "request_id": half.pair_id, "ts": half.ts, "model": _ANY_MODEL, "task": "-"}
    try:
        return msgspec.convert({**call, "status": "ok", **fields}, Prediction)
    except msgspec.ValidationError:
        return None


def with_vectors(
    one: HalfArrival, fingerprint: str, vectors: dict[str, Vector], measured: Vector | None
) -> HalfArrival:
    """A side that is about to wait, with what was made of it."""
    made = {fingerprint: {kind: _stored(vector) for kind, vector in vectors.items()}}
    if measured is not None:
        made[quality.FINGERPRINT] = {quality.KIND: _stored(measured)}
    return replace(one, vectors=made)


def left_to_embed(accepted: Accepted) -> Prediction:
    """The prediction without what one side was embedded for when it began to wait: here that is redacted."""
    event, waited = accepted.arrival.event, _of_waited(accepted)
    if not waited:
        return event
    given = replace(event.input, **dict.fromkeys(waited & {"image", "prompt"}))
    return replace(event, input=given, output=replace(event.output, **dict.fromkeys(waited & {"answer"})))


def made_before(accepted: Accepted, fingerprint: str) -> tuple[dict[str, HalfVector], HalfVector | None]:
    """What this embedder made of the side that waited, by kind, and what was measured of its picture."""
    side, kinds = _waited(accepted), _of_waited(accepted)
    made = side.vectors if side is not None and side.vectors is not None else {}
    vectors = {kind: _read(one) for kind, one in made.get(fingerprint, {}).items() if kind in kinds}
    measured = made.get(quality.FINGERPRINT, {}).get(quality.KIND) if "image" in kinds else None
    return vectors, None if measured is None else _read(measured)


def _waited(accepted: Accepted) -> HalfArrival | None:
    return next((one for one in accepted.sides if one.record is accepted.waited), None)


def _of_waited(accepted: Accepted) -> set[str]:
    """What the prediction has from the side that waited: the response's where both say it, as `join` has it."""
    waited = _waited(accepted)
    if waited is None:
        return set()
    [other] = (one for one in accepted.sides if one is not waited)
    said, said_now = (
        {kind for kind, place in _PLACES.items() if _said(one.half, *place) is not None} for one in (waited, other)
    )
    return said if waited.half.side == "response" else said - said_now


def _said(half: Half, part: str, name: str) -> Any:
    fields = half.fields.get(part)
    return fields.get(name) if isinstance(fields, dict) else None


def _stored(vector: Vector) -> bytes:
    return vector.astype(STORED).tobytes()


def _read(content: bytes) -> HalfVector:
    return np.frombuffer(content, STORED).astype(np.float16)
