"""Prompts, slice values, notes and names come from anybody: they are shown, never obeyed."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from dashboards.words import WORD_JOINER, escaped_bytes, plain
from monitor.domain.window import Window
from monitor.labelling import cells
from monitor.services.review import ReviewTable
from monitor.services.spreadsheet import table_csv
from monitor.stats.slice_review import SliceLabels, review
from monitor.stats.weighted import weight_sums
from monitor.store.queries.slices import Dimension

Open = Callable[..., AppTest]
ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"(https?://|www(?=\.))([-.\w]+)|([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)", re.IGNORECASE)
"""What mdast-util-gfm-autolink-literal, by which Streamlit reads Markdown, makes links of in text without escapes."""


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
    shown = "".join(child.content for child in tokens[1].children)
    assert shown.replace(WORD_JOINER, "").split() == ["a", *words.replace(WORD_JOINER, "").split(), "z"]
    assert not ADDRESS.search(shown)


@given(st.text("htpsw:/.@aA1-_+", max_size=12), st.sampled_from(["http://", "HTTPS://", "www.", "a@", ".x@b."]))
@example("", "mailto:a@")
def test_no_address_becomes_a_link(before: str, address: str) -> None:
    text = f"{before}{address}evil.example"
    tokens = MarkdownIt("commonmark").parse(plain(text))
    shown = "".join(child.content for child in tokens[1].children or ())

    assert not ADDRESS.search(shown), "that is done after the escapes are read"
    assert shown.replace(WORD_JOINER, "") == text


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


def test_tables_and_charts_offer_no_file_of_their_own() -> None:
    """Streamlit would write their cells as they are, formulas included."""
    config = tomllib.loads((ROOT / "dashboards" / ".streamlit" / "config.toml").read_text())
    assert config["client"]["disableDataExport"] is True
    assert set(config["server"]["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}
