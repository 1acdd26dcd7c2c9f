"""Pages, ranges and links."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TITLES = {
    "overview": "Overview",
    "on_call": "On-call",
    "drift": "Drift",
    "calibration": "Calibration",
    "slices": "Slices",
    "canary": "Canary",
    "labels": "Labels",
    "slos": "SLOs and alerts",
    "ingest": "Ingest health",
}


@pytest.mark.usefixtures("seeded")
def test_every_page_can_be_reached_from_every_other(open_page: Open) -> None:
    app = open_page()
    for page, title in (*TITLES.items(), *reversed(TITLES.items())):
        app.query_params.clear()  # as the browser does when another page is chosen
        app.switch_page(f"screens/{page}.py").run()
        assert not app.exception
        assert app.title[0].value == title


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("page", TITLES)
def test_every_page_says_which_range_it_shows(open_page: Open, page: str) -> None:
    app = open_page(page)
    for chosen in ("1 h", "6 h", "24 h", "All", "Custom"):
        next(one for one in app.segmented_control if "range" in one.label).set_value(chosen).run()
        assert not app.exception
        assert sum("Showing **" in caption.value and " UTC (" in caption.value for caption in app.caption) == 1


@pytest.mark.usefixtures("seeded")
def test_a_range_is_chosen_by_click(open_page: Open) -> None:
    app = open_page("slices")
    next(one for one in app.segmented_control if "range" in one.label).set_value("6 h").run()

    assert not app.exception
    assert any("2026-03-02 06:00 to 2026-03-02 12:00 UTC (6 h)" in one.value for one in app.caption)


@pytest.mark.usefixtures("seeded")
def test_a_range_that_ends_before_it_starts_is_explained(open_page: Open) -> None:
    app = open_page("overview", **{"range": "Custom", "from": "2026-03-02T10:00", "to": "2026-03-02T08:00"})

    assert not app.exception
    assert any("ends" in one.value and "before it starts" in one.value for one in app.warning)


@pytest.mark.usefixtures("seeded")
def test_an_empty_range_says_where_the_labels_are(open_page: Open) -> None:
    app = open_page("slices", range="1 h")

    assert not app.exception
    assert any("No labels in this range" in one.value for one in app.markdown)
    assert any("There are some from 2026-03-01 10:00 to 2026-03-02 10:00 UTC" in one.value for one in app.caption)


@pytest.mark.parametrize("page", TITLES)
def test_an_unmigrated_database_is_explained(
    open_page: Open, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", empty_database_url)
    app = open_page(page)

    assert not app.exception
    assert any("run `snellen migrate`" in one.value for one in app.code)


def test_a_database_that_does_not_answer_is_explained(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    app = open_page()

    assert not app.exception
    assert any("PostgreSQL does not answer" in one.value for one in app.code)


def test_no_database_at_all_is_explained(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNELLEN_DATABASE_URL")
    app = open_page()

    assert not app.exception
    assert any("snellen up" in one.value for one in app.code)


@pytest.mark.usefixtures("seeded")
def test_a_broken_slo_document_is_explained(open_page: Open, slo_dir: object) -> None:
    (slo_dir / "exam.yaml").write_text("apiVersion: openslo/v1\nkind: SLO\n")  # type: ignore[operator]
    app = open_page()

    assert not app.exception
    assert any("exam.yaml" in one.value for one in app.code)


@pytest.fixture
def two_models(seeded: Engine, seed: ModuleType) -> None:
    """Beside exam another one, which spoke last and says little."""
    with seeded.begin() as connection:
        seed.insert(connection, "rollups_minute", [{**seed.rollup(NOW, 3, 0), "model": "another"}])


def model_of(app: AppTest) -> tuple[str, str]:
    """As it is chosen, and as the address names it."""
    assert not app.exception
    named = app.query_params["model"]  # a list where the page left it as it was
    chosen = next(one.value for one in app.selectbox if one.label == "Model")
    return chosen, named if isinstance(named, str) else named[0]


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize("page", ["overview", "drift", "canary", "slices", "calibration"])
def test_the_model_with_most_requests_comes_first_and_stands_in_the_address(open_page: Open, page: str) -> None:
    assert model_of(open_page(page, range="24 h")) == ("exam", "exam")
    assert model_of(open_page(page, model="another")) == ("another", "another")


@pytest.mark.usefixtures("two_models")
def test_the_chosen_model_stays_on_every_page(open_page: Open) -> None:
    app = open_page()
    next(one for one in app.selectbox if one.label == "Model").select("another").run()
    for page in ("ingest", "slices", "calibration", "drift"):
        app.query_params.clear()  # as the browser does when another page is chosen
        app.switch_page(f"screens/{page}.py").run()
    assert model_of(app) == ("another", "another")


@pytest.mark.usefixtures("two_models")
def test_slices_that_nobody_named_are_those_of_one_model(open_page: Open) -> None:
    app = open_page("slices", model="all models")
    assert "Slices that nobody had named" in [one.value for one in app.subheader]
    assert any("choose one above" in one.value for one in app.caption)
