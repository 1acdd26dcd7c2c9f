"""The native format: whatever the bytes, either an event or an InvalidEvent; nothing that was sent is lost."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.events import SCHEMAS, Deployment, Label, Prediction, Rejection, content_hash, encode
from monitor.domain.storable import MAX_DEPTH
from monitor.errors import InvalidEvent
from monitor.formats.native import decode

PREDICTION = {
    "schema": "prediction/v1",
    "request_id": "r1",
    "ts": "2026-11-20T11:59:30Z",
    "model": {"name": "m"},
    "task": "vqa",
    "status": "ok",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "prediction/v1": {
        **PREDICTION,
        "model": {"name": "m", "version": "2", "variant": "canary"},
        "input": {"image": {"ref": "x.jpg", "sha256": "0" * 64, "width": 8}, "prompt": "What?", "context": "c"},
        "output": {
            "answer": "a mug",
            "candidates": [{"answer": "a mug", "score": 0.9}],
            "confidence": 0.9,
            "safety": {"flagged": True, "categories": ["gore"]},
        },
        "latency_ms": 12.5,
        "cost_usd": 0.01,
        "tokens": {"in": 3, "out": 1, "image": 64},
        "slices": {"device": "cam-1"},
        "embeddings": [{"kind": "image", "embedder": "clip@1", "dtype": "f2", "data": "ADwAPA=="}],
    },
    "label/v1": {
        "schema": "label/v1",
        "request_id": "r1",
        "ts": "2026-11-20T12:00:00Z",
        "annotator": {"id": "ann", "kind": "human"},
        "verdict": "correct",
        "answers": ["mug"],
        "rating": 80,
    },
    "deployment/v1": {
        "schema": "deployment/v1",
        "model": "m",
        "version": "2",
        "ts": "2026-11-20T12:00:00Z",
        "action": "rollout",
        "traffic_share": 0.1,
    },
}

numbers = st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(sorted({name for example in EXAMPLES.values() for name in example}))


def read(raw: bytes) -> Prediction | Label | Deployment | None:
    """The event, or None where it was refused; anything else that is raised fails the test."""
    try:
        return decode(raw)
    except InvalidEvent as error:
        refused = error
    assert refused.reason in set(Rejection)
    assert str(refused)
    return None


def write(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(raw: bytes) -> None:
    assert read(raw) is None


@given(values)
def test_any_json_is_an_event_or_refused(value: Any) -> None:
    assert read(json.dumps(value).encode()) is None


@settings(max_examples=300)
@given(st.sampled_from(sorted(EXAMPLES)), st.dictionaries(fields | st.text(max_size=8), values, min_size=1, max_size=4))
def test_an_event_with_any_fields_changed_is_an_event_or_refused(schema: str, changes: dict[str, Any]) -> None:
    event = read(write({**EXAMPLES[schema], **changes}))
    if event is not None:
        assert decode(encode(event)) == event


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_a_truncated_event_is_refused(schema: str, data: st.DataObject) -> None:
    raw = write(EXAMPLES[schema])
    assert read(raw[: data.draw(st.integers(0, len(raw) - 1))]) is None


@given(st.sampled_from(sorted(EXAMPLES)), st.integers(0, 10_000), st.integers(0, 255))
def test_a_flipped_byte_is_an_event_or_refused(schema: str, position: int, byte: int) -> None:
    raw = bytearray(write(EXAMPLES[schema]))
    raw[position % len(raw)] = byte
    read(bytes(raw))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_encoded_is_decoded_to_the_same(schema: str) -> None:
    event = decode(write(EXAMPLES[schema]))
    assert type(event) is SCHEMAS[schema]
    assert decode(encode(event)) == event
    assert encode(decode(encode(event))) == encode(event)


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name not in ("schema", "extra")), values, max_size=4))
def test_unknown_fields_are_kept(unknown: dict[str, Any]) -> None:
    unknown = {name: value for name, value in unknown.items() if name not in EXAMPLES["prediction/v1"]}
    event = read(write({**PREDICTION, **unknown}))
    if event is not None and not {"input", "output"} & set(unknown):
        assert {name: event.extra.get(name) for name in unknown} == unknown


def test_unknown_fields_inside_are_kept_under_their_path() -> None:
    record = {
        **EXAMPLES["prediction/v1"],
        "colour": "red",
        "model": {"name": "m", "owner": "us"},
        "output": {"candidates": [{"answer": "a", "score": 1}, {"answer": "b", "score": 0, "logit": -3}]},
        "extra": {"given": 1},
    }
    event = decode(write(record))
    assert isinstance(event, Prediction)
    assert event.extra == {"given": 1, "colour": "red", "model.owner": "us", "output.candidates[1].logit": -3}
    assert event.embeddings[0].data == bytes.fromhex("003c003c")


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(EXAMPLES)))
def test_the_content_hash_does_not_depend_on_the_order_of_keys(rng: random.Random, schema: str) -> None:
    record = {**EXAMPLES[schema], "unknown": {"b": 1, "a": [{"d": 2, "c": 3}]}}
    assert content_hash(decode(write(_shuffled(record, rng)))) == content_hash(decode(write(record)))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_content_hash_depends_on_every_field(schema: str) -> None:
    record = EXAMPLES[schema]
    hashes = {content_hash(decode(write(record)))}
    changes = {"request_id": "other", "ts": "2026-11-20T12:00:01Z", "model": "other", "version": "9", "note": "n",
               "comment": "c", "rating": 81, "latency_ms": 1, "slices": {}, "unknown": 0, "trace_id": "t"}  # fmt: skip
    known = [name for name in changes if name in {info.name for info in msgspec.structs.fields(SCHEMAS[schema])}]
    for name in [*known, "unknown"]:
        value = {"name": "other"} if (name, schema) == ("model", "prediction/v1") else changes[name]
        hashes.add(content_hash(decode(write({**record, name: value}))))
    assert len(hashes) == len(known) + 2


@pytest.mark.parametrize(
    "schema",
    ["unknown field", "prediction/v2", "", None, 5, [], {"schema": "prediction/v1"}],
)
def test_a_schema_that_is_none_of_ours_is_refused_as_such(schema: Any) -> None:
    for record in ({"schema": schema}, {**PREDICTION, "schema": schema}, {**PREDICTION, "schema": schema, "new": 1}):
        with pytest.raises(InvalidEvent) as refused:
            decode(json.dumps(record).encode())
        assert refused.value.reason == Rejection.UNKNOWN_SCHEMA


@pytest.mark.parametrize("second", ['"label/v1"', '"prediction/v2"', "5", "[]", "null"])
def test_a_schema_that_is_given_twice_is_refused_or_read(second: str) -> None:
    raw = b'{"schema":"prediction/v1","new":1,' + write(PREDICTION)[1:-1] + f',"schema":{second}}}'.encode()
    assert read(raw) is None


@pytest.mark.parametrize("name", ["prompt", "prompt_template", "context"])
def test_a_nul_character_is_refused_however_it_is_nested(name: str) -> None:
    for record in ({"input": {name: "a\x00b"}}, {"new": ["\x00"]}, {"extra": {"\x00": 1}}, {"slices": {"a": "\x00"}}):
        with pytest.raises(InvalidEvent) as refused:
            decode(json.dumps({**PREDICTION, **record}).encode())
        assert refused.value.reason == Rejection.UNSTORABLE
    harmless = decode(json.dumps({**PREDICTION, "input": {name: r"a\u0000b"}}).encode())
    assert isinstance(harmless, Prediction)
    assert getattr(harmless.input, name) == r"a\u0000b"


@pytest.mark.parametrize("field", ["extra", "new"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_and_shallow_nesting_is_kept(field: str, opening: str, closing: str) -> None:
    for depth, kept in [(1, True), (MAX_DEPTH - 1, True), (MAX_DEPTH + 1, False), (900, False), (100_000, False)]:
        value = opening * depth + "1" + closing * depth
        value = f'{{"x":{value}}}' if field == "extra" else value
        event = read(write(PREDICTION)[:-1] + f',"{field}":{value}}}'.encode())
        assert (event is not None) is kept, depth


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "NaN", "Infinity", "1e"])
def test_numbers_that_are_none_or_too_large_are_refused(number: str) -> None:
    for name in ("latency_ms", "new"):
        assert read(write(PREDICTION)[:-1] + f',"{name}":{number}}}'.encode()) is None


@pytest.mark.parametrize("name", ["latency_ms", "cost_usd"])
def test_measures_beyond_what_can_be_added_up_are_refused(name: str) -> None:
    assert read(write({**PREDICTION, name: 1e12})) is not None
    assert read(write({**PREDICTION, name: 1e20})) is None
    assert read(write({**PREDICTION, name: 10**30, "new": 1})) is None


def test_times_of_one_moment_are_one_event_whatever_their_zone() -> None:
    times = ["2026-11-20T11:59:30Z", "2026-11-20T11:59:30+00:00", "2026-11-20T11:59:30.000Z"]
    assert len({content_hash(decode(write({**PREDICTION, "ts": ts}))) for ts in times}) == 1
    event = decode(write({**PREDICTION, "ts": "2026-11-20T13:59:30+02:00"}))
    assert event.ts == datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize("ts", ["0000-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-20", 1763640000, "now", ""])
def test_times_that_are_none_are_refused(ts: Any) -> None:
    assert read(write({**PREDICTION, "ts": ts})) is None


def _shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(item, rng)) for key, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [_shuffled(one, rng) for one in value] if isinstance(value, list) else value
