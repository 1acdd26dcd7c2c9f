"""Paths: keys, indices, projections, filters, and the record around the row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.mapping import Row
from monitor.mapping.expressions import RowFault, parse

PARTS = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "url": "s3://b/k.png"}, {"type": "text"}]
TURNS = [
    {"role": "user", "content": "Q1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "Q2"},
    {"role": "tool", "content": "t"},
]
REQUEST = {"transform": "json", "of": "$.request"}
ROW = Row(
    1,
    {
        "a": {"b": [1, 2, {"c": 3}]},
        "parts": PARTS,
        "turns": [{"parts": [{"n": 1}, {"n": 2}]}, {"parts": [{"n": 3}]}, {}],
        "scores": [{"label": "mug", "p": 0.75}, {"label": "cup", "p": None}],
        "none": None,
        "request": json.dumps({"messages": TURNS}),
        "text": "no JSON",
    },
    headers={"ce_id": "42", "x-model": "clip"},
    timestamp=datetime(2026, 11, 21, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b[0]", 1),
        ("$.a.b[-1].c", 3),
        ("$.parts[*].type", ["text", "image_url", "text"]),
        ("$.parts[*].text", ["What is it?"]),
        ("$.parts[?type=='text'].text", ["What is it?"]),
        ("$.parts[?type!='text'].url", ["s3://b/k.png"]),
        ("$.turns[*].parts[*].n", [[1, 2], [3]]),
        ("$.scores[?p==0.75].label", ["mug"]),
        ("$.scores[?p == null].label", ["cup"]),
        ("$.scores[?absent==null].label", []),
        ("$.scores[?absent!=null].label", []),
        ("$headers.ce_id", "42"),
        ("$headers['X-Model']", "clip"),
        ("$timestamp", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_a_path_leads_where_it_says(path: str, value: Any) -> None:
    assert parse(path).value(ROW) == value


@pytest.mark.parametrize(
    "path", ["$.a.x", "$.a.b[3]", "$.a.b[-4]", "$.a[*]", "$headers.absent", "$.none.x", "$timestamp.x"]
)
def test_a_path_into_nothing_is_a_fault_that_a_default_mends(path: str) -> None:
    with pytest.raises(RowFault, match="is not in the row"):
        parse(path).value(ROW)
    assert parse({"path": path, "default": None}).value(ROW) is None


@pytest.mark.parametrize(
    "path", ["$x", "$.a..b", "$.a[*", "$.a[?b]", "$.a[?b=='c]", "$header.x", "$timestamps", "a.b", "$.a "]
)
def test_what_is_no_path_is_told_with_examples(path: str) -> None:
    with pytest.raises(ValueError, match=r"is no path; write \$\.name"):
        parse({"path": path})


def test_rows_of_files_have_no_timestamp() -> None:
    with pytest.raises(RowFault):
        parse("$timestamp").value(Row(1, {}))


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"exists": "$.none"}, False),
        ({"exists": "$.absent", "then": "error", "otherwise": "ok"}, "ok"),
        ({"exists": "$.a", "then": "$.a.b[0]"}, 1),
        ({"equals": ["$headers.x-model", "clip"]}, True),
        ({"equals": ["$.absent", "clip"], "otherwise": None}, None),
        ({"first_of": ["$.absent", "$.none", "$.a.b[1]", "$.a"]}, 2),
        ({"first_of": ["$.absent"]}, None),
        ({"transform": "first", "of": "$.parts[?type=='text'].text"}, "What is it?"),
        ({"transform": "first", "of": "$.parts[?type=='audio'].text"}, None),
        ({"transform": "scale", "of": "$.scores[0].p", "by": 1000}, 750.0),
        ({"transform": "elapsed_ms", "of": "$timestamp", "since": "2026-11-20T23:59:59.5"}, 500.0),
    ],
)
def test_choices_and_transforms_work_on_what_is_found(node: Any, value: Any) -> None:
    assert parse(node).value(ROW) == value


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"path": ".messages[0].content", "of": REQUEST}, "Q1"),
        ({"path": ".messages[-1].content", "of": REQUEST}, "t"),
        ({"path": ".messages[?role=='user'].content", "of": REQUEST}, ["Q1", "Q2"]),
        ({"path": "[1]", "of": {"path": ".messages[*].role", "of": REQUEST}}, "assistant"),
        ({"path": "['messages'][0]", "of": REQUEST}, TURNS[0]),
        ({"path": ".c", "of": "$.a.b[2]"}, 3),
        ({"path": ".temperature", "of": REQUEST, "default": 1}, 1),
        ({"path": ".choices", "of": {"transform": "json", "of": "$.none"}, "default": None}, None),
        ({"first_of": [{"path": ".x", "of": {"transform": "json", "of": "$.text"}}, "x"]}, "x"),
    ],
)
def test_a_path_goes_on_from_the_value_of_another_field(node: Any, value: Any) -> None:
    """JSON in texts, as Databricks' inference tables have requests and responses."""
    assert parse(node).value(ROW) == value


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"path": ".x", "of": REQUEST}, r"^\.x \(in `of`\) is not in the row"),
        ({"path": ".x", "of": {"transform": "json", "of": "$.none"}}, r"^\.x \(in `of`\) is not in the row"),
        (
            {"path": ".x", "of": {"transform": "json", "of": "$.absent"}, "default": None},
            r"^\$\.absent is not in the row",
        ),
        ({"path": ".x", "of": {"transform": "json", "of": "$.text"}, "default": None}, "^json: not JSON"),
    ],
)
def test_a_row_without_it_says_which_part_is_missing(node: Any, message: str) -> None:
    with pytest.raises(RowFault, match=message):
        parse(node).value(ROW)


@pytest.mark.parametrize("path", ["$.messages", "messages", "", ".", ".a..b", ".a[", "headers.x", "$headers.x"])
def test_what_is_no_path_into_a_value_is_told_with_an_example(path: str) -> None:
    with pytest.raises(ValueError, match="is no path into the value of `of`; write it without"):
        parse({"path": path, "of": REQUEST})


@pytest.mark.parametrize(
    ("path", "value"), [("$.messages[?role=='user'].content", "Q2"), ("$.messages[?role=='system'].content", None)]
)
def test_the_last_of_several_is_the_newest(path: str, value: str | None) -> None:
    assert parse({"transform": "last", "of": path}).value(Row(1, {"messages": TURNS})) == value
