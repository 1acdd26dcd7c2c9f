"""Tensors of one value each are read in one go: what that says is what reading them one by one says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from monitor.errors import InvalidEvent
from monitor.formats.payloads import request_body, response_body
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.tensors import MAX_TENSORS, single_values

SIDES = ("inputs", "outputs")
NAMES = ("image", "PROMPT", "answer", "confidence", "labels", "scores", "vector", "other", "id", "")
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(("https://example.org/a.jpg", "s3://a/b.png", "e\\u0301", "\ud83d\ude00")),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(st.floats(0, 1), max_size=2),
)
TENSORS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(NAMES),
            "shape": st.sampled_from(([1], [1, 1], [], [1, 1, 1], [2], [1, 2], [-1], [-1, 1], 1)),
            "datatype": st.sampled_from(("BYTES", "FP32", "INT64", "BOOL", "??")),
            "data": st.lists(VALUES, max_size=2) | VALUES,
        }
    ),
    min_size=1,
    max_size=4,
)
SINGLES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(NAMES),
            "shape": st.sampled_from(([1], [1, 1], [])),
            "datatype": st.sampled_from(("BYTES", "FP32")),
            "data": st.lists(VALUES, min_size=1, max_size=1),
        }
    ),
    min_size=1,
    max_size=4,
)
ROLES = Roles({"embeddings.image": "vector"})


def _said(side: str, tensors: list[dict[str, Any]]) -> Any:
    """What is read, or what is wrong with it."""
    body = json.dumps({"id": "7", side: tensors}).encode()
    try:
        if side == "inputs":
            return request_body.read_request(body, ROLES, 10_000).rows
        return response_body.read_response(body, ROLES, 10_000, "m").rows
    except InvalidEvent as error:
        return error.reason, str(error)


@given(side=st.sampled_from(SIDES), tensors=SINGLES | TENSORS)
def test_what_is_read_at_once_is_what_is_read_one_by_one(side: str, tensors: list[dict[str, Any]]) -> None:
    one_by_one = [one | {"parameters": {}} for one in tensors]  # the content of none, which asks for a closer look
    assert _said(side, tensors) == _said(side, one_by_one)


def _raw(*tensors: dict[str, Any]) -> Raw:
    return Raw(json.dumps(tensors).encode())


ONE = {"name": "prompt", "shape": [1, 1], "datatype": "BYTES", "data": ["what?"]}


def test_a_call_of_one_item_is_read_at_once() -> None:
    sure = {"name": "confidence", "shape": [1], "datatype": "FP32", "data": [0.5], "parameters": None, "more": 1}
    assert single_values(_raw(ONE, sure)) == {"prompt": ("BYTES", "what?"), "confidence": ("FP32", 0.5)}


@pytest.mark.parametrize(
    "more",
    [
        {"data": ["one", "two"]},
        {"data": [["nested"]]},
        {"data": []},
        {"data": [None]},
        {"shape": [2]},
        {"shape": [-1]},
        {"shape": [1, 1, 1]},
        {"parameters": {"content_type": "hg_json"}},
        {"parameters": {"binary_data_size": 9}},
        {"data": ["x" * 20_000]},
    ],
)
def test_all_else_is_looked_at_closely(more: dict[str, Any]) -> None:
    assert single_values(_raw(ONE | more)) is None


def test_too_many_are_left_to_be_refused() -> None:
    assert single_values(_raw(*[ONE] * MAX_TENSORS)) is not None
    assert single_values(_raw(*[ONE] * (MAX_TENSORS + 1))) is None
