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
_PICTURE: Final = "image"
"""Of what `quality.KIND` was measured."""
_ANY_MODEL: Final = Model("-")


def to_embed(one: HalfArrival) -> Prediction | None:
    """What there is to embed of one side, as a prediction that says nothing else; None: it can be part of none."""
    half, redacted = one.half, redacted_kinds(one)
    fields: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
    for kind, (part, name) in _PLACES.items():
        fields[part][name] = None if kind in redacted else _said(half, part, name)
    if half.fields.get("embeddings") or not any(one for part in fields.values() for one in part.values()):
        return None
    call = {"schema": "prediction/v1", "request_id": half.call, "ts": half.ts, "model": _ANY_MODEL, "task": "-"}
    try:
        return msgspec.convert({**call, "status": "ok", **fields}, Prediction)
    except msgspec.ValidationError:
        return None


def with_vectors(
    one: HalfArrival, fingerprint: str, vectors: dict[str, Vector], measured: Vector | None
) -> HalfArrival:
    """A side that is about to wait, with what was made of it."""
    made = {name: dict(by_kind) for name, by_kind in (one.vectors or {}).items()}
    made.setdefault(fingerprint, {}).update({kind: _stored(vector) for kind, vector in vectors.items()})
    if measured is not None:
        made[quality.FINGERPRINT] = {quality.KIND: _stored(measured)}
    return replace(one, vectors=made)


def said_kinds(half: Half) -> frozenset[str]:
    """What it says that can be embedded."""
    return frozenset(kind for kind, place in _PLACES.items() if _said(half, *place) is not None)


def redacted_kinds(one: HalfArrival) -> frozenset[str]:
    """What of it is no longer as it came: the vectors were made before that."""
    return said_kinds(one.half) if one.redacted is None else one.redacted


def vectors_of(one: HalfArrival, prelude: HalfArrival, kinds: frozenset[str]) -> dict[str, dict[str, bytes]] | None:
    """Those of a side that takes up a prelude, and of that the ones of these kinds."""
    if prelude.vectors is None:
        return one.vectors
    made = {name: dict(by_kind) for name, by_kind in (one.vectors or {}).items()}
    for name, by_kind in prelude.vectors.items():
        taken = {kind for kind in by_kind if (_PICTURE if kind == quality.KIND else kind) in kinds}
        made.setdefault(name, {}).update({kind: by_kind[kind] for kind in taken})
    return made


def left_to_embed(accepted: Accepted) -> Prediction:
    """The prediction without what one side was embedded for when it began to wait: here that is redacted."""
    event, waited = accepted.arrival.event, _of_waited(accepted).keys()
    if not waited:
        return event
    given = replace(event.input, **dict.fromkeys(waited & {"image", "prompt"}))
    return replace(event, input=given, output=replace(event.output, **dict.fromkeys(waited & {"answer"})))


def made_before(accepted: Accepted, fingerprint: str) -> tuple[dict[str, HalfVector], HalfVector | None]:
    """What this embedder made of what waited, by kind, and what was measured of its picture."""
    waited = _of_waited(accepted)
    found = {kind: (one.vectors or {}).get(fingerprint, {}).get(kind) for kind, one in waited.items()}
    vectors = {kind: _read(vector) for kind, vector in found.items() if vector is not None}
    picture = waited.get(_PICTURE)
    measured = (picture.vectors or {}).get(quality.FINGERPRINT, {}).get(quality.KIND) if picture else None
    return vectors, None if measured is None else _read(measured)


def _of_waited(accepted: Accepted) -> dict[str, HalfArrival]:
    """What the prediction has from what waited, by kind, and the side that says it: the response where both do, as
    `join` has it."""
    saying = {kind: side for side in accepted.sides for kind in said_kinds(side.half)}
    return {kind: side for kind, side in saying.items() if kind in redacted_kinds(side)}


def _said(half: Half, part: str, name: str) -> Any:
    fields = half.fields.get(part)
    return fields.get(name) if isinstance(fields, dict) else None


def _stored(vector: Vector) -> bytes:
    return vector.astype(STORED).tobytes()


def _read(content: bytes) -> HalfVector:
    return np.frombuffer(content, STORED).astype(np.float16)
