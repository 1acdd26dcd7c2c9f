"""The queries behind the pages: edges of windows, folding, and agreement with plain counting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from monitor.domain.histograms import LATENCY_BINS, latency_bins
from monitor.domain.slices import OTHER
from monitor.domain.window import DAY, HOUR, MINUTE, Window, floor
from monitor.drift.persistence import LOOKS
from monitor.sli import SLIS
from monitor.slo.objective import Measure, Selector
from monitor.stats.proportions import Proportion
from monitor.store import alert_actions
from monitor.store.queries.accuracy import accuracy_over_time, labelled_accuracy
from monitor.store.queries.buckets import MOST_POINTS, step_for
from monitor.store.queries.calibration import outcomes
from monitor.store.queries.catalogue import label_sources
from monitor.store.queries.drift import courses, findings, findings_overlapping, step_of
from monitor.store.queries.examples import _BAD, examples, wrong_answers
from monitor.store.queries.incidents import BROKEN_DOWN, slice_shifts, windows_of
from monitor.store.queries.latency import quantile
from monitor.store.queries.selection import EVERYTHING, LIVE, Selection
from monitor.store.queries.slices import MOST_VALUES, Dimension, slice_dimensions, slice_table
from monitor.store.queries.slos import latest_ticks, slo_history
from monitor.store.queries.traffic import total_traffic, traffic_over_time

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = Window.before(NOW, DAY)


@pytest.fixture
def graded(engine: Engine, seed: ModuleType) -> Callable[..., None]:
    def insert(*args: object, **options: object) -> None:
        with engine.begin() as connection:
            seed.graded(connection, *args, **options)

    return insert


def labelled(connection: Connection, selection: Selection = EVERYTHING) -> tuple[int, int]:
    """Correct and all labelled answers of today."""
    found = labelled_accuracy(connection, TODAY, selection).correct
    return found.count, found.n


# ---- figures from the database -----------------------------------------------------------------------------------


def test_a_window_holds_its_start_and_not_its_end(engine: Engine, graded: Callable[..., None]) -> None:
    graded("start", TODAY.start, 3, 3, {})
    graded("end", TODAY.end, 5, 5, {})
    with engine.connect() as connection:
        assert labelled(connection) == (3, 3)


def test_buckets_add_up_to_the_window(engine: Engine, graded: Callable[..., None]) -> None:
    for hour in range(24):
        graded(f"h{hour}", TODAY.start + hour * HOUR + 7 * MINUTE, hour + 1, hour, {})
    with engine.connect() as connection:
        found = accuracy_over_time(connection, TODAY, EVERYTHING, 3 * HOUR)
        whole = labelled_accuracy(connection, TODAY, EVERYTHING).correct
    assert len(found) == 8
    assert sum(one.correct.n for one in found) == whole.n == 300
    assert sum(one.correct.count for one in found) == whole.count == 276


def test_live_and_replayed_labels_are_kept_apart(engine: Engine, graded: Callable[..., None]) -> None:
    graded("live", NOW - HOUR, 10, 9, {})
    graded("old", NOW - HOUR, 1730, 694, {"run": "a"}, replay="exam-1", probability=1.0)
    with engine.connect() as connection:
        live = labelled(connection, Selection(source=LIVE))
        replayed = labelled(connection, Selection(source="exam-1"))
        sources = [(one.replay, one.verdicts) for one in label_sources(connection)]
    assert (live, replayed) == ((9, 10), (694, 1730))
    assert sources == [(None, 10), ("exam-1", 1730)]


def test_labels_that_nobody_asked_for_stay_out(engine: Engine, graded: Callable[..., None]) -> None:
    graded("asked", NOW - HOUR, 10, 9, {})
    graded("complaint", NOW - HOUR, 50, 0, {}, probability=None)
    with engine.connect() as connection:
        found = labelled_accuracy(connection, TODAY, EVERYTHING)
    assert (found.correct.count, found.correct.n) == (9, 10)
    assert found.volunteered == 50


def test_rare_values_are_folded_and_none_is_lost(engine: Engine, seed: ModuleType) -> None:
    with engine.begin() as connection:
        for index in range(MOST_VALUES + 30):
            seed.graded(connection, f"v{index}", NOW - HOUR, 1 + (index < 10), 1, {"customer": f"c{index:03}"})
        seed.graded(connection, "none", NOW - HOUR, 4, 4, {})
        table = slice_table(connection, TODAY, Dimension("slice", "customer"))
    named = {row.value: row.now.n for row in table.rows}
    assert len(table.rows) == MOST_VALUES + 1
    assert table.folded == 30
    assert table.without == 4
    assert named[OTHER] == 30
    assert sum(named.values()) == MOST_VALUES + 40
    assert all(named[f"c{index:03}"] == 2 for index in range(10))


def test_every_key_is_a_dimension_and_a_strange_one_does_no_harm(engine: Engine, graded: Callable[..., None]) -> None:
    strange = "a'b\"c; DROP TABLE verdicts --%(x)s :y"
    graded("x", NOW - HOUR, 2, 1, {strange: "1", "device": "d"})
    with engine.connect() as connection:
        found = slice_dimensions(connection, TODAY, EVERYTHING)
        table = slice_table(connection, TODAY, Dimension("slice", strange))
    assert [one.name for one in found if one.kind == "slice"] == sorted([strange, "device"])
    assert [(row.value, row.now.correct, row.now.n) for row in table.rows] == [("1", 1, 2)]


def test_an_unknown_column_is_no_dimension() -> None:
    with pytest.raises(ValueError, match="no built-in dimension"):
        _ = Dimension("column", "1; DROP TABLE verdicts").sql


def test_confidences_come_back_as_logged(engine: Engine, graded: Callable[..., None]) -> None:
    for index, confidence in enumerate((0.1, 0.3, 0.6, 0.7, 1.0, None)):
        graded(f"c{index}", NOW - HOUR + index * MINUTE, 2, 1, {}, confidence=confidence)
    with engine.connect() as connection:
        found = outcomes(connection, TODAY, EVERYTHING)
    assert found.confidence.tolist() == [0.1, 0.1, 0.3, 0.3, 0.6, 0.6, 0.7, 0.7, 1.0, 1.0]
    assert found.correct.tolist() == [True, False] * 5
    assert found.probability.tolist() == [0.1] * 10
    assert found.without_confidence == 2


def test_traffic_by_bucket_adds_up(seeded: Engine) -> None:
    with seeded.connect() as connection:
        whole = total_traffic(connection, TODAY, EVERYTHING)
        points = traffic_over_time(connection, TODAY, EVERYTHING, 10 * MINUTE)
        other = total_traffic(connection, TODAY, Selection(model="another"))
    assert (whole.ok, whole.error, whole.total) == (900, 100, 1000)
    assert whole.with_confidence == 800
    assert sum(one.traffic.ok for one in points) == 900
    assert np.sum([one.traffic.latency for one in points], axis=0).tolist() == list(whole.latency)
    assert other.total == 0


def test_the_worst_tick_stands_for_its_bucket(seeded: Engine) -> None:
    with seeded.connect() as connection:
        history = slo_history(connection, "exam-accuracy", Window.before(NOW + MINUTE, 4 * HOUR), HOUR)
        latest = latest_ticks(connection, NOW - 2 * HOUR)
    assert [one.state for one in history] == ["ok", "ok", "firing", "firing"]
    assert [(one.slo, one.tick) for one in latest] == [("exam-accuracy", NOW - 2 * HOUR)]


def test_over_a_long_range_the_worst_tick_of_drift_stands_for_its_bucket(seeded: Engine, seed: ModuleType) -> None:
    long, short = Window.before(NOW, 40 * DAY), Window.before(NOW, 7 * DAY)
    quiet, loud = NOW - 30 * DAY, NOW - 30 * DAY + 2 * HOUR
    with seeded.begin() as connection:
        for hour in range(5, 40 * 24):
            tick = NOW - hour * HOUR
            seed.finding(connection, tick, "", "", 400, 1e-4 if tick == loud else 0.4, 0.6)
        every, worst = (findings(connection, window, "exam", "image") for window in (short, long))
        of_slices = findings(connection, long, "exam", "image", slices=True)
        whole, recent = (courses(connection, window, "exam") for window in (long, short))
    assert len(every) == 7 * 24
    assert step_of(short) == HOUR < step_of(long)
    assert len(worst) <= MOST_POINTS + 1
    assert len({floor(one.tick, step_of(long)) for one in worst}) == len(worst)
    assert [one.tick for one in worst if one.verdict == "drift"] == [loud, NOW - HOUR]
    assert quiet not in [one.tick for one in worst]
    assert [(one.slice.value, one.verdict) for one in of_slices] == [
        ("camera-a", "not_enough_data"), ("camera-b", "drift"),
    ]  # fmt: skip
    assert [(one.drifting, one.ticks) for one in (*whole, *recent)] == [(2, 40 * 24 - 1), (1, 7 * 24)]
    assert [one.newest for one in whole] == [tuple(every[-LOOKS:])]


def test_what_an_old_incident_overlaps_is_read_without_what_came_after(seeded: Engine) -> None:
    incident = Window(NOW - 300 * DAY, NOW - 300 * DAY + HOUR)
    with seeded.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO drift_results (reference_id, dimension, value, tick, window_start, n, verdict, detail)
                SELECT 7, 'device', 'camera-' || part, tick, tick - interval '6 hours', 9, 'no_drift', '{}'
                FROM generate_series(CAST(:since AS timestamptz), :until, interval '1 hour') AS tick,
                     generate_series(1, 6) AS part
            """),
            {"since": NOW - 310 * DAY, "until": NOW - 5 * HOUR},
        )
        connection.execute(text("ANALYZE drift_results"))
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'drift_results'")
    with seeded.begin() as connection:
        found = findings_overlapping(connection, incident, "exam")
        assert connection.execute(read).scalar_one() < 500
    assert {one.tick for one in found} == {incident.end + hour * HOUR for hour in range(6)}
    assert len(found) == 6 * 6


def test_request_shifts_are_counted_by_the_sli_itself(seeded: Engine) -> None:
    measure = Measure("availability", sampled=False, selector=Selector(model="exam"))
    during, before = windows_of(NOW - 40 * MINUTE, 10, NOW)
    with seeded.connect() as connection:
        found = slice_shifts(connection, measure, during, before)
    assert [(one.value, one.bad.now, one.bad.before) for one in found] == [
        ("", Proportion(50, 500), Proportion(50, 500)),
        ("camera-a", Proportion(0, 250), Proportion(0, 250)),
        ("camera-b", Proportion(50, 250), Proportion(50, 250)),
    ]


def test_label_shifts_count_what_the_slo_counts(engine: Engine, graded: Callable[..., None]) -> None:
    during, before = windows_of(NOW - HOUR, 60, NOW)
    graded("base", NOW - HOUR, 20, 15, {"device": "a"})
    graded("boosted", NOW - HOUR, 30, 0, {"device": "a"}, probability=0.4)
    with engine.begin() as connection:
        connection.execute(text("UPDATE verdicts SET in_base = false WHERE inclusion_probability = 0.4"))
        found = slice_shifts(connection, Measure("label_accuracy", True, Selector()), during, before)
    assert found[0].bad.now == Proportion(5, 20)


def test_slow_answers_are_those_beyond_the_threshold(seeded: Engine) -> None:
    during, before = windows_of(NOW, 60, NOW)
    with seeded.connect() as connection:
        shifts = {
            threshold: slice_shifts(connection, Measure("latency", False, Selector(), threshold), during, before)[0]
            for threshold in (70.0, 100.0)
        }
    assert shifts[70.0].bad.now == Proportion(540, 540)
    assert shifts[100.0].bad.now == Proportion(0, 540)


def test_every_sli_has_example_requests(seeded: Engine) -> None:
    assert _BAD.keys() == SLIS.keys()
    with seeded.connect() as connection:
        for name, sli in SLIS.items():
            threshold = 50.0 if sli.thresholds else None
            examples(connection, Measure(name, sli.sampled, Selector(), threshold), TODAY)


def test_a_coverage_incident_is_broken_down_by_the_columns_that_halves_know(seeded: Engine) -> None:
    with seeded.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO pair_counts (minute, model, version, variant, task, joined, lost) VALUES "
                "(:minute, 'm', '', 'canary', 'vqa', 10, 5), (:minute, 'm', '', 'stable', 'vqa', 90, 1)"
            ),
            {"minute": TODAY.start},
        )
        found = slice_shifts(
            connection, Measure("coverage", False, Selector(model="m")), TODAY, Window.before(TODAY.start, DAY)
        )
    assert [(one.dimension and one.dimension.name, one.value, one.bad.now) for one in found] == [
        (None, "", Proportion(6, 106)),
        ("variant", "canary", Proportion(5, 15)),
        ("variant", "stable", Proportion(1, 91)),
    ]


@pytest.mark.parametrize("sli", sorted(SLIS.keys() - set(BROKEN_DOWN)))
def test_incidents_whose_events_are_no_requests_are_not_broken_down(seeded: Engine, sli: str) -> None:
    measure = Measure(sli, sampled=False, selector=Selector(model="exam"), threshold=48)
    with seeded.connect() as connection:
        assert slice_shifts(connection, measure, TODAY, Window.before(TODAY.start, DAY)) == []


def test_examples_are_bad_ones_of_the_selected_traffic(seeded: Engine) -> None:
    measure = Measure("label_accuracy", sampled=True, selector=Selector(model="exam"))
    with seeded.connect() as connection:
        found = examples(connection, measure, TODAY)
        other = examples(connection, Measure("label_accuracy", True, Selector(model="another")), TODAY)
    assert len(found) == 6
    assert all(one.correct is False and one.expected == ("one dog",) for one in found)
    assert other == []


def test_wrong_answers_are_those_of_the_slice_that_an_accuracy_counts(seeded: Engine) -> None:
    device, task = Dimension("slice", "device"), Dimension("column", "task")
    exam = Selection(model="exam")

    def found(selection: Selection, part: dict[Dimension, str]) -> list[str]:
        with seeded.connect() as connection:
            return [one.request_id for one in wrong_answers(connection, TODAY, selection, part)]

    alone = found(exam, {device: "camera-b"})
    assert len(alone) == 6
    assert alone == found(exam, {device: "camera-b", task: "vqa"}) == found(exam, {device: "camera-b"})
    assert not found(exam, {device: "camera-a"})  # wrong ones there are, but no stored prediction
    assert not found(exam, {device: "camera-b", task: "captioning"})
    assert not found(Selection(model="another"), {device: "camera-b"})


def test_the_first_acknowledgement_stands(seeded: Engine) -> None:
    with seeded.begin() as connection:
        assert alert_actions.acknowledge(connection, 1, " Ada ", NOW)
        assert not alert_actions.acknowledge(connection, 1, "Bob", NOW)
        assert not alert_actions.acknowledge(connection, 2, "Bob", NOW), "it is resolved"
        assert not alert_actions.acknowledge(connection, 99, "Bob", NOW)
        row = connection.execute(text("SELECT acknowledged_by, acknowledged_at FROM alerts WHERE id = 1")).one()
    assert tuple(row) == ("Ada", NOW)


@pytest.mark.parametrize("name", ["", "   ", "x" * 129])
def test_an_acknowledgement_needs_a_name(seeded: Engine, name: str) -> None:
    with seeded.begin() as connection, pytest.raises(ValueError, match="name of 1 to 128"):
        alert_actions.acknowledge(connection, 1, name, NOW)


# ---- figures from numbers ----------------------------------------------------------------------------------------


@given(st.timedeltas(timedelta(minutes=1), timedelta(days=3000)))
def test_a_chart_never_has_too_many_points(length: timedelta) -> None:
    assert length <= MOST_POINTS * step_for(Window.before(NOW, length))


@given(st.lists(st.floats(0.01, 59_999), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_lies_in_the_bin_that_is_named(values: list[float], share: float) -> None:
    histogram = np.bincount(latency_bins(values), minlength=LATENCY_BINS).tolist()
    found = quantile(histogram, share)
    exact = float(np.quantile(values, share, method="inverted_cdf"))

    assert found is not None
    assert found.upper is not None
    assert found.estimate is not None
    assert found.lower < exact <= found.upper
    assert found.lower <= found.estimate <= found.upper


def test_a_quantile_beyond_the_histogram_is_not_guessed() -> None:
    histogram = [0] * (LATENCY_BINS - 1) + [1]
    found = quantile(histogram, 0.5)

    assert found is not None
    assert (found.lower, found.upper, found.estimate) == (60_000, None, None)
    assert quantile([0] * LATENCY_BINS, 0.5) is None
