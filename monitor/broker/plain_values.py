"""From what a serving system has at hand to the records of the wire contract: plain values, no types of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.domain import events
from monitor.domain.storable import NUL, TOO_DEEP, has_nul, is_deep

Vector = NDArray[np.floating[Any]] | Sequence[float]


class PredictionFields(TypedDict, total=False):
    """What may be said of a prediction beside its request_id; docs/events.md says what each means.

    `image` is a reference, or a mapping with ref, sha256, width, height and bytes. `candidates` are (answer, score)
    pairs. `embeddings` are vectors by kind (image, prompt, answer); `embedder` is the fingerprint of their encoder.
    """

    ts: datetime
    model: str
    version: str
    variant: str
    task: str
    status: str
    image: str | Mapping[str, object]
    prompt: str
    prompt_template: str
    context: str
    answer: str
    candidates: Sequence[tuple[str, float]]
    confidence: float
    refused: bool
    safety: Mapping[str, object]
    error_code: str
    latency_ms: float
    cost_usd: float
    tokens: Mapping[str, int]
    slices: Mapping[str, str]
    preprocess_version: str
    trace_id: str
    embeddings: Mapping[str, Vector]
    embedder: str
    extra: Mapping[str, object]


class LabelFields(TypedDict, total=False):
    """What may be said of an answer beside its request_id; the annotator is a user unless `annotator_kind` says so."""

    ts: datetime
    annotator: str
    annotator_kind: str
    verdict: str
    answers: Sequence[str]
    rating: float
    safety_violation: bool
    correction: str
    comment: str
    extra: Mapping[str, object]


_MODEL = {"model": "name", "version": "version", "variant": "variant"}
_INPUT = ("image", "prompt", "prompt_template", "context")
_OUTPUT = ("answer", "candidates", "confidence", "refused", "safety")
_TAKEN_APART = {*_MODEL, *_INPUT, *_OUTPUT, "embeddings", "embedder"}
_decode = msgspec.json.Decoder(events.Event).decode


def frozen(fields: Mapping[str, Any]) -> bytes:
    """A copy that the caller cannot change any more: one piece of memory, made in one go, of known size.

    Nothing in it lets go of the interpreter's lock (numpy's own copying of more than 500 elements does, and beside a
    busy thread it takes 5 ms and more to get it back) or leaves work to the garbage collector.

    Raises:
        TypeError, ValueError, RecursionError: something is no plain value, or contains itself.
    """
    return _freeze(fields)


def thawed(content: bytes) -> dict[str, Any]:
    """What was frozen, with lists for tuples and dicts for mappings."""
    fields: dict[str, Any] = _thaw(content)
    return fields


def _freeze_other(value: Any) -> Any:
    match value:
        case np.ndarray() if not value.dtype.hasobject:
            head = _freeze((value.dtype.str, value.shape))
            return msgspec.msgpack.Ext(_ARRAY, len(head).to_bytes(2, "big") + head + value.tobytes())
        case np.generic():
            return value.item()
        case Mapping():
            return dict(value)
    kind = type(value)
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no plain value; of a tensor give .cpu().numpy()")


def _thaw_other(code: int, content: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"no extension has the code {code}")
    data = 2 + int.from_bytes(content[:2], "big")
    dtype, shape = _thaw(content[2:data])
    return np.frombuffer(content[data:], dtype).reshape(shape)


_ARRAY = 1
_freeze = msgspec.msgpack.Encoder(enc_hook=_freeze_other).encode
_thaw: Callable[[bytes | memoryview], Any] = msgspec.msgpack.Decoder(ext_hook=_thaw_other).decode


def prediction_record(request_id: str, logged_at: float, fields: dict[str, Any]) -> bytes:
    """The record of a prediction, as the native format reads it.

    Args:
        logged_at: seconds of the epoch; the time of the event if the fields have none.

    Raises:
        ValueError: it would not be accepted; the message names the field.
    """
    unknown = fields.keys() - PredictionFields.__annotations__.keys()
    if unknown:
        raise ValueError(f"no field is called {', '.join(map(repr, sorted(unknown)))}; put it into extra")
    event = {name: value for name, value in fields.items() if name not in _TAKEN_APART}
    event["model"] = {wire: fields[name] for name, wire in _MODEL.items() if name in fields}
    event["input"] = {name: fields[name] for name in _INPUT if name in fields}
    event["output"] = {name: fields[name] for name in _OUTPUT if name in fields}
    if isinstance(fields.get("image"), str):
        event["input"]["image"] = {"ref": fields["image"]}
    if "candidates" in fields:
        event["output"]["candidates"] = [{"answer": answer, "score": score} for answer, score in fields["candidates"]]
    event["embeddings"] = [
        _embedding(kind, vector, fields.get("embedder")) for kind, vector in fields.get("embeddings", {}).items()
    ]
    return _record({"schema": "prediction/v1", "request_id": request_id, "status": "ok"} | event, logged_at)


def label_record(request_id: str, logged_at: float, fields: dict[str, Any]) -> bytes:
    """The record of a label; see `prediction_record`."""
    unknown = fields.keys() - LabelFields.__annotations__.keys()
    if unknown:
        raise ValueError(f"no field is called {', '.join(map(repr, sorted(unknown)))}; put it into extra")
    event = {name: value for name, value in fields.items() if name not in ("annotator", "annotator_kind")}
    event["annotator"] = {"id": fields.get("annotator", "anonymous"), "kind": fields.get("annotator_kind", "user")}
    return _record({"schema": "label/v1", "request_id": request_id} | event, logged_at)


def _embedding(kind: str, vector: Any, embedder: object) -> dict[str, object]:
    array = np.asarray(vector)
    if array.ndim != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"embeddings.{kind}: a vector of finite numbers is needed")
    dtype = "f2" if array.dtype == np.float16 else "f4"
    return {"kind": kind, "embedder": embedder, "dtype": dtype, "data": array.astype(f"<{dtype}").tobytes()}


def _record(event: dict[str, Any], logged_at: float) -> bytes:
    """Encode, and read again what was encoded: what readers would refuse is found out here."""
    event.setdefault("ts", datetime.fromtimestamp(logged_at, UTC))
    extra = event.get("extra")
    if isinstance(extra, dict) and is_deep(extra):
        raise ValueError(TOO_DEEP)
    typed = msgspec.convert(event, events.Event)
    raw = events.encode(typed)
    if has_nul(raw):
        raise ValueError(NUL)
    if _decode(raw) != typed:
        raise ValueError("JSON cannot carry a value as it is: NaN, infinity, or a date or bytes inside extra")
    return raw
