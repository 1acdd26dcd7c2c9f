"""What services pass becomes records that readers accept, or is told to be invalid."""

from __future__ import annotations

import math
from collections import UserDict
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.broker.plain_values import frozen, label_record, prediction_record, thawed
from monitor.domain.events import Annotator, Candidate, Image, Input, Label, Model, Output, Prediction, Safety, Tokens
from monitor.domain.storable import MAX_DEPTH
from monitor.formats.native import decode

AT = 1_800_000_000.25
LEAST: dict[str, Any] = {"model": "m", "task": "vqa"}


def test_the_least_that_makes_a_prediction() -> None:
    event = decode(prediction_record("r", AT, LEAST))
    ts = datetime.fromtimestamp(AT, UTC)
    assert event == Prediction(request_id="r", ts=ts, model=Model(name="m"), task="vqa", status="ok")


def test_every_field_lands_in_its_place() -> None:
    fields = {
        "ts": datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=2))), "model": "m", "version": "v1",
        "variant": "canary", "task": "vqa", "status": "error", "image": "s3://shots/a.jpg", "prompt": "What?",
        "prompt_template": "short", "context": "kitchen", "answer": "a mug",
        "candidates": [("a mug", 0.9), ["cup", 0.1]],
        "confidence": 0.9, "refused": True, "safety": {"flagged": True, "categories": ["violence"]}, "error_code": "E1",
        "latency_ms": 12, "cost_usd": 0.001, "tokens": {"in": 5, "out": 2, "image": 256}, "slices": {"device": "cam"},
        "preprocess_version": "p", "trace_id": "t", "extra": {"build": 7, "nested": {"a": [1, None]}},
    }  # fmt: skip
    assert decode(prediction_record("r", AT, fields)) == Prediction(
        request_id="r",
        ts=datetime(2026, 11, 20, 10, tzinfo=UTC),
        model=Model(name="m", version="v1", variant="canary"),
        task="vqa",
        status="error",
        input=Input(image=Image(ref="s3://shots/a.jpg"), prompt="What?", prompt_template="short", context="kitchen"),
        output=Output(
            answer="a mug",
            candidates=(Candidate(answer="a mug", score=0.9), Candidate(answer="cup", score=0.1)),
            confidence=0.9,
            refused=True,
            safety=Safety(flagged=True, categories=("violence",)),
        ),
        error_code="E1",
        latency_ms=12,
        cost_usd=0.001,
        tokens=Tokens(input=5, output=2, image=256),
        slices={"device": "cam"},
        preprocess_version="p",
        trace_id="t",
        extra={"build": 7, "nested": {"a": [1, None]}},
    )


def test_an_image_may_be_described() -> None:
    event = decode(prediction_record("r", AT, LEAST | {"image": {"sha256": "a" * 64, "width": 640, "height": 480}}))
    assert isinstance(event, Prediction)
    assert event.input.image == Image(sha256="a" * 64, width=640, height=480)


@pytest.mark.parametrize(
    ("vector", "dtype"),
    [
        (np.arange(4, dtype=np.float32), "f4"), (np.arange(4, dtype=np.float64), "f4"),
        (np.arange(4, dtype=np.float16), "f2"), (np.arange(4, dtype=">f4"), "f4"), ([0.0, 1.0, 2.0, 3.0], "f4"),
        (np.arange(8, dtype=np.float32)[::2] / 2, "f4"),
    ],
)  # fmt: skip
def test_vectors_are_sent_as_little_endian_floats(vector: Any, dtype: str) -> None:
    event = decode(prediction_record("r", AT, LEAST | {"embeddings": {"image": vector}, "embedder": "clip@1"}))
    assert isinstance(event, Prediction)
    [embedding] = event.embeddings
    assert (embedding.kind, embedding.embedder, embedding.dtype) == ("image", "clip@1", dtype)
    np.testing.assert_array_equal(np.frombuffer(embedding.data, f"<{dtype}"), [0, 1, 2, 3])


def test_every_field_of_a_label() -> None:
    fields = {
        "annotator": "jane", "annotator_kind": "human", "verdict": "incorrect", "answers": ["two mugs"], "rating": 10,
        "safety_violation": False, "correction": "two mugs", "comment": "there is another", "extra": {"page": "/a"},
    }  # fmt: skip
    assert decode(label_record("r", AT, fields)) == Label(
        request_id="r",
        ts=datetime.fromtimestamp(AT, UTC),
        annotator=Annotator(id="jane", kind="human"),
        verdict="incorrect",
        answers=("two mugs",),
        rating=10,
        safety_violation=False,
        correction="two mugs",
        comment="there is another",
        extra={"page": "/a"},
    )


def test_a_users_thumb_needs_no_name() -> None:
    event = decode(label_record("r", AT, {"verdict": "correct"}))
    assert isinstance(event, Label)
    assert event.annotator == Annotator(id="anonymous", kind="user")


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"task": "vqa"}, "name"),
    "no task": ({"model": "m"}, "task"),
    "unknown field": (LEAST | {"promt": "?"}, "'promt'"),
    "unknown status": (LEAST | {"status": "fine"}, "status"),
    "text for a number": (LEAST | {"latency_ms": "12"}, "latency_ms"),
    "out of range": (LEAST | {"confidence": 1.5}, "confidence"),
    "NaN": (LEAST | {"confidence": math.nan}, "confidence"),
    "infinite score": (LEAST | {"candidates": [("a", math.inf)]}, "score"),
    "NaN in extra": (LEAST | {"extra": {"x": math.nan}}, "NaN"),
    "time without a zone": (LEAST | {"ts": datetime(2026, 1, 1)}, "ts"),  # noqa: DTZ001
    "NUL": (LEAST | {"prompt": "a\0b"}, "NUL"),
    "lone surrogate": (LEAST | {"prompt": "\ud800"}, "surrogate"),
    "vector without its encoder": (LEAST | {"embeddings": {"image": [1.0]}}, "embedder"),
    "vector of NaN": (LEAST | {"embeddings": {"image": [math.nan]}, "embedder": "e"}, "finite"),
    "matrix": (LEAST | {"embeddings": {"image": np.ones((2, 2))}, "embedder": "e"}, "vector"),
    "vector of another side": (LEAST | {"embeddings": {"video": [1.0]}, "embedder": "e"}, "video"),
    "candidates without scores": (LEAST | {"candidates": ["a", "b"]}, "unpack"),
}


@pytest.mark.parametrize(("fields", "told"), INVALID.values(), ids=INVALID)
def test_what_readers_would_refuse_is_told(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        prediction_record("r", AT, fields)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    event = decode(prediction_record("r", AT, LEAST | {"prompt": "\\u0000"}))
    assert isinstance(event, Prediction)
    assert event.input.prompt == "\\u0000"


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["model", "task", "status", "image", "prompt", "answer", "candidates", "confidence", "slices", "extra", "tokens",
     "safety", "embeddings", "embedder", "ts", "latency_ms", "variant", "nonsense"]
)  # fmt: skip


@settings(max_examples=500)
@given(request_id=st.text(max_size=5), fields=st.dictionaries(names, plain, max_size=6), sound=st.booleans())
def test_whatever_is_passed_becomes_a_record_that_is_read_or_an_error(
    request_id: str, fields: dict[str, Any], sound: bool
) -> None:
    try:
        raw = prediction_record(request_id, AT, (LEAST | {"extra": fields}) if sound else LEAST | fields)
    except Exception:  # noqa: BLE001 (the logger counts them all)
        return
    event = decode(raw)
    assert isinstance(event, Prediction)
    if sound:
        assert event.extra == fields


# ---- frozen copies -------------------------------------------------------------------------------------------------


def copy_of(value: Any) -> Any:
    return thawed(frozen({"x": value}))["x"]


def test_a_copy_does_not_change_with_what_it_was_made_of() -> None:
    vector = np.ones(3)
    given_: dict[str, Any] = {"a": [1, {"b": vector}], "c": (1, 2)}
    content = frozen(given_)
    given_["a"][1]["new"] = 1
    given_["a"].append(2)
    vector[:] = 9
    copied = thawed(content)
    assert copied["c"] == [1, 2]
    assert len(copied["a"]) == 2
    np.testing.assert_array_equal(copied["a"][1]["b"], np.ones(3))


class Colour(StrEnum):
    RED = "red"


class Pair(NamedTuple):
    answer: str
    score: float


def test_values_that_behave_like_plain_ones_become_plain() -> None:
    copied = copy_of([Colour.RED, np.float32(0.5), np.int64(3), np.bool_(True), Pair("a", 1.0), UserDict(a=1)])
    assert copied == ["red", 0.5, 3, True, ["a", 1.0], {"a": 1}]
    assert [type(one) for one in copied] == [str, float, int, bool, list, dict]


def test_moments_keep_their_instant() -> None:
    moment = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    assert copy_of(moment) == moment


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=">f4").reshape(2, 3), np.arange(10.0)[::-3], np.array(1.5), np.zeros((0, 2))]
)
def test_an_array_is_kept_as_it_was(array: Any) -> None:
    kept = copy_of(array)
    assert (kept.dtype, kept.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(kept, array)


@pytest.mark.parametrize("value", [object(), iter([1]), lambda: 1, 1j, np.array([object()])])
def test_other_values_are_refused_at_once_so_that_nothing_holds_on_to_them(value: Any) -> None:
    with pytest.raises(TypeError, match="is no plain value"):
        frozen({"extra": {"x": value}})


def test_circles_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(RecursionError):
        frozen({"extra": circle})


@pytest.mark.parametrize("value", [b"bytes", np.ones(2), datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_json_cannot_carry_is_invalid_inside_extra(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        prediction_record("r", AT, LEAST | {"extra": thawed(frozen({"x": value}))})


@given(plain)
def test_whatever_was_frozen_thaws_to_the_same(value: Any) -> None:
    try:
        copied = copy_of(value)
    except OverflowError:  # more than 64 bits
        return
    assert frozen({"x": copied}) == frozen({"x": value})


@pytest.mark.parametrize(("levels", "accepted"), [(MAX_DEPTH - 1, True), (MAX_DEPTH, False)])
def test_extra_may_be_as_deep_as_readers_accept(levels: int, accepted: bool) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    fields = LEAST | {"extra": {"x": value}}
    if accepted:
        assert decode(prediction_record("r", AT, fields))
    else:
        with pytest.raises(ValueError, match="deeper"):
            prediction_record("r", AT, fields)
