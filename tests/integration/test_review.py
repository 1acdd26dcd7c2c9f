"""The review on a real PostgreSQL: weights, pairs, maturity, confidences, as of a moment, and the same bytes again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, text

from monitor.domain.window import DAY, HOUR, Window
from monitor.services.estimate_accuracy import estimate_last_day
from monitor.services.review import (
    ReviewTable,
    full_review,
    labels_of,
    last_full_week,
    review_slices,
    review_whole,
    week_of,
)
from monitor.services.spreadsheet import review_csv
from monitor.services.unlabelled import aided_accuracy
from monitor.stats.weighted import weighted_share
from monitor.store.engine import transaction
from monitor.store.queries.estimates import judged_estimates
from monitor.store.queries.selection import EVERYTHING
from monitor.store.queries.slices import MOST_VALUES, Dimension
from tests.integration.labelled_weeks import (
    AFTER,
    DEVICE,
    REGION,
    ROLLUP,
    TASK,
    VERDICT,
    WEEK,
    confident,
    fill,
    rollup,
    silent,
    verdict,
)


def slices_of(connection: Connection, dimensions: list[Dimension], as_of: datetime = AFTER) -> ReviewTable:
    return review_slices(
        connection, WEEK, dimensions, as_of, EVERYTHING, labels_of(connection, WEEK, as_of, EVERYTHING)
    )


def test_slices_are_weighted_as_the_statistic_weighs_them(engine: Engine) -> None:
    with transaction(engine) as connection:
        rows = fill(connection, np.random.default_rng(1))
        table = slices_of(connection, [DEVICE])
        whole = review_whole(connection, WEEK, AFTER, EVERYTHING, labels_of(connection, WEEK, AFTER))
    for found in table.rows:
        mine = [one for one in rows if one["slices"].obj["device"] == found.key[0] and one["ts"] >= WEEK.start]
        expected = weighted_share([one["correct"] for one in mine], [one["pi"] for one in mine])
        assert (found.accuracy.n, found.accuracy.correct.count) == (expected.n, expected.count)
        assert found.accuracy.accuracy == pytest.approx(expected.share, abs=1e-5)
        assert found.accuracy.correct.effective_n == pytest.approx(expected.effective_n, rel=1e-4)
        assert found.rest.before.n == 300 - found.accuracy.n
        assert found.change.before.n == 100
    assert whole.accuracy.n == 300
    assert whole.change.before.n == 300
    assert min(table.rows, key=lambda row: row.evidence).key == ("cam-0",)


def test_a_pair_of_dimensions_finds_what_either_hides(engine: Engine) -> None:
    with transaction(engine) as connection:
        fill(connection, np.random.default_rng(2))
        connection.execute(
            VERDICT, [verdict(9000, WEEK.start, correct=True, slices={"device": "cam-0", "region": "r9"})]
        )
        connection.execute(VERDICT, [verdict(9001, WEEK.start, correct=True, slices={"device": "cam-0"})])
        table = slices_of(connection, [DEVICE, REGION])
    worst = min(table.rows, key=lambda row: row.evidence)
    assert worst.key == ("cam-0", "r0")
    assert worst.stands_out
    assert worst.changed
    assert len(table.rows) == 6
    assert (table.folded, table.without) == (1, 1)


def test_too_few_labels_in_every_pair_leave_an_empty_table_that_says_so(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(VERDICT, [verdict(index, WEEK.start, correct=True) for index in range(12)])
        table = slices_of(connection, [DEVICE, REGION])
    assert (table.rows, table.folded) == ((), 6)


def test_one_or_two_dimensions_and_no_more(engine: Engine) -> None:
    with transaction(engine) as connection, pytest.raises(ValueError, match="one dimension or of two"):
        slices_of(connection, [])


def test_a_review_of_the_past_knows_no_later_label_and_repeats_its_bytes(engine: Engine) -> None:
    with transaction(engine) as connection:
        fill(connection, np.random.default_rng(3))
        before = review_csv(full_review(connection, WEEK, AFTER))
    with transaction(engine) as connection:
        late = [verdict(5000 + index, WEEK.start, correct=False, labelled_at=AFTER + HOUR) for index in range(50)]
        connection.execute(VERDICT, late)
        assert review_csv(full_review(connection, WEEK, AFTER)) == before
        assert review_csv(full_review(connection, WEEK, AFTER + DAY)) != before


def test_a_window_whose_labels_are_still_to_come_is_not_yet_mature(engine: Engine) -> None:
    """Tasks are answered after two days; two days after the week a third of its tasks is open."""
    as_of = WEEK.end
    times = [WEEK.start - 21 * DAY + index * HOUR for index in range(28 * 24)]
    tasks = [
        {"request_id": f"t{index}", "ts": ts, "answered_at": ts + 48 * HOUR, "skipped_at": None}
        for index, ts in enumerate(times)
    ]
    with transaction(engine) as connection:
        fill(connection, np.random.default_rng(4))
        connection.execute(TASK, tasks)
        early = labels_of(connection, WEEK, as_of).maturity
        late = labels_of(connection, WEEK, as_of + 2 * DAY + HOUR).maturity
        states = {row.accuracy.state for row in slices_of(connection, [DEVICE], as_of).rows}
    assert (early.drawn, early.answered, early.mature) == (168, 121, False)
    assert early.to_come == pytest.approx(47)
    assert (late.answered, late.to_come, late.mature) == (168, 0.0, True)
    assert states == {"not_yet_mature"}


def test_skipped_tasks_are_not_waited_for(engine: Engine) -> None:
    task = {"ts": WEEK.start, "answered_at": None, "skipped_at": WEEK.start + HOUR}
    with transaction(engine) as connection:
        connection.execute(TASK, [{**task, "request_id": str(index)} for index in range(30)])
        found = labels_of(connection, WEEK, AFTER).maturity
        then = labels_of(connection, WEEK, WEEK.start + HOUR / 2).maturity
    assert (found.drawn, found.share, found.mature) == (0, None, True)
    assert (then.drawn, then.mature) == (30, False)


def test_disputes_are_waited_for_until_somebody_settles_them(engine: Engine) -> None:
    """However old: the usual delay of answers, an hour here, says nothing of when somebody adjudicates."""
    times = [WEEK.start + index * HOUR for index in range(90)]
    tasks = [
        {"request_id": f"t{index}", "ts": ts, "answered_at": ts + HOUR, "skipped_at": None}
        for index, ts in enumerate(times)
    ]
    with transaction(engine) as connection:
        connection.execute(TASK, tasks)
        connection.execute(text("UPDATE label_tasks SET disputed = right(request_id, 1) IN ('0', '4', '8')"))
        before = labels_of(connection, WEEK, WEEK.start).maturity
        found = labels_of(connection, WEEK, AFTER).maturity
        connection.execute(text("UPDATE label_tasks SET disputed = false"))
        settled = labels_of(connection, WEEK, AFTER).maturity
    assert (before.drawn, before.to_come) == (0, 0.0)
    assert (found.drawn, found.answered, found.to_come, found.mature) == (90, 63, 27.0, False)
    assert (settled.drawn, settled.answered, settled.to_come, settled.mature) == (90, 90, 0.0, True)


def tasks_of(connection: Connection, of_slices: list[tuple[dict[str, str], bool]], model: str = "m") -> None:
    """Tasks spread over the week, answered after an hour or never."""
    given = [
        {
            "request_id": f"{model}{index}", "ts": ts, "pi": 0.1, "model": model, "slices": Jsonb(slices),
            "answered_at": ts + HOUR if answered else None,
        }
        for index, (slices, answered) in enumerate(of_slices)
        for ts in [WEEK.start + index * 7 * DAY / len(of_slices)]
    ]  # fmt: skip
    connection.execute(
        text("""
            INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability, model, slices, answered_at)
            VALUES (:ts, :request_id, 'all', :pi, :model, :slices, :answered_at)
        """),
        given,
    )


def states_of(table: ReviewTable) -> dict[tuple[str, ...], str]:
    return {row.key: row.accuracy.state for row in table.rows}


def test_a_slice_whose_own_labels_are_still_to_come_is_not_yet_mature(engine: Engine) -> None:
    """Of 5% of the traffic three quarters are open; of all traffic 96% of the labels are in."""
    slices = [{"device": "x" if index % 20 == 0 else f"cam-{index % 3}", "region": "r"} for index in range(2000)]
    answered = [index % 20 > 0 or index % 80 == 0 for index in range(2000)]
    labelled = [one for one, is_answered in zip(slices, answered, strict=True) if is_answered]
    with transaction(engine) as connection:
        tasks_of(connection, list(zip(slices, answered, strict=True)))
        verdicts = [verdict(n, WEEK.start, correct=True, slices=one) for n, one in enumerate(labelled)]
        connection.execute(VERDICT, verdicts)
        assert labels_of(connection, WEEK, WEEK.end).maturity.mature
        by_device, by_pair = (
            slices_of(connection, [DEVICE], WEEK.end),
            slices_of(connection, [DEVICE, REGION], WEEK.end),
        )
        by_model = slices_of(connection, [Dimension("column", "model")], WEEK.end)
        by_replay = slices_of(connection, [Dimension("column", "replay")], WEEK.end)
    cameras = dict.fromkeys([("cam-0",), ("cam-1",), ("cam-2",)], "ok")
    assert states_of(by_device) == {**cameras, ("x",): "not_yet_mature"}
    assert max(by_device.rows, key=lambda row: row.evidence).key == ("x",)
    assert states_of(by_pair) == {(*key, "r"): state for key, state in states_of(by_device).items()}
    assert states_of(by_model) == {("m",): "ok"}
    assert by_replay.rows == ()


def test_folded_values_are_as_mature_as_their_tasks_together(engine: Engine) -> None:
    many, few = [f"v{number:03}" for number in range(MOST_VALUES - 1)], [f"w{number}" for number in range(30)]
    with transaction(engine) as connection:
        verdicts = [
            verdict(n, WEEK.start, correct=True, slices={"device": one}) for n, one in enumerate([*many * 2, *few])
        ]
        connection.execute(VERDICT, verdicts)
        tasks_of(connection, [({"device": one}, True) for one in [*many * 10, *few]])
        assert states_of(slices_of(connection, [DEVICE]))["__other__",] == "ok"
        tasks_of(connection, [({"device": f"w{number}"}, False) for number in range(20, 40)], model="another")
        assert labels_of(connection, WEEK, AFTER).maturity.mature
        assert states_of(slices_of(connection, [DEVICE]))["__other__",] == "not_yet_mature"


def test_confidences_help_labels_and_stand_in_for_them(engine: Engine) -> None:
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(5))
        found = aided_accuracy(connection, WEEK, AFTER)[""]
        by_device = aided_accuracy(connection, WEEK, AFTER, dimension=DEVICE)
    truth = 0.5 * 0.5 + 0.5 * 0.95
    assert found.powered is not None
    assert found.estimated is not None
    assert truth in found.powered.interval
    assert found.powered.saving > 0.15
    assert truth in found.estimated.interval
    assert found.estimated.n == 14_000
    assert found.confident == 1.0
    assert found.estimated.past == 28 * 60
    assert by_device["cam-0"].powered is not None
    assert by_device["cam-0"].powered.classical.n == 140


def test_of_answers_only_those_until_the_moment_asked_for_count(engine: Engine) -> None:
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(5))
        early = aided_accuracy(connection, WEEK, WEEK.start + 4 * DAY)[""]
        before = aided_accuracy(connection, WEEK, WEEK.start)
    assert early.estimated is not None
    assert early.estimated.n == 4 * 2000
    assert before == {}


def test_estimates_are_made_once_before_labels_and_judged_by_them(engine: Engine) -> None:
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(6))
    made = [estimate_last_day(engine, WEEK.start + hour * HOUR) for hour in range(1, 8 * 24)]
    with transaction(engine) as connection:
        found = judged_estimates(connection, Window(WEEK.start - DAY, WEEK.end), EVERYTHING, AFTER)
        earlier = judged_estimates(connection, Window(WEEK.start - DAY, WEEK.end), EVERYTHING, WEEK.start + 2 * DAY)
    assert sum(made) == len(found) == 8
    assert [one.window.start for one in found] == [WEEK.start + day * DAY for day in range(6, -2, -1)]
    assert all(one.made_at == one.window.end + HOUR for one in found[:7])
    assert found[0].checked.labelled.n == 60
    assert sum(one.checked.agrees is True for one in found) >= 7
    assert len(earlier) == 2


def test_estimates_are_judged_by_labels_of_the_answers_that_they_are_of(engine: Engine) -> None:
    """A third as many answers more have no confidence, and all of them are wrong: estimates know nothing of those."""
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(6))
        silent(connection)
    made = [estimate_last_day(engine, WEEK.start + day * DAY + 2 * HOUR) for day in range(1, 8)]
    with transaction(engine) as connection:
        found = judged_estimates(connection, WEEK, EVERYTHING, AFTER)
        aided = aided_accuracy(connection, WEEK, AFTER)[""]
    assert made == [1] * 7
    assert [one.checked.labelled.n for one in found] == [60] * 7
    assert sum(one.checked.agrees is True for one in found) >= 6
    assert aided.confident == pytest.approx(0.75, abs=1e-3)


def test_nothing_is_estimated_without_a_past(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(ROLLUP, [rollup(WEEK.start, {0.5: 100})])
    assert estimate_last_day(engine, WEEK.start + 26 * HOUR) == 0


def test_a_replay_among_the_answers_leaves_confidences_unused(engine: Engine, rows: Callable[..., list[Any]]) -> None:
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(7))
        connection.execute(
            text("CREATE TABLE d PARTITION OF predictions FOR VALUES FROM ('2026-11-10') TO ('2026-11-11')")
        )
        connection.execute(
            text("""
                INSERT INTO predictions (ts, request_id, model, version, variant, task, status, refused, safety_flagged,
                                         slices, replay)
                VALUES ('2026-11-10 12:00+00', 'x', 'm', '1', 'stable', 'vqa', 'ok', false, false, '{}', 'log')
            """)
        )
        assert aided_accuracy(connection, WEEK, AFTER) == {}


def test_weeks_have_their_iso_names() -> None:
    assert Window(datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)) == WEEK
    assert last_full_week(datetime(2026, 11, 16, 8, tzinfo=UTC)) == WEEK
    assert last_full_week(datetime(2027, 1, 5, tzinfo=UTC)) == week_of("2026-W53")
    assert week_of("2026-W01").length == timedelta(days=7)


@pytest.mark.parametrize("name", ["2026-46", "2026-W60", "W46", "", "2026-W", "9999-W52", f"{2**64}-W01"])
def test_what_is_no_week_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no ISO week"):
        week_of(name)
