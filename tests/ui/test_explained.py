"""What moved, and slices that nobody had named, as pages show them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from dashboards.words import WORD_JOINER
from monitor.discovery import discover, labelled
from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import Window
from monitor.explain import Rows, explain
from monitor.explain.words import in_words
from monitor.store.discoveries import insert_discovery
from monitor.store.engine import transaction
from monitor.store.explanations import Compared, insert_explanation

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("seeded")


def said(app: AppTest) -> str:
    assert not app.exception
    words = "\n".join(one.value for one in (*app.caption, *app.markdown))
    return words.replace("\\", "").replace(WORD_JOINER, "")


def rows(n: int, nasty: float, darker: float, name: str) -> Rows:
    rng = np.random.default_rng(n)
    slices = [{"device": name if rng.random() < nasty else "camera-a"} for _ in range(n)]
    return Rows(slices, features={"brightness": rng.normal(0.5 - darker, 0.1, n)})


@pytest.fixture
def explained(engine: Engine, seed: ModuleType) -> str:
    """An explanation whose first cause bears a name that wants to be more than text; returns its words."""
    found = explain(rows(600, 0.1, 0.0, seed.NASTY), rows(400, 0.7, 0.05, seed.NASTY))
    assert found.first is not None
    compared = Compared(
        seed.MODEL, ALL_TRAFFIC, Window(NOW - 60 * HOUR, NOW - 12 * HOUR), Window(NOW - 3 * HOUR, NOW - HOUR)
    )
    with transaction(engine) as connection:
        insert_explanation(connection, compared, found, [], NOW)
    return in_words(found.first)


@pytest.mark.parametrize("page", ["drift", "on_call"])
def test_what_moved_is_told_in_words_that_stay_words(open_page: Open, explained: str, page: str) -> None:
    app = open_page(page, **({"alert": "1"} if page == "on_call" else {}))
    assert " ".join(explained.split()) in said(app)
    assert "400 requests of" in said(app)
    assert "found on half of them, measured on the other half" in said(app)
    assert all("<script>" not in one.value for one in app.markdown)


@pytest.mark.usefixtures("explained")
def test_the_title_of_the_effects_fits_a_phone(open_page: Open) -> None:
    app = open_page("drift")
    drawn = [one.proto.spec for one in app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")]
    (effects,) = (json.loads(one) for one in drawn if "P(lower)" in one)
    titles = [layer["encoding"]["x"].get("title") for layer in effects["layer"]]

    assert ["effect: P(higher than in the", "reference) − P(lower), 95% interval"] in titles


def test_requests_that_show_what_moved_look_like_those_of_an_incident(
    open_page: Open, engine: Engine, seed: ModuleType
) -> None:
    found = explain(rows(600, 0.1, 0.0, "camera-b"), rows(400, 0.7, 0.05, "camera-b"))
    compared = Compared(
        seed.MODEL, ALL_TRAFFIC, Window(NOW - 60 * HOUR, NOW - 12 * HOUR), Window(NOW - 3 * HOUR, NOW - HOUR)
    )
    shown = [(NOW - 2 * HOUR, f"today-b-{number}") for number in (68, 66)]
    with transaction(engine) as connection:
        insert_explanation(connection, compared, found, shown, NOW)
    app = open_page("drift")
    texts = [one.value for one in app.text]
    assert [one.value for one in app.code] == ["/nowhere/picture.png"] * 2
    assert texts.count("→ two cats") == texts.count("expected: one dog") == 2
    assert [one for one in said(app).splitlines() if "today-b-" in one] == ["today-b-68", "today-b-66"]
    assert "wrong · confidence 90%" in said(app)


def test_without_an_explanation_the_page_says_what_to_do(open_page: Open) -> None:
    assert "No drift was explained in this time." in said(open_page("drift"))


def test_discovered_slices_stand_on_the_slices_page(open_page: Open, engine: Engine, seed: ModuleType) -> None:
    rng = np.random.default_rng(0)
    devices = rng.choice(["a", "b", "c"], 900).tolist()
    right = rng.random(900) < np.array([0.5 if one == "b" else 0.95 for one in devices])
    found = discover(labelled(right, [{"device": one} for one in devices]))
    window = Window(NOW - 28 * 24 * HOUR, NOW - HOUR)
    with transaction(engine) as connection:
        insert_discovery(connection, seed.MODEL, window, found, [[] for _ in found.found], NOW)
    app = open_page("slices", model=seed.MODEL)
    table = next(one.value for one in app.dataframe if "gap" in one.value.columns)
    assert table["slice"].tolist() == ["device = b"]
    assert "900 labels of" in said(app)
    assert "read the interval, not the gap alone" in said(app)


def test_a_search_that_confirmed_nothing_does_not_say_that_nothing_is_worse(
    open_page: Open, engine: Engine, seed: ModuleType
) -> None:
    found = discover(labelled([1] * 300, [{"device": "a"}] * 300))
    with transaction(engine) as connection:
        insert_discovery(connection, seed.MODEL, Window(NOW - 28 * 24 * HOUR, NOW - HOUR), found, [], NOW)
    told = said(open_page("slices", model=seed.MODEL))
    assert "None was confirmed. That does not say that there is none" in told
    assert "300 labels of" in told


def test_without_a_search_the_page_says_what_to_do(open_page: Open, seed: ModuleType) -> None:
    assert "Nobody has looked yet." in said(open_page("slices", model=seed.MODEL))


def test_of_several_explanations_on_call_shows_the_one_nearest_to_the_opening_of_its_alert(
    open_page: Open, explained: str, engine: Engine, seed: ModuleType
) -> None:
    later = explain(rows(600, 0.1, 0.0, seed.NASTY), rows(300, 0.9, 0.05, seed.NASTY))
    compared = Compared(
        seed.MODEL, ALL_TRAFFIC, Window(NOW - 60 * HOUR, NOW - 12 * HOUR), Window(NOW - HOUR, NOW - HOUR / 2)
    )
    with transaction(engine) as connection:
        insert_explanation(connection, compared, later, [], NOW)
        connection.execute(text("UPDATE alerts SET opened_at = :at WHERE id = 1"), {"at": NOW - 2 * HOUR})
    assert "300 requests of" in said(open_page("drift"))
    on_call = said(open_page("on_call", alert="1"))
    assert "400 requests of" in on_call
    assert " ".join(explained.split()) in on_call
