"""The annotator's page: one task after another, by name, and what the labels say of the annotators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from monitor import bootstrap
from monitor.domain.events import MAX_NAME
from monitor.errors import StoreUnavailable
from monitor.services.label_tasks import LabelDesk

Open = Callable[..., AppTest]


@pytest.fixture
def queue(seeded: Engine) -> Engine:
    """Three of the seeded predictions wait again, one of them for two people; the two without a prediction do not."""
    with seeded.begin() as connection:
        connection.execute(text("DELETE FROM label_tasks WHERE request_id LIKE 'nobody%'"))
        connection.execute(text("DELETE FROM labels WHERE request_id IN ('today-b-66', 'today-b-67', 'today-b-68')"))
        connection.execute(
            text(
                "UPDATE label_tasks SET answers = 0, answered_at = NULL, "
                "annotators = CASE request_id WHEN 'today-b-67' THEN 2 ELSE 1 END "
                "WHERE request_id IN ('today-b-66', 'today-b-67', 'today-b-68')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO arrivals SELECT request_id, 'x'::bytea, ts FROM predictions "
                "WHERE request_id LIKE 'today-b%'"
            )
        )
    return seeded


def sit_down(open_page: Open, name: str, what: str = "Judge") -> AppTest:
    app = open_page("labels")
    next(one for one in app.text_input if one.label == "Your name").set_value(name).run()
    if what != "Judge":
        next(one for one in app.segmented_control if one.label == "What").set_value(what).run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> None:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception


def fill(app: AppTest, label: str, words: str) -> None:
    next(one for one in app.text_input if one.label == label).set_value(words)


def said(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.caption, *app.markdown, *app.text)).replace("\\", "")


def answered(app: AppTest) -> tuple[str, str]:
    """The card's value, and what stands below it."""
    below = next(one.value for one in app.caption if " drawn" in one.value and "range" not in one.value)
    return next(one.value for one in app.metric if one.label == "Answered"), below.replace("\\", "")


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_nobody_judges_without_a_name(open_page: Open, queue: Engine) -> None:
    app = open_page("labels")
    assert not app.exception
    assert "Say who you are" in said(app)
    assert not [one for one in app.button if one.label == "Correct"]
    assert rows(queue, "SELECT count(*) FROM label_tasks WHERE claimed_by IS NOT NULL") == [(0,)]


def test_a_verdict_is_a_label_and_the_next_task_comes(open_page: Open, queue: Engine) -> None:
    app = sit_down(open_page, "Ada")
    assert rows(queue, "SELECT request_id, claimed_by FROM label_tasks WHERE claimed_by IS NOT NULL") == [
        ("today-b-66", "Ada")
    ]
    assert "two cats" in said(app)
    assert "probability" not in said(app).lower(), "it follows from the confidence"
    fill(app, "What would be right, if it is not", "three cats")
    press(app, "Incorrect")
    assert "Before: today-b-66 → incorrect; the task is done" in said(app)
    assert next(one.value for one in app.text_input if one.label.startswith("What would be right")) == ""
    assert rows(queue, "SELECT verdict, answers, annotator_id FROM labels WHERE request_id = 'today-b-66'") == [
        ("incorrect", ["three cats"], "Ada")
    ]
    assert rows(queue, "SELECT correct FROM verdicts WHERE request_id = 'today-b-66'") == [(False,)]
    assert rows(queue, "SELECT request_id FROM label_tasks WHERE claimed_by = 'Ada'") == [("today-b-67",)]


def test_who_judges_is_shown_without_a_field_until_somebody_else_comes(open_page: Open, queue: Engine) -> None:
    app = sit_down(open_page, "Ada")
    assert "You are **Ada**" in said(app)
    assert "Your name" not in [one.label for one in app.text_input]
    press(app, "Correct")
    assert "Before: today-b-66" in said(app)
    app.switch_page("screens/on_call.py").run()
    assert app.text_input(key="name").value == "Ada"
    app.switch_page("screens/labels.py").run()
    assert "You are **Ada**" in said(app)

    press(app, "Somebody else")
    assert "Say who you are" in said(app)
    fill(app, "Your name", "Bo")
    app.run()
    assert not app.exception
    assert "You are **Bo**" in said(app)
    assert "Before: today-b-66" not in said(app)
    assert rows(queue, "SELECT claimed_by FROM label_tasks WHERE claimed_by IS NOT NULL") == [("Bo",)]


def test_the_longest_name_of_an_annotator_also_takes_care_of_an_alert(open_page: Open, queue: Engine) -> None:
    longest = "n" * MAX_NAME
    app = sit_down(open_page, longest)
    app.switch_page("screens/on_call.py").run()
    press(app, "Acknowledge")
    assert rows(queue, "SELECT acknowledged_by FROM alerts WHERE id = 1") == [(longest,)]


def test_the_answer_before_can_be_judged_again(open_page: Open, queue: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    app = sit_down(open_page, "Ada")
    press(app, "Incorrect")
    press(app, "Judge it again")
    later = bootstrap.now() + timedelta(seconds=9)
    monkeypatch.setattr(bootstrap, "now", lambda: later)
    press(app, "Correct")
    assert rows(queue, "SELECT correct FROM verdicts WHERE request_id = 'today-b-66'") == [(True,)]
    assert rows(queue, "SELECT count(*) FROM labels WHERE request_id = 'today-b-66'") == [(2,)]


def test_the_second_of_two_disagrees_and_a_third_settles_it(open_page: Open, queue: Engine) -> None:
    with queue.begin() as connection:
        connection.execute(text("DELETE FROM label_tasks WHERE request_id IN ('today-b-66', 'today-b-68')"))
    press(sit_down(open_page, "Ada"), "Correct")
    press(sit_down(open_page, "Bo"), "Incorrect")
    st.cache_data.clear()
    assert answered(open_page("labels")) == ("100.0%", "8 of 8 drawn, 1 disputed")
    assert "No dispute waits for you." in said(sit_down(open_page, "Bo", "Settle disputes"))
    app = sit_down(open_page, "Chi", "Settle disputes")
    assert "Ada: correct" in said(app)
    assert "Bo: incorrect" in said(app)
    press(app, "Incorrect")
    assert rows(queue, "SELECT correct FROM verdicts WHERE request_id = 'today-b-67'") == [(False,)]
    st.cache_data.clear()  # which keeps it for a minute
    agreed = next(one.value for one in open_page("labels").dataframe if "who" in one.value)
    assert list(agreed["who"]) == ["Ada, Bo"]
    assert list(agreed["alike"]) == ["0.0%"]


def test_the_last_answer_can_be_judged_again_where_nothing_else_waits(
    open_page: Open, queue: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with queue.begin() as connection:
        connection.execute(text("DELETE FROM label_tasks WHERE request_id IN ('today-b-67', 'today-b-68')"))
    app = sit_down(open_page, "Ada")
    press(app, "Incorrect")
    assert "Nothing waits for you." in said(app)
    assert "Before: today-b-66 → incorrect; the task is done" in said(app)
    press(app, "Judge it again")
    later = bootstrap.now() + timedelta(seconds=9)
    monkeypatch.setattr(bootstrap, "now", lambda: later)
    press(app, "Correct")
    assert rows(queue, "SELECT correct FROM verdicts WHERE request_id = 'today-b-66'") == [(True,)]


def test_what_cannot_be_judged_is_set_aside(open_page: Open, queue: Engine) -> None:
    app = sit_down(open_page, "Ada")
    fill(app, "Comment", "no picture")
    press(app, "Set aside")
    assert rows(queue, "SELECT request_id, skip_reason FROM label_tasks WHERE skipped_at IS NOT NULL") == [
        ("today-b-66", "Ada: no picture")
    ]
    assert "Before: today-b-66 → set aside" in said(app)
    st.cache_data.clear()  # it is read again within seconds
    [aside] = [one.value for one in open_page("labels").dataframe if "who and why" in one.value]
    assert aside.to_dict("records") == [
        {"request": "today-b-66", "stratum": "device=camera-b", "who and why": "Ada: no picture"}
    ]


def test_what_was_answered_meanwhile_is_not_said_to_be_set_aside(open_page: Open, queue: Engine) -> None:
    app = sit_down(open_page, "Ada")
    with queue.begin() as connection:
        connection.execute(text("UPDATE label_tasks SET answered_at = now() WHERE request_id = 'today-b-66'"))
    press(app, "Set aside")
    assert "Before: today-b-66 → not set aside: it is answered or gone" in said(app)
    assert rows(queue, "SELECT count(*) FROM label_tasks WHERE skipped_at IS NOT NULL") == [(0,)]


def test_a_dispute_that_is_set_aside_waits_for_somebody_else(open_page: Open, queue: Engine) -> None:
    with queue.begin() as connection:
        connection.execute(text("DELETE FROM label_tasks WHERE request_id IN ('today-b-66', 'today-b-68')"))
    press(sit_down(open_page, "Ada"), "Correct")
    press(sit_down(open_page, "Bo"), "Incorrect")
    app = sit_down(open_page, "Chi", "Settle disputes")
    fill(app, "Comment", "no picture")
    press(app, "Set aside")
    assert "Before: today-b-67 → left to others" in said(app)
    assert "No dispute waits for you." in said(app)
    assert rows(queue, "SELECT passed_by, skip_reason, claimed_by FROM label_tasks WHERE disputed") == [
        (["Chi"], "Chi: no picture", None)
    ]
    app = sit_down(open_page, "Dee", "Settle disputes")
    press(app, "Correct")
    assert "Before: today-b-67 → correct; the task is done" in said(app)


def test_what_waits_is_shown_by_stratum_with_its_age(open_page: Open, queue: Engine) -> None:
    app = open_page("labels")
    waits = next(one.value for one in app.dataframe if "stratum" in one.value)
    first = {"stratum": "device=camera-b", "waiting": 3, "claimed": 0, "oldest waits for": "2 h"}
    assert waits.iloc[0].to_dict() == first
    found = {one.label: one.value for one in app.metric}
    assert found["Waiting for an annotator"] == "3"
    assert found["Answered"] == "70.0%"


@pytest.mark.usefixtures("queue")
def test_a_stratum_is_chosen_by_a_button_which_leaves_the_keys_to_the_verdicts(open_page: Open) -> None:
    app = sit_down(open_page, "Ada")
    assert "Stratum" not in [one.label for one in app.selectbox]
    strata = next(one for one in app.get("button_group") if one.label == "Stratum")
    strata.set_value("device=camera-b").run()
    for _ in range(3):
        press(app, "Correct")
    assert "Nothing waits for you." in said(app)
    assert next(one for one in app.get("button_group") if one.label == "Stratum").value == "device=camera-b"


def test_a_verdict_that_is_not_stored_is_told_and_can_be_pressed_again(
    open_page: Open, queue: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("PostgreSQL does not answer")

    app = sit_down(open_page, "Ada")
    fill(app, "Comment", "blurred")
    with monkeypatch.context() as patch:
        patch.setattr(LabelDesk, "answer", away)
        patch.setattr("dashboards.data.labels._backlog", away)  # the page that follows cannot be drawn either
        press(app, "Incorrect")
        assert [one.value for one in app.toast] == [
            "**Your verdict was not stored, press again.** PostgreSQL does not answer"
        ]
        assert [one.value for one in app.error] == ["This page cannot be shown."]
    app.run()
    assert next(one.value for one in app.text_input if one.label == "Comment") == "blurred"
    press(app, "Incorrect")
    assert rows(queue, "SELECT verdict, comment FROM labels WHERE request_id = 'today-b-66'") == [
        ("incorrect", "blurred")
    ]


def test_where_no_question_was_logged_the_desk_says_what_is_known_of_the_request(
    open_page: Open, queue: Engine
) -> None:
    with queue.begin() as connection:
        connection.execute(text("UPDATE predictions SET prompt = NULL"))
        connection.execute(text("UPDATE label_tasks SET slices = jsonb_build_object('question', 'background')"))
    assert "No question was logged. Of the request: question = background" in said(sit_down(open_page, "Ada"))
