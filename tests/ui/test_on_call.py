"""The page behind a message's link: what, how sure, since when, where, and who takes care of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from dashboards.panels.burning import forecast
from dashboards.panels.steps import STEPS
from monitor.sli import SLIS
from monitor.slo.evaluation import State
from monitor.store.queries.slos import SloTick

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("seeded")


def said(app: AppTest) -> str:
    assert not app.exception
    words = "\n".join(one.value for one in (*app.caption, *app.markdown, *app.error, *app.warning, *app.info))
    return words.replace("\\", "")


def test_a_link_without_a_page_leads_to_the_alert(open_page: Open) -> None:
    app = open_page("overview", alert="2")

    assert not app.exception
    assert app.title[0].value == "On-call"
    assert app.selectbox[0].value == 2


def test_the_alert_says_what_burns_and_how_sure_that_is(open_page: Open) -> None:
    app = open_page("on_call", alert="1")
    found = {one.label: one.value for one in app.metric}

    assert found["Burn rate at opening"] == "4.00x"
    assert found["Bad share"] == "60.0%"
    assert found["How sure"] == "≥ 44.0%"
    words = said(app)
    assert "limit 2.52x over 2 h" in words
    assert "60/100 in 2 h" in words
    assert "accuracy burns its error budget too fast" in words
    assert "open since 2026-03-02 11:01 UTC, 59 min" in words
    assert "which ends in 10 h if it goes on as in the last 6 h (95%: 6 h 40 min to 15 h)" in words


@pytest.mark.parametrize(
    ("window", "minutes", "earliest", "latest", "words"),
    [
        (360, 600.0, 400.0, None, "which ends in 10 h if it goes on as in the last 6 h (95%: 6 h 40 min to never)"),
        (360, None, 2880.0, None, "which does not end before 2 d if it goes on as in the last 6 h (95%)"),
        (360, None, None, None, "which does not end if it goes on as in the last 6 h"),
        (4320, 60.0, 50.0, 70.0, "which ends in 1 h if it goes on as in the last 3 d, of whose last 6 h nothing is "
         "known (95%: 50 min to 1 h 10 min)"),
    ],
)  # fmt: skip
def test_a_forecast_says_what_is_known(
    window: int, minutes: float | None, earliest: float | None, latest: float | None, words: str
) -> None:
    known = {"window_minutes": window, "minutes": minutes, "earliest": earliest, "latest": latest}
    tick = SloTick("exam", NOW, State.OK, 1, 100, 0.4, 0.5, (), {"exhaustion": [known]}, backfilled=False)
    assert forecast(tick) == words
    assert forecast(replace(tick, detail={"exhaustion": []})) == "and no event of late to tell when it ends"
    assert forecast(replace(tick, budget_remaining=-0.1)) == "overspent"


def test_the_alert_names_the_slice_that_carries_it(open_page: Open) -> None:
    app = open_page("on_call", alert="1")
    shifts = next(one.value for one in app.dataframe if "excess bad" in one.value)

    assert list(shifts["value"][:2]) == ["", "camera-b"]
    assert shifts.iloc[1]["incident"] == "35.0% (35/100)"
    assert shifts.iloc[1]["before"] == "10.0% (10/100)"
    assert shifts.iloc[1]["change"] == "+25.0 pt *"
    assert shifts.iloc[1]["excess bad"] == 25.0


def test_the_alert_shows_which_side_moved_and_since_when(open_page: Open) -> None:
    app = open_page("on_call", alert="1")
    moved = next(one.value for one in app.dataframe if "during" in one.value)

    assert moved.iloc[0].to_dict() == {
        "stream": "image", "before": "● no drift", "during": "▲ drift", "effect": "0.81 (0.74 to 0.87)",
        "adjusted p": "3e-05", "n": 400, "since (UTC)": "2026-03-02 11:00",
    }  # fmt: skip
    assert "**image** drifted in: device = camera-b" in said(app)


def test_six_wrong_answers_are_shown_and_stay_the_same(open_page: Open) -> None:
    app = open_page("on_call", alert="1")
    prompts = [one.value for one in app.text if "alert(1)" in one.value]

    assert len(prompts) == 6
    assert [one.value for one in app.text].count("→ two cats") == 6
    assert [one.value for one in app.text].count("expected: one dog") == 6
    again = open_page("on_call", alert="1")
    assert [one.value for one in again.caption] == [one.value for one in app.caption]


def test_a_picture_that_may_not_be_read_is_a_reference(open_page: Open) -> None:
    app = open_page("on_call", alert="1")

    assert [one.value for one in app.code].count("/nowhere/picture.png") == 6


def test_acknowledging_needs_a_name_and_is_stored_once(open_page: Open, seeded: Engine) -> None:
    app = open_page("on_call", alert="1")
    app.button[0].click().run()
    assert any("who takes care" in one.value for one in app.warning)

    app.text_input[0].set_value("Ada")
    app.button[0].click().run()

    assert not app.exception
    assert any("Acknowledged by Ada" in one.value for one in app.success)
    with seeded.connect() as connection:
        row = connection.execute(text("SELECT acknowledged_by, acknowledged_at FROM alerts WHERE id = 1")).one()
    assert row.acknowledged_by == "Ada"
    assert row.acknowledged_at is not None


def test_an_alert_is_silenced_and_heard_again_by_name(open_page: Open, engine: Engine) -> None:
    def silences() -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            found = connection.execute(
                text("SELECT slos, created_by, reason, ends_at - starts_at = interval '4 hours', ends_at > :now "
                     "FROM silences"), {"now": NOW}
            )  # fmt: skip
            return [tuple(row) for row in found]

    def click(label: str) -> AppTest:
        return next(one for one in app.button if one.label == label).click().run()

    app = open_page("on_call", alert="1")
    app = click("Silence it")
    assert any("who silences it" in one.value for one in app.warning)
    assert silences() == []

    app.text_input(key="name").set_value("Ada")
    app.button_group(key="silence-length").set_value("4 h")
    app.text_input(key="silence-reason").set_value("disks")
    app = click("Silence it")

    assert silences() == [("exam-accuracy", "Ada", "disks", True, True)]
    assert "**Silence 1**" in said(app)
    app = click("End silence 1")
    assert not app.exception
    assert [row[-1] for row in silences()] == [False]
    assert "**Silence 1**" not in said(app)


def test_recent_changes_are_named_before_the_steps_of_the_objective(open_page: Open) -> None:
    words = said(open_page("on_call", alert="1"))

    assert "1. What was changed: **rollout of 2 (canary)**" in words
    assert "before it. If the burn rate rose right after one of them, undo that first" in words
    assert "2. *What moved* and *Which side moved*" in words


def test_every_sli_has_steps() -> None:
    assert set(STEPS) == set(SLIS)
    assert all(STEPS.values())


def open_another(engine: Engine, severity: str) -> None:
    """An alert of another objective, opened five minutes ago."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts (slo, severity, opened_at, backfilled, state) "
                "VALUES ('other', :severity, :at, false, '{}')"
            ),
            {"severity": severity, "at": NOW - timedelta(minutes=5)},
        )


def test_others_that_were_open_meanwhile_are_linked(open_page: Open, engine: Engine) -> None:
    open_another(engine, "page")
    app = open_page("on_call", alert="1")

    assert "Open at the same time, often of one cause (1):" in said(app)
    assert "Open at the same time" not in said(open_page("on_call", alert="2"))
    assert "page: other, 11:55" in [one.label.replace("\\", "") for one in app.button]


def test_others_that_opened_on_another_day_are_named_with_it(open_page: Open, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts (slo, severity, opened_at, backfilled, state) "
                "VALUES ('other', 'page', '2026-02-27T09:30Z', false, '{}')"
            )
        )
    app = open_page("on_call", alert="1")

    assert "page: other, 2026-02-27 09:30" in [one.label.replace("\\", "") for one in app.button]


def test_alerts_are_told_apart_by_the_beginning_of_their_names(open_page: Open) -> None:
    chosen = open_page("on_call", alert="2").selectbox[0]

    assert [one[:25] for one in chosen.options] == ["#1 · 2026-03-02 11:01 UTC", "#2 · 2026-03-01 16:00 UTC"]


def test_an_open_page_comes_before_a_newer_ticket(open_page: Open, engine: Engine) -> None:
    open_another(engine, "ticket")

    assert open_page("on_call").selectbox[0].value == 1


def test_a_closed_alert_cannot_be_acknowledged(open_page: Open) -> None:
    app = open_page("on_call", alert="2")

    assert not app.exception
    assert not app.button
    assert "backfilled: nobody told" in said(app)


@pytest.mark.parametrize("number", ["99", "x", "-1", "9" * 30, "1;DROP TABLE alerts"])
def test_a_wrong_link_says_so_and_shows_the_alerts_there_are(open_page: Open, number: str) -> None:
    app = open_page("on_call", alert=number)

    assert not app.exception
    assert any("There is no alert" in one.value for one in app.warning)
    assert next(one.options for one in app.selectbox if one.label == "Alert")


def test_without_its_document_an_alert_still_opens(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(text("UPDATE alerts SET slo = 'renamed' WHERE id = 1"))
    app = open_page("on_call", alert="1")

    assert "describes renamed" in said(app)
    assert "The evaluation that opened this alert is not stored" in said(app)


def test_a_quiet_range_says_that_there_is_nothing_to_do(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(text("DELETE FROM alerts"))
    app = open_page("on_call")

    assert "No alert was open in this range" in said(app)


def test_an_incident_of_drift_is_not_broken_down_and_leads_to_what_moved(open_page: Open, slo_dir: Path) -> None:
    document = (Path(__file__).parents[2] / "examples" / "slos" / "drift.yaml").read_text()
    (slo_dir / "exam.yaml").write_text(document.replace("my-vqa-image-drift", "exam-accuracy"))
    words = said(open_page("on_call", alert="1"))

    assert "Images as in the reference is not broken down by slice" in words
    assert "Which side moved" in words


def test_planned_work_is_shown_with_who_and_why(open_page: Open, engine: Engine) -> None:
    with engine.begin() as connection:
        insert = text(
            "INSERT INTO silences (slos, starts_at, ends_at, created_by, reason) "
            "VALUES (:slos, :start, :end, 'ann', 'new [disks](x)')"
        )
        connection.execute(insert, {"slos": "exam-*", "start": "2026-03-02T11:30Z", "end": "2026-03-02T13:00Z"})
        connection.execute(insert, {"slos": "later", "start": "2026-03-02T20:00Z", "end": "2026-03-02T21:00Z"})
        connection.execute(insert, {"slos": "over", "start": "2026-03-02T10:00Z", "end": "2026-03-02T11:00Z"})
    words = said(open_page("on_call", alert="1"))
    assert "**Silence 1**, until 2026-03-02 13:00 UTC: exam-* · ann: new [disks](x)" in words
    assert "**Silence 2**, 2026-03-02 20:00 to 2026-03-02 21:00 UTC (1 h): later" in words
    assert "Silence 3" not in words


@pytest.mark.usefixtures("seeded")
def test_an_address_of_no_alert_stays_and_nothing_is_chosen_for_it(open_page: Open) -> None:
    app = open_page("on_call", alert="99999")
    assert not app.exception
    assert any("There is no alert 99999" in one.value for one in app.warning)
    assert app.query_params["alert"] in ("99999", ["99999"])
    assert not app.metric
    alert = next(one for one in app.selectbox if one.label == "Alert")
    assert alert.value is None
    alert.select_index(0).run()
    assert app.query_params["alert"] in ("1", ["1"])
    assert app.metric


def test_with_nothing_open_the_page_says_so(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(text("UPDATE alerts SET resolved_at = opened_at + interval '5 minutes'"))
    app = open_page("on_call")
    assert any("Nothing is open now." in one.value for one in app.caption)


def test_what_opened_an_alert_is_not_told_twice(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(text("UPDATE alert_transitions SET explanation = 'it burns' WHERE alert_id = 1"))
    head = next(one.value for one in open_page("on_call", alert="1").error)
    assert head.count("it burns") == 1
