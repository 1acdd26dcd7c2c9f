"""The Slices page shows each task's own metrics of the answers drawn for labelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from dashboards.words import NOTHING

Open = Callable[..., AppTest]
pytestmark = pytest.mark.usefixtures("seeded")


def tables(app: AppTest, first: str) -> list[list[dict[str, Any]]]:
    """The tables whose first column has this name."""
    assert not app.exception
    return [one.value.to_dict("records") for one in app.dataframe if next(iter(one.value), None) == first]


def test_every_metric_stands_with_its_interval_and_n(open_page: Open) -> None:
    (found,) = tables(open_page("slices", range="24 h", dimension="device"), "metric")
    rows = {row["metric"]: row for row in found}
    assert rows["accuracy"] == {
        "metric": "accuracy", "value": "0.0%", "95% interval": "0.0% to 27.8%", "n": 10, "state": "not enough labels"
    }  # fmt: skip
    assert (rows["exact_match"]["value"], rows["refusal_rate"]["n"]) == ("0.0%", 10)
    assert "yes_bias" not in rows


def test_a_metric_that_labels_leave_open_has_no_value_and_a_reason(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        candidates = """[{"answer": "two cats", "score": 1}, {"answer": "one dog", "score": 0}]"""
        connection.execute(
            text("UPDATE predictions SET task = 'retrieval', candidates = CAST(:candidates AS jsonb)"),
            {"candidates": candidates},
        )
        connection.execute(
            text("UPDATE labels SET verdict = 'incorrect', answers = '[]' WHERE request_id > 'today-b-7'")
        )
    app = open_page("slices", range="24 h", dimension="device")
    rows = {row["metric"]: row for row in tables(app, "metric")[0]}
    assert (rows["hit_at_1"]["value"], rows["hit_at_1"]["n"]) == ("0.0%", 10)
    assert (rows["mrr"]["value"], rows["mrr"]["n"], rows["mrr"]["state"]) == (NOTHING, 4, "not enough labels")
    said = " ".join(one.value for one in app.caption)
    assert "mrr of retrieval: no label says what is right (6 of 10 answers)." in said


def test_a_metric_is_shown_by_slice(open_page: Open) -> None:
    app = open_page("slices", range="24 h", dimension="device")
    (found,) = tables(app, "slice")
    assert [(row["slice"], row["value"], row["n"]) for row in found] == [("camera-b", "0.0%", 10)]
    (choice,) = [one for one in app.selectbox if one.label == "By device"]
    (found,) = tables(choice.select("refusal_rate").run(), "slice")
    assert found[0]["95% interval"] == "0.0% to 27.8%"


def test_a_range_without_draws_says_so(open_page: Open) -> None:
    app = open_page("slices", source="replay: old exam (exam-1)", dimension="run")
    assert not tables(app, "metric")
    said = " ".join(one.value for one in (*app.info, *app.caption, *app.markdown))
    assert "drawn for labelling" in said
