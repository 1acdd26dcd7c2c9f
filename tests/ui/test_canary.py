"""The Canary page: what the comparison says is what it shows, and what is missing is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def worse(seeded: Engine) -> Engine:
    """Labels of five hours: stable 85% right, the canary of the seed (version 2) 45%."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"{variant}-{index}", "ts": NOW - 5 * HOUR + timedelta(minutes=1 + 280 * index / n), "variant": variant,
         "version": version, "correct": bool(rng.random() < accuracy)}
        for variant, version, n, accuracy in (("stable", "1", 400, 0.85), ("canary", "2", 200, 0.45))
        for index in range(n)
    ]  # fmt: skip
    with seeded.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                                      inclusion_probability, scorer, slices)
                VALUES (:id, :ts, :ts, 'exam', :version, :variant, 'vqa', :correct, 0.85, 0.1, 'vqa', '{}')
            """),
            rows,
        )
    return seeded


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


@pytest.mark.usefixtures("seeded")
def test_a_canary_without_labels_is_undecided_and_not_green(open_page: Open) -> None:
    app = open_page("canary", range="24 h")

    assert "cannot tell yet" in words(app)
    assert "no labels of canary yet" in words(app)
    assert ":green-badge" not in words(app)


@pytest.mark.usefixtures("seeded")
def test_before_any_rollout_the_page_says_how_one_is_told(open_page: Open) -> None:
    app = open_page("canary", **{"range": "Custom", "from": "2026-03-01T00:00", "to": "2026-03-02T06:00"})

    assert "No canary was rolled out before the end of this range" in words(app)
    assert '"action": "rollout"' in words(app)
