"""Every transform on values whose result is known, and on values that it must refuse."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.mapping.transforms import MAX_LITERAL, TRANSFORMS

TABLE = {1: "one", "eng": "English"}


@pytest.mark.parametrize(
    ("name", "of", "arguments", "expected"),
    [
        ("string", 7, {}, "7"),
        ("string", True, {}, "true"),
        ("string", datetime(2026, 11, 21, 10, tzinfo=UTC), {}, "2026-11-21T10:00:00+00:00"),
        ("lower", "Zürich", {}, "zürich"),
        ("number", "0.25", {}, 0.25),
        ("number", "1e3", {}, 1000.0),
        ("integer", "42", {}, 42),
        ("integer", "42.0", {}, 42),
        ("integer", 2**53 + 1, {}, 2**53 + 1),
        ("boolean", "Yes", {}, True),
        ("boolean", 0, {}, False),
        ("json", '{"a": [1, null]}', {}, {"a": [1, None]}),
        ("python_literal", "['left', 'right']", {}, ["left", "right"]),
        ("python_literal", r"('\d', {'a': None})", {}, [r"\d", {"a": None}]),
        ("join", ["Tables", "Maps"], {}, "Tables, Maps"),
        ("join", [1, 2], {"separator": "-"}, "1-2"),
        ("first", ["a", "b"], {}, "a"),
        ("last", ["a", "b"], {}, "b"),
        ("last", [], {}, None),
        ("lookup", "eng", {"table": TABLE}, "English"),
        ("lookup", True, {"table": {"True": "correct", "False": "incorrect"}}, "correct"),
        ("lookup", "fra", {"table": TABLE, "default": "other"}, "other"),
        ("threshold", 0.5, {"at": 0.5}, "1"),
        ("threshold", "0.49", {"at": 0.5, "then": "employed", "otherwise": "not"}, "not"),
        ("max_p_one_minus_p", 0.2, {}, 0.8),
        ("max_p_one_minus_p", 0.5, {}, 0.5),
        (
            "candidates",
            ["cat", "dog"],
            {"scores": [0.9, "0.1"]},
            [{"answer": "cat", "score": 0.9}, {"answer": "dog", "score": 0.1}],
        ),
        ("epoch", 0, {}, datetime(1970, 1, 1, tzinfo=UTC)),
        ("epoch", "1700000000123", {"unit": "ms"}, datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)),
        ("assume_utc", "2026-11-21 10:00:00", {}, datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("assume_utc", datetime(2026, 11, 21, 10), {}, datetime(2026, 11, 21, 10, tzinfo=UTC)),  # noqa: DTZ001 (naive on purpose)
    ],
)
def test_transform_gives(name: str, of: object, arguments: dict[str, object], expected: object) -> None:
    assert TRANSFORMS[name](of, **arguments) == expected


@pytest.mark.parametrize(
    ("name", "of", "arguments", "message"),
    [
        ("string", [1], {}, "a list has no plain text"),
        ("lower", 3, {}, "text was expected, not int"),
        ("number", "nan", {}, "not a finite number"),
        ("number", True, {}, "a truth value is not a number"),
        ("number", "a lot", {}, "could not convert"),
        ("integer", 1.5, {}, "not a whole number"),
        ("boolean", "perhaps", {}, "neither"),
        ("json", "{", {}, "not JSON"),
        ("python_literal", "__import__('os')", {}, "malformed"),
        ("python_literal", "[1, 2", {}, "not a Python literal: SyntaxError"),
        ("python_literal", "(" * 5000 + ")" * 5000, {}, "not a Python literal"),
        ("python_literal", "-" * 50_000 + "1", {}, "not a Python literal"),
        ("python_literal", "{1, 2}", {}, "set has no counterpart in JSON"),
        ("python_literal", "{1: 2}", {}, "dict has no counterpart in JSON"),
        ("python_literal", " " * MAX_LITERAL + "1", {}, "characters"),
        ("join", "abc", {}, "a list was expected"),
        ("last", "abc", {}, "a list was expected"),
        ("lookup", "fra", {"table": TABLE}, "'fra' is not in the table"),
        ("lookup", "fra", {"table": "fra"}, "table must be a mapping"),
        ("threshold", "high", {"at": 0.5}, "could not convert"),
        ("max_p_one_minus_p", 1.2, {}, "not a probability"),
        ("candidates", ["cat"], {"scores": []}, "1 answers but 0 scores"),
        ("epoch", 0, {"unit": "days"}, "unit 'days' is none of"),
        ("epoch", 1e300, {}, "is no date"),
        ("assume_utc", "yesterday", {}, "Invalid isoformat"),
    ],
)
def test_transform_refuses(name: str, of: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        TRANSFORMS[name](of, **arguments)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_python_literal_reads_back_whatever_python_writes(value: object) -> None:
    assert ast.literal_eval(repr(value)) == value
    assert TRANSFORMS["python_literal"](repr(value)) == value


@given(json_values)
def test_json_reads_back_whatever_json_writes(value: object) -> None:
    assert TRANSFORMS["json"](json.dumps(value)) == json.loads(json.dumps(value))


@given(st.floats(0, 1))
def test_confidence_of_a_binary_classifier_is_that_of_the_class_it_answers(p: float) -> None:
    confidence = TRANSFORMS["max_p_one_minus_p"](p)
    answer = TRANSFORMS["threshold"](p, at=0.5)
    assert confidence == (p if answer == "1" else 1 - p)
    assert 0.5 <= confidence <= 1
