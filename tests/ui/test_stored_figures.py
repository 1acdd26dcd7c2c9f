"""What stands in the database is what stands on the page, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import streamlit as st
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from monitor import bootstrap
from monitor.domain.window import DAY, HOUR
from monitor.scheduler import JOBS
from monitor.stats.calibration import calibration

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Open = Callable[..., AppTest]
pytestmark = pytest.mark.usefixtures("seeded")


def metrics(app: AppTest) -> dict[str, str]:
    assert not app.exception
    return {one.label: one.value for one in app.metric}


def cells(app: AppTest, column: str, value: object, *, beside: str = "") -> dict[str, object]:
    """The row that has this value in this column, in the table that has the column `beside` as well."""
    assert not app.exception
    frames = [one.value for one in app.dataframe if {column, beside or column} <= set(one.value)]
    found = [row for frame in frames for row in frame.to_dict("records") if row[column] == value]
    assert len(found) == 1, f"{len(found)} rows have {column} = {value}"
    return found[0]


def said(app: AppTest) -> str:
    assert not app.exception
    words = "\n".join(one.value for one in (*app.caption, *app.markdown, *app.error, *app.warning, *app.info))
    return words.replace("\\", "")


def test_the_overview_counts_requests_and_labels(open_page: Open) -> None:
    app = open_page("overview", range="24 h")
    found = metrics(app)

    assert found["Requests"] == "0.7 /min"
    assert found["Answered"] == "90.00%"
    assert found["Labelled accuracy"] == "80.5%"
    assert found["Latency p50"] == "85 ms"
    words = said(app)
    assert "n = 1,000" in words
    assert "165/205" in words
    assert "900 ok, 100 error, 0 timeout, 0 rejected" in words
    assert "Confidence missing for 20.0% of requests" in words
    assert "3,460" not in words, "replays have no part in the model's accuracy"


def test_the_overview_tells_of_the_open_page(open_page: Open) -> None:
    app = open_page("overview")

    first, *others = (one.value for one in app.error)
    assert first == "**1 open alert**: Exam accuracy (page)"
    assert ["did not reach the channel webhook" in one for one in others] == [True]
    assert cells(app, "SLO", "exam-accuracy")["why it opened"] == "accuracy burns its error budget too fast"
    assert cells(app, "stream", "image")["state"] == "▲ drift"
    assert cells(app, "stream", "image")["adjusted p"] == "3e-05"


def test_the_overview_shows_the_state_at_the_end_of_a_past_range(open_page: Open) -> None:
    app = open_page("overview", **{"range": "Custom", "from": "2026-03-02T00:00", "to": "2026-03-02T10:30"})

    assert not app.exception
    assert not app.error, "the page opened at 11:01"
    assert "2026-03-02 00:00 to 2026-03-02 10:30 UTC (10 h 30 min)" in said(app)


@pytest.mark.parametrize("page", ["overview", "slos"])
def test_alerts_are_those_of_the_end_of_a_past_range(open_page: Open, engine: Engine, page: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE alerts SET acknowledged_by = 'Ada', acknowledged_at = :at WHERE id = 2"),
            {"at": NOW - 18.5 * HOUR},
        )
    query = {"range": "Custom", "from": "2026-03-01T00:00"}

    def alert(end: str) -> tuple[object, ...]:
        row = cells(open_page(page, **query, to=end), "SLO", "exam-accuracy", beside="last word")
        return row["state"], row["closed (UTC)"], row["last word"]

    assert alert("2026-03-01T17:00") == ("open, backfilled", "–", "accuracy burns slowly")
    assert alert("2026-03-01T17:45") == ("acknowledged by Ada, backfilled", "–", "accuracy burns slowly")
    if page == "slos":
        closed = ("resolved, backfilled", "2026-03-01 18:00", "accuracy is back within its limits")
        assert alert("2026-03-01T18:30") == closed


def test_nothing_is_drawn_beside_the_time_of_the_range(open_page: Open) -> None:
    """Buckets are of the clock: the first one begins before the range, and its mark stood over the axis."""
    app = open_page("overview", **{"range": "Custom", "from": "2026-03-02T10:23", "to": "2026-03-02T12:00"})
    assert not app.exception
    drawn = [json.loads(one.proto.spec) for one in app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")]
    times = [
        layer["encoding"]["x"]["scale"] for one in drawn for layer in one["layer"] if "x" in layer.get("encoding", {})
    ]

    assert times
    assert all(one["type"] == "utc" and one["clamp"] for one in times)


def test_slices_show_both_runs_of_a_replayed_exam_exactly(open_page: Open) -> None:
    app = open_page("slices", source="replay: old exam (exam-1)", dimension="run")

    assert cells(app, "value", "standard-direct")["accuracy (95%)"] == "40.12% (37.8 to 42.4%)"
    assert cells(app, "value", "standard-direct")["labels"] == 1730
    assert cells(app, "value", "vision-direct")["accuracy (95%)"] == "42.43% (40.1 to 44.8%)"
    assert metrics(app)["All labelled answers"] == "41.27%"


def test_a_replayed_log_is_shown_whole_whatever_range_is_chosen(open_page: Open) -> None:
    app = open_page("slices", range="1 h", source="replay: old exam (exam-1)", dimension="run")

    assert cells(app, "value", "standard-direct")["labels"] == 1730
    assert "2026-03-02 02:00 to 2026-03-02 02:01 UTC (1 min)**: a replayed log is shown whole" in said(app)


def test_a_range_of_your_own_cuts_a_replayed_log_too(open_page: Open) -> None:
    query = {"range": "Custom", "from": "2026-03-02T03:00", "to": "2026-03-02T12:00"}
    app = open_page("slices", source="replay: old exam (exam-1)", **query)

    assert "No labels in this range" in said(app)


def test_slices_compare_with_the_day_before_and_with_the_rest(open_page: Open) -> None:
    app = open_page("slices", range="24 h", dimension="device")
    worse, same = (cells(app, "value", name, beside="change (95%)") for name in ("camera-b", "camera-a"))

    assert worse["accuracy (95%)"] == "65.00% (55.3 to 73.6%)"
    assert worse["before"] == "90.0% of 100"
    assert worse["change (95%)"] == "−25.0 pt (−35.7 to −13.6 pt) *"
    assert worse["against the rest (95%)"] == "−30.2 pt (−40.4 to −19.8 pt) *"
    assert same["change (95%)"] == "+0.0 pt (−6.8 to +6.8 pt)"
    assert "7 labelled predictions were not drawn" in said(app)


def test_a_range_whose_tasks_are_open_is_not_yet_mature(open_page: Open) -> None:
    app = open_page("slices", range="24 h", dimension="device")

    assert cells(app, "value", "camera-a", beside="change (95%)")["state"] == "not yet mature"
    assert metrics(app)["Labels in"] == "83%"
    assert "Not yet mature: about 2 more labels" in said(app).replace("*", "")


@pytest.mark.parametrize("page", ["overview", "calibration"])
def test_accuracy_and_calibration_of_a_range_whose_tasks_are_open_say_so_too(open_page: Open, page: str) -> None:
    now = said(open_page(page, range="24 h")).replace("*", "")
    over = said(open_page(page, **{"range": "Custom", "from": "2026-02-28T11:00", "to": "2026-03-01T11:00"}))

    assert "Not yet mature: about 2 more labels of this range are to come" in now
    assert "mature" not in over


def test_a_slice_with_few_labels_says_so_and_is_not_tested(open_page: Open, seed: object) -> None:
    app = open_page("slices", range="24 h", dimension="device")
    few = cells(app, "labels", 5)

    assert few["state"] == "not enough labels"
    assert few["value"] == seed.NASTY  # type: ignore[attr-defined]
    assert few["accuracy (95%)"] == "100.00% (56.6 to 100.0%)"
    assert few["change (95%)"] == "not enough labels"


def test_the_surely_worst_slice_comes_first_and_the_table_can_be_downloaded(open_page: Open) -> None:
    app = open_page("slices", range="24 h", dimension="device")
    frame = next(one.value for one in app.dataframe)

    assert frame["value"].tolist()[:2] == ["camera-b", "camera-a"]
    assert [one.proto.label for one in app.get("download_button")] == ["Download CSV", "Download all slices and pairs"]


def test_slices_of_two_dimensions(open_page: Open) -> None:
    app = open_page("slices", range="24 h", dimension="device", and_by="version (built in)")

    assert cells(app, "value", "camera-b & 1")["accuracy (95%)"] == "65.00% (55.3 to 73.6%)"
    assert "Pairs left out because they have fewer than 20 labels: 1" in said(app)


def test_calibration_judges_only_answers_with_a_confidence(open_page: Open) -> None:
    app = open_page("calibration", range="24 h")
    found = metrics(app)

    assert found["Answers judged"] == "200"
    assert found["Signed gap"] == "+10.0 pt"
    assert found["ECE"] == "10.0 pt"
    assert found["Brier score"] == "0.170"
    expected = calibration([0.9] * 200, [True] * 160 + [False] * 40).brier.interval
    assert f"{expected.lower:.3f} to {expected.upper:.3f}" in said(app)
    assert cells(app, "measure", "Brier: uncertainty")["value"] == "0.160"
    assert cells(app, "measure", "Signed gap, pt")["change"].startswith("+12.5 (+")
    assert "is not shown to help answers that it was not fitted on" in said(app)
    assert "Confidence missing for 5 of 205" in said(app)
    assert "n = 200" in said(app)


def test_calibration_of_one_slice(open_page: Open) -> None:
    app = open_page("calibration", range="24 h", slice_by="device", slice="camera-b")

    assert metrics(app)["Signed gap"] == "+25.0 pt"
    assert cells(app, "value", "camera-a")["signed gap, pt"].startswith("−5.0 (−")


def test_calibration_is_compared_with_the_window_of_the_drift_reference(open_page: Open) -> None:
    app = open_page("calibration", range="24 h", against="drift reference")

    assert cells(app, "measure", "Signed gap, pt")["change"].startswith("+12.5 (+")
    assert "Drift reference: 2026-02-28 12:00 to 2026-03-01 12:00 UTC (1 d), n = 200" in said(app)


def test_calibration_says_when_confidence_is_missing_everywhere(open_page: Open) -> None:
    app = open_page("calibration", source="replay: old exam (exam-1)")

    assert "Confidence is missing for 100% of the labelled answers" in said(app)


def test_drift_shows_evidence_reference_and_blind_spot(open_page: Open) -> None:
    app = open_page("drift")
    found = metrics(app)

    assert found["Effect"] == "0.81"
    assert found["Adjusted p"] == "3e-05"
    assert found["Rows compared"] == "400"
    assert found["Smallest shift seen"] == "0.25 SD"
    assert cells(app, "reference", 7)["kind"] == "provisional"
    assert cells(app, "reference", 7)["embedder"] == "exam-encoder"


def test_objectives_show_what_a_detection_needs(open_page: Open) -> None:
    app = open_page("slos", slo="exam-accuracy")
    quick = cells(app, "tier", "page_quick")

    assert quick["state"] == "▲ burning"
    assert quick["bad / events"] == "60/100, 5/5, at least 44.0%"
    assert str(quick["to detect"]).isdigit()
    assert cells(app, "slo", "exam-accuracy", beside="target")["bad / events"] == "30/400"
    assert cells(app, "slo", "exam-idle", beside="target")["state"] == "○ no data"


def test_a_link_names_the_objective(open_page: Open) -> None:
    app = open_page("slos", slo="exam-idle")

    assert not app.exception
    assert "exam-idle" in [one.value.replace("\\", "") for one in app.subheader]
    assert cells(app, "tier", "page_quick")["state"] == "○ no data"


def test_objectives_show_who_was_told(open_page: Open) -> None:
    app = open_page("slos")

    assert "1 sent, 1 failed for good, 0 waiting" in said(app)
    assert cells(app, "channel", "webhook")["last error"] == "HTTP 410 Gone"
    backfilled = cells(app, "severity", "ticket")
    assert backfilled["state"] == "resolved, backfilled"
    assert backfilled["last word"] == "accuracy is back within its limits"


def test_ingest_shows_lag_refusals_gaps_and_the_label_backlog(open_page: Open) -> None:
    app = open_page("ingest")
    found = metrics(app)

    assert found["Lag"] == "30 records"
    assert found["Dead letters"] == "0.29%"
    assert found["Duplicates"] == "1.96%"
    assert found["Waiting for a label"] == "2"
    assert cells(app, "partition", 0, beside="lag")["state"] == "◐ behind"
    assert cells(app, "resumed at", 20)["expected"] == 10
    assert cells(app, "offset", 5)["beginning"].startswith(r"\x00<img src=x>aaa")
    assert cells(app, "offset", 5)["bytes"] == 412
    assert "Made ahead for 3 days" in said(app)


def test_ingest_says_when_partitions_are_made_where_none_is(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "now", lambda: NOW + 5 * DAY)
    [words] = [one.value for one in open_page("ingest").warning if "No partition is made ahead" in one.value]
    assert JOBS["partitions"][0] == HOUR.total_seconds()
    assert "`snellen schedule` makes them every hour" in words


def test_ingest_shows_what_was_lost_of_calls_logged_in_two_records(open_page: Open) -> None:
    app = open_page("ingest")
    assert cells(app, "model", "agent-vqa", beside="loss") == {
        "model": "agent-vqa", "calls": 2000, "lost": 10, "loss": "0.50%"
    }  # fmt: skip
    assert "2 sides wait for the other, the oldest for 4 min" in said(app)


def test_dead_letters_can_be_narrowed_to_one_reason(open_page: Open) -> None:
    app = open_page("ingest", reason="too_old")

    assert cells(app, "offset", 7)["reason"] == "too_old"
    assert "The newest 1 of 1" in said(app)


def test_dead_letters_say_where_they_stand(open_page: Open, engine: Engine) -> None:
    assert cells(open_page("ingest"), "offset", 5)["state"] == "open"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE dead_letters SET replayed_at = created_at, "
            "resolved_at = CASE record_offset WHEN 6 THEN created_at END WHERE record_offset > 5"
        )
        connection.exec_driver_sql(
            "INSERT INTO dead_letters (topic, topic_id, partition, record_offset, reason, detail, raw, replay_of, "
            "created_at) SELECT topic, topic_id, partition, 8, reason, detail, raw, id, created_at "
            "FROM dead_letters WHERE record_offset = 7"
        )
    st.cache_data.clear()
    app = open_page("ingest")
    assert [cells(app, "offset", offset)["state"] for offset in (5, 6, 7, 8)] == [
        "open", "resolved", "failed again", "open",
    ]  # fmt: skip


def test_an_evaluation_of_long_ago_is_not_called_well(open_page: Open, seeded: Engine) -> None:
    app = open_page("overview", **{"range": "Custom", "from": "2026-03-02T00:00", "to": "2026-03-02T09:00"})
    assert not app.exception
    assert not app.success

    with seeded.begin() as connection:
        connection.exec_driver_sql("DELETE FROM slo_evaluations WHERE tick > '2026-03-02 09:30+00'")
        connection.exec_driver_sql("DELETE FROM alerts")
    app = open_page("overview")
    assert not app.success
    assert any("not evaluated lately" in one.value for one in app.markdown)


def test_an_objective_that_left_the_documents_is_no_part_of_the_overview(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alerts")
        connection.exec_driver_sql("UPDATE slo_evaluations SET state = 'ok', budget_remaining = 0.9")
        connection.exec_driver_sql("UPDATE slo_evaluations SET tick = tick - interval '1 hour' WHERE slo = 'exam-idle'")
    app = open_page("overview")
    assert [one.value for one in app.success] == ["**No open alert**; the one objective is within its limits."]
    assert cells(open_page("slos"), "slo", "exam-idle", beside="target")["target"] == "no document"


def test_a_broken_promise_is_not_green_though_nothing_burns_any_longer(open_page: Open, seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alerts")
        connection.exec_driver_sql("DELETE FROM slo_evaluations WHERE slo <> 'exam-accuracy'")
        connection.exec_driver_sql("UPDATE slo_evaluations SET state = 'ok', budget_remaining = -0.67")
    app = open_page("overview")
    assert not app.success
    assert "**No open alert**, but the error budget is overspent: Exam accuracy." in said(app)
    row = cells(open_page("slos"), "slo", "exam-accuracy", beside="target")
    assert (row["state"], row["budget left"]) == ("◆ overspent", "−67.0%")

    with seeded.begin() as connection:
        connection.exec_driver_sql("UPDATE slo_evaluations SET budget_remaining = 0.0")
    st.cache_data.clear()
    app = open_page("overview")
    assert [one.value for one in app.success] == ["**No open alert**; the one objective is within its limits."]
    assert cells(open_page("slos"), "slo", "exam-accuracy", beside="target")["state"] == "● ok"
