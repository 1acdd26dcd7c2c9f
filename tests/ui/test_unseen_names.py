"""An SLO without data because of a name says which, on Overview and on its own page, as plain text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
WORDS = "no event of model '**exma**' is stored; models seen: 'exam'"
SHOWN = r"no event of model \'\*\*exma\*\*\' is stored\; models seen\: \'exam\'"


@pytest.fixture
def misspelt(seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(
            text(
                "UPDATE slo_evaluations SET detail = detail || jsonb_build_object('unseen', :words ::text)"
                " WHERE slo = 'exam-idle'"
            ).bindparams(words=WORDS)
        )


def said(app: AppTest) -> list[str]:
    assert not app.exception
    return [one.value for one in app.caption if SHOWN in one.value]


@pytest.mark.usefixtures("misspelt")
@pytest.mark.parametrize(("page", "places"), [("overview", 1), ("slos", 2)])
def test_it_is_told_where_one_looks(open_page: Open, page: str, places: int) -> None:
    assert len(said(open_page(page, slo="exam-idle"))) == places


@pytest.mark.usefixtures("seeded")
def test_nothing_is_told_of_others(open_page: Open) -> None:
    assert said(open_page("slos")) == []
