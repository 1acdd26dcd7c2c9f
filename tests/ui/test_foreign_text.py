"""Prompts, slice values, notes and names come from anybody: they are shown, never obeyed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from dashboards.words import escaped_bytes, plain
from monitor.domain.window import Window
from monitor.labelling import cells
from monitor.services.review import ReviewTable
from monitor.services.spreadsheet import table_csv
from monitor.stats.slice_review import SliceLabels, review
from monitor.stats.weighted import weight_sums
from monitor.store.queries.slices import Dimension

Open = Callable[..., AppTest]


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "page", ["overview", "on_call", "slices", "drift", "calibration", "canary", "labels", "slos", "ingest"]
)
def test_no_page_hands_foreign_text_to_a_markdown_reader(open_page: Open, page: str) -> None:
    app = open_page(page)
    assert not app.exception

    for one in (*app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.success):
        assert "<script>" not in one.value
        assert "](http://evil" not in one.value
    assert not [one for one in app.get("html") if "script" in one.proto.body]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_escaped_text_reads_as_one_paragraph_of_text(words: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"a {plain(words)} z")

    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or ()} <= {"text", "text_special"}
    assert tokens[1].children is not None
    assert "".join(child.content for child in tokens[1].children).split() == ["a", *words.split(), "z"]


@given(st.binary())
def test_escaped_bytes_are_printable(raw: bytes) -> None:
    shown = escaped_bytes(raw)

    assert shown.isascii()
    assert not shown or shown.isprintable()


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_a_spreadsheet_gets_no_formula(value: str) -> None:
    labels = weight_sums([True, False])
    (row,) = review([SliceLabels((value,), labels, labels)], labels)
    table = ReviewTable((Dimension("slice", "=cmd"),), (row,), 0, 0)
    now = datetime(2026, 3, 2, tzinfo=UTC)

    sheet = table_csv(table, Window.before(now, timedelta(hours=1)), now)
    first = next(csv.DictReader(StringIO(sheet.decode(), newline="")))

    assert first["value"] == f"'{value}"
    assert cells.plain(first["value"]) == value
    assert first["dimension"] == "'=cmd"
    assert (first["correct"], first["n"]) == ("1", "2")
