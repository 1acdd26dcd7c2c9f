"""The Canary page: what the comparison says is what it shows, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import streamlit
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def worse(seeded: Engine) -> Engine:
    label(seeded, 200, 0.45, 0.45)
    return seeded


@pytest.fixture
def mended(seeded: Engine) -> Engine:
    label(seeded, 1000, 0.3, 1.0)
    return seeded


def label(engine: Engine, n: int, early: float, late: float) -> None:
    """Labels of five hours: stable 85% right; of the canary of the seed (version 2) so many in either half."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"{variant}-{index}", "ts": NOW - 5 * HOUR + timedelta(minutes=1 + 280 * index / n), "variant": variant,
         "version": version, "correct": bool(rng.random() < (first if 2 * index < n else second))}
        for variant, version, n, first, second in (("stable", "1", 2 * n, 0.85, 0.85), ("canary", "2", n, early, late))
        for index in range(n)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                                      inclusion_probability, scorer, slices)
                VALUES (:id, :ts, :ts, 'exam', :version, :variant, 'vqa', :correct, 0.85, 0.1, 'vqa', '{}')
            """),
            rows,
        )


def words(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(one.value for one in (*app.caption, *app.markdown)).replace("\\", "")


@pytest.mark.usefixtures("worse")
def test_a_worse_canary_is_called_worse_with_interval_and_counts(open_page: Open) -> None:
    app = open_page("canary", range="24 h")
    said = words(app)
    rows = {row["measure"]: row for frame in app.dataframe for row in frame.value.to_dict("records")}

    assert ":red-badge" in said
    assert rows["Accuracy"]["verdict"] == "▲ worse"
    assert rows["Accuracy"]["n canary"] == 200
    assert rows["Accuracy"]["interval"].startswith("−")
    assert "exam 2**, served for 5 h" in said
    assert "however often the page is read" in said
    assert "no requests of canary yet" in said
    assert len(app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")) == 2


@pytest.mark.usefixtures("mended")
def test_a_canary_that_was_mended_is_said_to_have_changed(open_page: Open) -> None:
    app = open_page("canary", range="24 h")
    said = words(app)
    rows = {row["measure"]: row for frame in app.dataframe for row in frame.value.to_dict("records")}

    assert rows["Accuracy"]["verdict"] == "◆ changed"
    assert "points at one time and above" in said
    assert "Roll out anew to judge from the change on" in said
    assert ":green-badge" not in said


@pytest.mark.usefixtures("seeded")
def test_a_canary_without_labels_is_undecided_and_not_green(open_page: Open) -> None:
    app = open_page("canary", range="24 h")

    assert "cannot tell yet" in words(app)
    assert "no labels of canary yet" in words(app)
    assert ":green-badge" not in words(app)


def test_a_canary_that_serves_no_more_needs_no_more_labels(open_page: Open, seeded: Engine) -> None:
    label(seeded, 200, 0.82, 0.82)
    serving = words(open_page("canary", range="24 h"))
    assert "more labels of the canary needed" in serving
    with seeded.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO deployments (content_hash, ts, model, version, variant, action)
                VALUES ('2', :ts, 'exam', '2', 'canary', 'rollback')
            """),
            {"ts": NOW - HOUR / 4},
        )
    streamlit.cache_data.clear()
    app = open_page("canary", range="24 h")
    assert "rolled back 2026-03-02 11:45 UTC" in words(app)
    assert "too few labels to tell, and it serves no more" in words(app)
    assert "needed" not in words(app)
    assert "needed" not in str([frame.value["why"].tolist() for frame in app.dataframe])


@pytest.mark.usefixtures("worse")
def test_differences_are_in_points_everywhere(open_page: Open) -> None:
    app = open_page("canary", range="24 h")
    drawn = [json.loads(one.proto.spec) for one in app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")]
    scales = [layer["encoding"]["y"] for chart in drawn for layer in chart["layer"] if "lower" in str(layer)]

    assert "within the shaded margin, 2 pt for accuracy and calibration, 0.5 pt for requests." in words(app)
    assert {one["title"] for one in scales} == {"canary less stable, pt"}
    assert all(one["scale"]["domain"][1] > 1 for one in scales)


@pytest.mark.usefixtures("seeded")
def test_before_any_rollout_the_page_says_how_one_is_told(open_page: Open) -> None:
    app = open_page("canary", **{"range": "Custom", "from": "2026-03-01T00:00", "to": "2026-03-02T06:00"})

    assert "No canary was rolled out before the end of this range" in words(app)
    assert '"action": "rollout"' in words(app)
