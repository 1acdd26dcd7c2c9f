"""Messages that did not arrive: the Overview says so, because the log of the scheduler is read by nobody who waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from monitor.services.deliver import unset

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def said(app: AppTest) -> list[str]:
    assert not app.exception
    return [one.value for one in app.error if "did not reach" in one.value]


def change(engine: Engine, what: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE notifications SET {what} WHERE channel = 'webhook'"), values)


def test_a_message_that_was_given_up_is_told_with_its_reason(open_page: Open, seeded: Engine) -> None:
    assert said(open_page()) == ["**1 message did not reach the channel webhook** (1 given up): HTTP 410 Gone"]


def test_one_that_waits_for_another_try_is_told_and_stays_in_the_table(open_page: Open, seeded: Engine) -> None:
    """Its next try is due behind the end of the range."""
    change(seeded, "failed_at = NULL, due_at = :due", due=NOW + timedelta(minutes=15))
    [words] = said(open_page())
    assert "(1 tried again by itself)" in words
    assert "1 sent, 0 failed for good, 1 waiting." in [one.value for one in open_page("slos").caption]


def test_one_whose_channel_is_not_set_is_told_by_the_setting(open_page: Open, seeded: Engine) -> None:
    change(seeded, "failed_at = NULL, last_error = :words", words=unset("webhook"))
    [words] = said(open_page())
    assert "(1 sent once it is set)" in words
    assert "alerts\\.webhook\\.url" in words
    tables = [table.value for table in open_page("slos").dataframe if "attempts" in table.value]
    assert "channel not configured" in set(tables[0]["state"])


def test_what_arrived_or_was_not_tried_yet_is_not_told(open_page: Open, seeded: Engine) -> None:
    change(seeded, "failed_at = NULL, last_error = NULL")
    assert said(open_page()) == []


def test_an_answer_of_a_receiver_is_shown_as_text(open_page: Open, seeded: Engine) -> None:
    change(seeded, "last_error = :words", words="**bold** [link](http://evil.example)")
    [words] = said(open_page())
    assert "[link](http" not in words
