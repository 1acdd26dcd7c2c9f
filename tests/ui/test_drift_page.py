"""The Drift page: all streams at a glance, alarms that are judged, references that are chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from monitor.domain.slices import ALL_TRAFFIC
from monitor.domain.window import DAY, HOUR
from monitor.store.judgements import judge

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Open = Callable[..., AppTest]
pytestmark = pytest.mark.usefixtures("seeded")


def said(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(one.value for one in (*app.caption, *app.warning, *app.info)).replace("\\", "")


def names(app: AppTest) -> list[Any]:
    """The fields of a person's name: of who judges, blesses, activates."""
    return [one for one in app.text_input if one.label == "Your name"]


def table(app: AppTest, column: str) -> Any:
    return next(one.value for one in app.dataframe if column in one.value)


def test_every_stream_stands_in_one_line_with_what_it_could_have_seen(open_page: Open) -> None:
    row = table(open_page("drift"), "ticks with drift").iloc[0].to_dict()

    assert row["stream"] == "image"
    assert row["newest"] == "▲ drift"
    assert row["ticks with drift"] == "1 of 4"  # the tick at the end of the range belongs to the next
    assert row["persists"] == "no"
    assert (row["n"], row["smallest shift seen"], row["reference"]) == (400, "0.25 SD", "provisional")
    assert row["effect"] == "0.81 (0.74 to 0.87)"


def test_effect_and_distance_say_how_sure_they_are(open_page: Open) -> None:
    app = open_page("drift")
    words = said(app)

    assert next(one.value for one in app.metric if one.label == "Effect") == "0.81"
    assert "0.74 to 0.87 · n = 400" in words
    assert "measured 0.30 SD (0.21 to 0.39)" in words


def test_what_was_stored_before_there_were_intervals_is_shown_without(open_page: Open, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE drift_results SET detail = detail - 'effect_interval' - 'distance_interval'"))
    app = open_page("drift")

    assert table(app, "ticks with drift").iloc[0]["effect"] == "0.81"
    assert "measured 0.30 SD\n" in said(app) + "\n"


def test_a_stream_that_cannot_be_compared_is_named_and_so_is_one_that_was_constant(
    open_page: Open, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO unfitted_streams (model, stream, embedder_id, window_start, window_end, rows, reason, "
                "constant_until) SELECT r.model, said.stream, r.embedder_id, r.window_start, r.window_end, 2040, "
                "'constant in the reference: cannot be compared', r.window_end FROM drift_references r, "
                "(VALUES ('image'), ('prompt_text')) AS said (stream) WHERE r.id = 7"
            )
        )
    words = said(open_page("drift"))
    assert "prompt_text · exam: constant in the reference: cannot be compared (2,040 rows" in words
    assert "image · exam: the same in every row until" in words
    assert words.count("cannot be compared") == 1


def test_drift_in_a_row_is_one_alarm_for_each_slice(open_page: Open) -> None:
    alarms = table(open_page("drift"), "said")

    assert sorted(alarms["slice"]) == ["all traffic", "device = camera-b"]
    assert set(alarms["lasted"]) == {"1 h"}
    assert set(alarms["said"]) == {""}


def test_what_is_said_of_an_alarm_is_kept_and_reported_beside_the_promise(open_page: Open, engine: Engine) -> None:
    app = open_page("drift")
    assert "2 alarms, 0 of them judged. Promised: at most 1.0%" in said(app)
    assert "of a model's ticks give a false alarm where nothing drifts" in said(app)
    names(app)[0].set_value("ann")
    next(one for one in app.button if one.label == "Not useful").click().run()

    assert "2 alarms, 1 of them judged: 100.0% not useful (20.7 to 100.0% · 1/1)" in said(app)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT useful, actor, value FROM drift_judgements")).all()
    assert [tuple(one) for one in kept] == [(False, "ann", "")]

    next(one for one in app.button if one.label == "Useful").click().run()
    assert "1 of them judged: 0.0% not useful" in said(app)


def drifted(engine: Engine, seed: ModuleType, hours: range) -> None:
    """All traffic drifted so many hours ago."""
    with engine.begin() as connection:
        for ago in hours:
            connection.execute(
                text("DELETE FROM drift_results WHERE tick = :tick AND dimension = ''"), {"tick": NOW - ago * HOUR}
            )
            seed.finding(connection, NOW - ago * HOUR, "", "", 400, 1e-5, 0.8)


def test_an_alarm_that_began_before_the_range_is_whole_and_keeps_what_was_said(
    open_page: Open, engine: Engine, seed: ModuleType
) -> None:
    drifted(engine, seed, range(1, 31))
    drifted(engine, seed, range(32, 40))  # an hour that was not compared lies between
    with engine.begin() as connection:
        assert judge(connection, 7, ALL_TRAFFIC, NOW - 30 * HOUR, "ann", NOW, useful=False)
    for chosen, alarms in (("7 d", 3), ("24 h", 2), ("6 h", 2), ("1 h", 2)):
        app = open_page("drift", range=chosen)
        row = table(app, "said").query("slice == 'all traffic'").iloc[0].to_dict()
        assert (row["since (UTC)"], row["lasted"], row["said"]) == ("2026-03-01 06:00", "1 d 6 h", "not useful")
        assert f"{alarms} alarms, 1 of them judged" in said(app)


def test_a_comment_stands_in_the_table_as_it_was_written(open_page: Open, engine: Engine, seed: ModuleType) -> None:
    with engine.begin() as connection:
        judge(connection, 7, ALL_TRAFFIC, NOW - HOUR, "ann", NOW, useful=True, comment=seed.NASTY)
    assert table(open_page("drift"), "said")["comment"].tolist().count(seed.NASTY) == 1


def test_of_a_long_range_the_page_counts_all_and_draws_what_fits(
    open_page: Open, engine: Engine, seed: ModuleType
) -> None:
    with engine.begin() as connection:
        seed.insert(connection, "rollups_minute", [seed.rollup(NOW - 40 * DAY, 9, 1)])
        for hour in range(5, 40 * 24):
            seed.finding(connection, NOW - hour * HOUR, "", "", 400, 0.4, 0.6)
    app = open_page("drift", range="All")

    assert table(app, "ticks with drift").iloc[0]["ticks with drift"] == "1 of 959"
    assert "Drift in 1 of the last 3 ticks of this range: it does not persist" in said(app)
    assert "One point each 6 h: the worst tick of them." in said(app)
    assert "one cell per 6 h, the worst tick of them" in said(app)
    assert "One point each" not in said(open_page("drift"))


def test_nobody_judges_or_blesses_without_a_name(open_page: Open, engine: Engine) -> None:
    app = open_page("drift")
    next(one for one in app.button if one.label == "Not useful").click().run()
    assert "Say who judges it." in said(app)
    next(one for one in app.button if one.label == "Bless").click().run()
    assert "Say who blesses it" in said(app)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM drift_judgements")).scalar_one() == 0


def test_a_name_is_given_once_and_stands_in_every_other_form_and_page(open_page: Open, engine: Engine) -> None:
    app = open_page("drift")
    names(app)[0].set_value("ann")
    next(one for one in app.button if one.label == "Useful").click().run()
    assert {one.value for one in names(app)} == {"ann"}
    next(one for one in app.button if one.label == "Bless").click().run()
    assert "Say who" not in said(app)

    names(app)[1].set_value("bo")
    next(one for one in app.button if one.label == "Bless").click().run()
    next(one for one in app.button if one.label == "Useful").click().run()
    with engine.connect() as connection:
        query = text("SELECT actor FROM drift_judgements ORDER BY id")
        assert connection.execute(query).scalars().all() == ["ann", "bo"]
    app.switch_page("screens/on_call.py").run()
    assert [one.value for one in names(app)] == ["bo"]


def test_traffic_that_cannot_be_blessed_says_why(open_page: Open) -> None:
    app = open_page("drift")
    names(app)[1].set_value("ann")
    [days] = app.date_input
    first = days.value[0] - timedelta(days=20)
    days.set_value((first, first))
    next(one for one in app.button if one.label == "Bless").click().run()
    assert "too short" in said(app)


def test_a_reference_that_cannot_be_read_hinders_nobody_who_blesses_traffic(open_page: Open) -> None:
    """That of the seed has no bytes at all, and its traffic is too little."""
    app = open_page("drift")
    names(app)[1].set_value("ann")
    [days] = app.date_input
    days.set_value((days.value[0], days.value[1] + timedelta(days=1)))
    next(one for one in app.button if one.label == "Bless").click().run()
    assert "at least 200 are needed" in said(app)
    assert "cannot be read" not in said(app)


def test_a_former_reference_that_cannot_be_read_is_told_where_it_is_chosen(open_page: Open, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE drift_references SET active = false"))
    app = open_page("drift")
    names(app)[-1].set_value("ann")
    next(one for one in app.button if one.label == "Activate").click().run()
    assert "hold no snellen fit" in said(app)


def test_a_change_of_encoder_is_told(open_page: Open, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO embedders (fingerprint, dimension) VALUES ('next-encoder', 8)"))
        connection.execute(
            text(
                "INSERT INTO drift_references (id, model, stream, embedder_id, blessed, active, window_start, "
                "window_end, rows, fit) OVERRIDING SYSTEM VALUE "
                "SELECT 8, r.model, r.stream, e.id, false, true, window_start, window_end, 900, '' "
                "FROM drift_references r, embedders e WHERE r.id = 7 AND e.fingerprint = 'next-encoder'"
            )
        )
    words = said(open_page("drift"))
    assert "image: new encoder next-encoder since" in words
    assert "in place of exam-encoder" in words
    assert "no drift" in words
