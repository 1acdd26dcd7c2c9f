"""What every format must keep to, whatever comes: shared by the property tests and by the coverage-guided fuzzer."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from monitor.domain.events import Event, Rejection, encode
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, Decoder, FormatOptions
from monitor.mapping import load_mapping
from monitor.services.reading import OUR_FAULT, Limits
from monitor.services.triage import triage

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "unit" / "formats" / "samples"
MAPPING = ROOT / "examples" / "mappings" / "kafka_topic.yaml"
TOPICS = {
    "seldon2": (
        "seldon.default.model.m.inputs",
        "seldon.default.model.m.outputs",
        "seldon.default.pipeline.p.outputs",
        "seldon.default.errors.errors",
    )
}
"""Where the name of its topic says what is in a record: each is tried."""
NOW = datetime(2025, 11, 21, 12, tzinfo=UTC)
LIMITS = Limits(max_record_bytes=1 << 20, max_future=timedelta(minutes=5), max_age=timedelta(days=36500))
NATIVE = {
    "schema": "prediction/v1", "request_id": "r", "ts": "2025-11-21T10:00:00Z", "model": {"name": "m"}, "task": "vqa",
    "status": "ok", "input": {"image": {"ref": "s3://a/b"}, "prompt": "p"}, "extra": {"x": [1]},
    "output": {"answer": "a", "candidates": [{"answer": "a", "score": 1.5}], "confidence": 0.5},
    "embeddings": [{"kind": "image", "embedder": "e", "dtype": "f2", "data": "ADwAPA=="}],
}  # fmt: skip
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Headers = tuple[tuple[str, bytes], ...]
Sample = tuple[bytes, Headers]


@cache
def decoder(name: str) -> Decoder:
    mapping = load_mapping(MAPPING) if name == "mapping" else None
    return FORMATS[name](FormatOptions(model="m", mapping=mapping, slices={"tenant": "tenant"}))


@cache
def samples(name: str) -> tuple[Sample, ...]:
    """Records of this format; `auto` reads those of all."""
    folders = [SAMPLES / name] if name != "auto" else sorted(SAMPLES.iterdir())
    found = [_read(file) for folder in folders for file in sorted(folder.glob("*.json"))]
    return (*found, (msgspec.json.encode(NATIVE), ())) if name in ("auto", "native") else tuple(found)


def check(name: str, value: bytes, headers: Headers, timestamp_ms: int = 1_763_719_205_000) -> int:
    """Send a record through the door; returns how many things were accepted.

    Raises:
        AssertionError: it was accepted in a form that the wire contract does not allow or PostgreSQL cannot store, or
            refused without a known reason, or a decoder let out what it should not.
    """
    return sum(_check(name, topic, value, headers, timestamp_ms) for topic in TOPICS.get(name, ("t",)))


def _check(name: str, topic: str, value: bytes, headers: Headers, timestamp_ms: int) -> int:
    record = Record(Partition("cluster", topic, "id", 0), 0, timestamp_ms, value, headers)
    sorted_out = triage([record], {topic: decoder(name)}, LIMITS, NOW)
    for one in sorted_out.predictions.values():
        demand_storable(one.arrival.event)
    for label, _ in sorted_out.labels:
        demand_storable(label.event)
    for deployment, _, _ in sorted_out.deployments:
        demand_storable(deployment)
    halves = [one.half for sides in sorted_out.halves.values() for one in sides.values()]
    for half in halves:
        demand_plain(half)
    for refused in sorted_out.rejected:
        assert refused.reason in set(Rejection)
        assert refused.detail
        assert OUR_FAULT not in refused.detail
    return len(sorted_out.predictions) + len(sorted_out.labels) + len(sorted_out.deployments) + len(halves)


def demand_storable(event: Event) -> None:
    """It reads back as it is, so nothing in it is out of range, not a number, or of another type; and holds no NUL."""
    assert event.ts.utcoffset() is not None
    encoded = encode(event)
    assert not _NUL.search(encoded)
    assert encode(msgspec.json.decode(encoded, type=type(event))) == encoded


def demand_plain(half: Half) -> None:
    """It waits as JSON, and is found again by an id of ours."""
    assert half.ts.utcoffset() is not None
    assert 0 < len(half.pair_id) <= 128
    encoded = msgspec.json.encode(half.fields)
    assert not _NUL.search(encoded)
    assert msgspec.json.encode(msgspec.json.decode(encoded)) == encoded


def _read(file: Path) -> Sample:
    content = json.loads(file.read_text())
    value = base64.b64decode(content["value_base64"]) if "value_base64" in content else content["value"].encode()
    return value, tuple((key, text.encode()) for key, text in content["headers"].items())
