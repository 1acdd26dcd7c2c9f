"""The slices page: what confidences add to labels, and what they say where there are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
import streamlit as st
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from monitor.domain.histograms import CONFIDENCE_BINS, confidence_bins
from monitor.services.estimate_accuracy import estimate_last_day
from monitor.stats.slices import MIN_LABELS

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def confident(engine: Engine, seed: ModuleType) -> Engine:
    """Ten days of answers, half of them sure (9 of 10 right), half not (5 of 10); labels end a day ago."""
    bins = confidence_bins([0.9, 0.5])
    confidence = [500 if index in bins else 0 for index in range(CONFIDENCE_BINS)]
    with engine.begin() as connection:
        for day in range(10):
            at = NOW - (day + 0.5) * DAY
            row = seed.rollup(at.replace(minute=0), 1000, 0)
            seed.insert(connection, "rollups_minute", [{**row, "confidence": confidence}])
            if day >= 1:
                seed.graded(connection, f"sure-{day}", at, 30, 27, {}, confidence=0.9)
                seed.graded(connection, f"unsure-{day}", at, 30, 15, {}, confidence=0.5)
    for day in range(4):
        estimate_last_day(engine, NOW.replace(hour=2) - day * DAY)
    return engine


def figures(app: AppTest) -> dict[str, str]:
    assert not app.exception
    return {one.label: one.value for one in app.metric}


@pytest.mark.usefixtures("confident")
def test_confidences_stand_beside_labels(open_page: Open) -> None:
    app = open_page("slices", range="7 d")
    found = figures(app)
    assert found["All labelled answers"] == "70.00%"
    assert found["With confidences"] == "70.00%"
    assert "more labels" in " ".join(one.value for one in app.caption)


@pytest.mark.parametrize(("before", "said", "shown"), [
    (19, "not enough labels before · n = 19", "–"), (20, "−24.9 to +24.9 pt", "+0.0 pt")
])  # fmt: skip
def test_a_change_is_told_only_where_the_time_before_has_enough_labels(
    open_page: Open, engine: Engine, seed: ModuleType, before: int, said: str, shown: str
) -> None:
    with engine.begin() as connection:
        seed.insert(connection, "rollups_minute", [seed.rollup(NOW - 3 * DAY, 1000, 0)])
        seed.graded(connection, "now", NOW - 3 * DAY, 40, 20, {"device": "a"})
        seed.graded(connection, "before", NOW - 10 * DAY, before, 10, {"device": "a"})
    app = open_page("slices", range="7 d", dimension="device")
    assert figures(app)["Change"] == shown
    assert said in " ".join(one.value for one in app.caption).replace("\\", "")
    (row,) = next(one.value for one in app.dataframe if "change (95%)" in one.value).to_dict("records")
    if before < MIN_LABELS:
        assert (row["change (95%)"], row["before"]) == ("not enough labels before", "n = 19")
    else:
        assert (row["change (95%)"], row["before"]) == ("+0.0 pt (−24.9 to +24.9 pt)", "50.0% of 20")


@pytest.mark.parametrize("page", ["slices", "calibration"])
def test_labels_that_nobody_asked_for_are_no_reason_to_choose_a_range(
    open_page: Open, engine: Engine, seed: ModuleType, page: str
) -> None:
    with engine.begin() as connection:
        seed.insert(connection, "rollups_minute", [seed.rollup(NOW - 3 * DAY, 1000, 0)])
        seed.graded(connection, "complaint", NOW - 3 * DAY, 7, 0, {}, probability=None)
    words = " ".join(one.value for one in open_page(page, range="7 d").caption)
    assert "There are some from" not in words
    assert "7 labelled predictions were not drawn by the sampler" in words

    with engine.begin() as connection:
        seed.graded(connection, "drawn", NOW - 20 * DAY, 40, 20, {})
    st.cache_data.clear()
    words = " ".join(one.value for one in open_page(page, range="7 d").caption)
    assert "There are some from 2026-02-10 12:00 to 2026-02-10 12:00 UTC" in words


@pytest.mark.usefixtures("confident")
def test_where_there_are_no_labels_the_estimate_and_its_record_are_shown(open_page: Open) -> None:
    app = open_page("slices", range="24 h")
    found, words = figures(app), " ".join(one.value for one in (*app.markdown, *app.caption))
    assert list(found) == ["Estimated without labels"]
    assert float(found["Estimated without labels"].rstrip("%")) == pytest.approx(70, abs=1)
    assert "No labels in this range: accuracy is unknown, not good." in words
    assert "**4 of 4** daily estimates agree" in words
    assert "Estimates and labels are of answers that have a confidence." in words
    record = next(one.value for one in app.dataframe)
    assert record["agrees"].tolist() == ["yes"] * 4
    assert record["by labels"].tolist() == ["70.0%"] * 4


@pytest.mark.usefixtures("confident")
def test_an_estimate_says_which_answers_it_is_of(open_page: Open, engine: Engine, seed: ModuleType) -> None:
    silent = {**seed.rollup(NOW - HOUR, 250, 0), "confidence": [0] * CONFIDENCE_BINS}
    with engine.begin() as connection:
        seed.insert(connection, "rollups_minute", [silent])
    words = " ".join(one.value for one in open_page("slices", range="24 h").caption)
    assert "n = 1,000, of the 80.0% of answers that have a confidence" in words.replace("\\", "")


@pytest.mark.usefixtures("seeded")
def test_a_slice_shows_its_wrong_answers_and_leads_to_its_calibration(open_page: Open) -> None:
    app = open_page("slices", range="24 h")
    assert not app.exception
    chosen = next(one for one in app.selectbox if one.label == "Slice")

    assert chosen.value == ("camera-b",)
    assert [one.value for one in app.text].count("expected: one dog") == 6
    chosen.set_value(("camera-a",)).run()
    assert not app.exception
    assert any("No wrong answer is stored" in one.value for one in app.markdown)
