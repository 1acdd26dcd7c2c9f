"""The review on a real PostgreSQL: weights, pairs, maturity, confidences, as of a moment, and the same bytes again."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, text
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, confidence_bins
from monitor.domain.records import Batch
from monitor.domain.window import DAY, HOUR, Window
from monitor.labelling import LABEL_FILES
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.estimate_accuracy import estimate_last_day
from monitor.services.import_labels import import_labels
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.services.review import full_review, last_full_week, review_slices, review_whole, week_of
from monitor.services.spreadsheet import review_csv
from monitor.services.unlabelled import aided_accuracy
from monitor.stats.weighted import weighted_share
from monitor.store.engine import transaction
from monitor.store.queries.estimates import judged_estimates
from monitor.store.queries.label_delays import label_maturity
from monitor.store.queries.selection import EVERYTHING
from monitor.store.queries.slices import Dimension
from tests.integration.conftest import make_service

WEEK = week_of("2026-W46")
AFTER = WEEK.end + DAY
DEVICE, REGION = Dimension("slice", "device"), Dimension("slice", "region")
Rows = list[dict[str, Any]]

VERDICT = text("""
    INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                          inclusion_probability, scorer, slices)
    VALUES (:request_id, :ts, :labelled_at, :model, '1', 'stable', 'vqa', :correct, :confidence, :pi, 'vqa', :slices)
""")
TASK = text("""
    INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability, model, answered_at, skipped_at)
    VALUES (:ts, :request_id, 'all', 0.1, 'm', :answered_at, :skipped_at)
""")
ROLLUP = text("""
    INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, timeout, rejected,
                                latency, confidence, cost_usd)
    VALUES (:minute, 'm', '1', 'stable', 'vqa', :dimension, :value, :ok, 0, 0, 0, :latency, :confidence, 0)
""")


def verdict(index: int, ts: datetime, *, correct: bool, pi: float = 0.1, **changes: Any) -> dict[str, Any]:
    slices = {"device": f"cam-{index % 3}", "region": f"r{index % 2}"}
    return {
        "request_id": f"r{index}", "ts": ts, "labelled_at": ts + HOUR, "model": "m", "correct": correct, "pi": pi,
        "confidence": 0.9, "slices": Jsonb(changes.pop("slices", slices)), **changes,
    }  # fmt: skip


def fill(connection: Connection, rng: np.random.Generator, n: int = 600) -> Rows:
    """n labelled answers over two weeks; cam-0 in r0 is bad in the second."""
    rows = []
    for index in range(n):
        ts = WEEK.start - 7 * DAY + index * 14 * DAY / n
        bad = index % 6 == 0 and ts >= WEEK.start
        pi = float(rng.choice([0.05, 0.1, 0.3]))
        rows.append(verdict(index, ts, correct=bool(rng.random() < (0.3 if bad else 0.9)), pi=pi))
    connection.execute(VERDICT, rows)
    return rows


def rollup(minute: datetime, counts: dict[float, int], dimension: str = "", value: str = "") -> dict[str, Any]:
    bins = [0] * CONFIDENCE_BINS
    for confidence, count in counts.items():
        bins[confidence_bins([confidence])[0]] += count
    return {
        "minute": minute, "dimension": dimension, "value": value, "ok": sum(counts.values()),
        "latency": [0] * LATENCY_BINS, "confidence": bins,
    }  # fmt: skip


def test_slices_are_weighted_as_the_statistic_weighs_them(engine: Engine) -> None:
    with transaction(engine) as connection:
        rows = fill(connection, np.random.default_rng(1))
        table = review_slices(connection, WEEK, [DEVICE], AFTER)
        whole = review_whole(connection, WEEK, AFTER)
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
        table = review_slices(connection, WEEK, [DEVICE, REGION], AFTER)
    worst = min(table.rows, key=lambda row: row.evidence)
    assert worst.key == ("cam-0", "r0")
    assert worst.stands_out
    assert worst.changed
    assert len(table.rows) == 6
    assert (table.folded, table.without) == (1, 1)


def test_too_few_labels_in_every_pair_leave_an_empty_table_that_says_so(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(VERDICT, [verdict(index, WEEK.start, correct=True) for index in range(12)])
        table = review_slices(connection, WEEK, [DEVICE, REGION], AFTER)
    assert (table.rows, table.folded) == ((), 6)


def test_one_or_two_dimensions_and_no_more(engine: Engine) -> None:
    with transaction(engine) as connection, pytest.raises(ValueError, match="one dimension or of two"):
        review_slices(connection, WEEK, [], AFTER)


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
        early = label_maturity(connection, WEEK, EVERYTHING, as_of)
        late = label_maturity(connection, WEEK, EVERYTHING, as_of + 2 * DAY + HOUR)
        states = {row.accuracy.state for row in review_slices(connection, WEEK, [DEVICE], as_of).rows}
    assert (early.drawn, early.answered, early.mature) == (168, 121, False)
    assert early.to_come == pytest.approx(47)
    assert (late.answered, late.to_come, late.mature) == (168, 0.0, True)
    assert states == {"not_yet_mature"}


def test_skipped_tasks_are_not_waited_for(engine: Engine) -> None:
    task = {"ts": WEEK.start, "answered_at": None, "skipped_at": WEEK.start + HOUR}
    with transaction(engine) as connection:
        connection.execute(TASK, [{**task, "request_id": str(index)} for index in range(30)])
        found = label_maturity(connection, WEEK, EVERYTHING, AFTER)
        then = label_maturity(connection, WEEK, EVERYTHING, WEEK.start + HOUR / 2)
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
        before = label_maturity(connection, WEEK, EVERYTHING, WEEK.start)
        found = label_maturity(connection, WEEK, EVERYTHING, AFTER)
        connection.execute(text("UPDATE label_tasks SET disputed = false"))
        settled = label_maturity(connection, WEEK, EVERYTHING, AFTER)
    assert (before.drawn, before.to_come) == (0, 0.0)
    assert (found.drawn, found.answered, found.to_come, found.mature) == (90, 63, 27.0, False)
    assert (settled.drawn, settled.answered, settled.to_come, settled.mature) == (90, 90, 0.0, True)


def confident(connection: Connection, rng: np.random.Generator) -> None:
    """Five weeks in which an answer with confidence 0.6 is right half of the times, one with 0.95 always but for 5%.

    In the last week the share of unsure answers rises from a fifth to a half, of which labels say nothing yet.
    """
    rows, rollups = [], []
    for day in range(35):
        unsure = 0.5 if day >= 28 else 0.2
        ts = WEEK.start + (day - 28) * DAY
        counts = {0.6: round(2000 * unsure), 0.95: round(2000 * (1 - unsure))}
        rollups += [rollup(ts + HOUR, counts), rollup(ts + HOUR, counts, "device", "cam-0")]
        for index in range(60):
            confidence = 0.6 if rng.random() < unsure else 0.95
            right = bool(rng.random() < (0.5 if confidence == 0.6 else 0.95))
            rows.append(verdict(1000 * day + index, ts + HOUR, correct=right, confidence=confidence, pi=0.03))
    connection.execute(VERDICT, rows)
    connection.execute(ROLLUP, rollups)


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


def test_estimates_are_judged_by_labels_of_the_answers_that_they_are_of(
    engine: Engine, snellen: Callable[..., Result]
) -> None:
    """A third as many answers more have no confidence, and all of them are wrong: estimates know nothing of those."""
    with transaction(engine) as connection:
        confident(connection, np.random.default_rng(6))
        for day in range(7):
            ts = WEEK.start + day * DAY + 2 * HOUR
            silent = {"correct": False, "confidence": None, "pi": 0.03}
            connection.execute(VERDICT, [verdict(90_000 + 100 * day + index, ts, **silent) for index in range(20)])
            connection.execute(ROLLUP, [{**rollup(ts, {}), "ok": 667}])
    made = [estimate_last_day(engine, WEEK.start + day * DAY + 2 * HOUR) for day in range(1, 8)]
    with transaction(engine) as connection:
        found = judged_estimates(connection, WEEK, EVERYTHING, AFTER)
        aided = aided_accuracy(connection, WEEK, AFTER)[""]
    assert made == [1] * 7
    assert [one.checked.labelled.n for one in found] == [60] * 7
    assert sum(one.checked.agrees is True for one in found) >= 6
    assert aided.confident == pytest.approx(0.75, abs=1e-3)
    assert re.search(r"14000 answers, the 75\.0% that have a confidence$", snellen("--week", "2026-W46").output, re.M)


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


# ---- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def snellen(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, ["review", *words])


def test_the_command_prints_the_week_and_writes_the_same_file_again(
    engine: Engine, snellen: Callable[..., Result], tmp_path: Path
) -> None:
    with transaction(engine) as connection:
        fill(connection, np.random.default_rng(8))
    as_of = ("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z"))
    printed = snellen(*as_of)
    files = [tmp_path / "one.csv", tmp_path / "two.csv"]
    written = [snellen(*as_of, "--csv", str(file)) for file in files]
    assert printed.exit_code == 0, printed.output
    assert [one.exit_code for one in written] == [0, 0]
    assert "Week 2026-W46, 2026-11-09 to 2026-11-16 UTC" in printed.output
    assert ": not over yet" not in printed.output
    assert re.search(r"against the rest -\d+\.\d pt \(-\d+\.\d to [+-]\d+\.\d pt\)", printed.output)
    assert "by device, surely worst first:\n  cam-0" in printed.output
    assert "by device and region, surely worst first:\n  cam-0 & r0" in printed.output
    assert files[0].read_bytes() == files[1].read_bytes() == snellen(*as_of, "--csv", "-").stdout_bytes
    assert files[0].read_text().count("\n") == 1 + 1 + 3 + 2 + 6


@pytest.mark.parametrize(("undecided", "said"), [(0, None), (1, "1 label decides"), (3, "3 labels decide")])
def test_the_command_says_how_many_labels_decide_nothing(
    engine: Engine, snellen: Callable[..., Result], undecided: int, said: str | None
) -> None:
    with transaction(engine) as connection:
        connection.execute(VERDICT, [verdict(index, WEEK.start, correct=index % 4 > 0) for index in range(40)])
        for index in range(undecided):
            connection.execute(VERDICT, [{**verdict(100 + index, WEEK.start, correct=True), "correct": None}])
    found = [one for one in snellen("--week", "2026-W46").output.splitlines() if one.startswith("left out")]
    assert found == ([] if said is None else [f"left out     {said} nothing (unsure, tied, or no scorer for the task)"])


def test_a_change_to_a_week_with_few_labels_is_neither_printed_nor_written(
    engine: Engine, snellen: Callable[..., Result]
) -> None:
    with transaction(engine) as connection:
        now = [verdict(index, WEEK.start, correct=index % 4 > 0) for index in range(60)]
        connection.execute(VERDICT, now + [verdict(100 + i, WEEK.start - DAY, correct=True) for i in range(5)])
    as_of = ("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z"))
    lines = snellen(*as_of).output.splitlines()
    assert next(one for one in lines if one.startswith("all traffic")).endswith("change not enough labels before")
    for row in csv.DictReader(StringIO(snellen(*as_of, "--csv", "-").stdout, newline="")):
        assert (row["change"], row["change_lower_95"], row["change_upper_95"]) == ("", "", "")
        assert row["change_state"] == ("not_enough_labels_before" if int(row["n"]) >= 20 else "not_enough_labels")


def test_the_week_ends_with_the_tasks_own_metrics_unless_it_is_of_a_past_moment(
    engine: Engine, snellen: Callable[..., Result], send: Callable[..., Batch], prediction: Callable[..., Any]
) -> None:
    now = WEEK.start + timedelta(hours=1)
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=1.0))
    answers = [prediction(f"r{number}", ts=WEEK.start.isoformat()) for number in range(3)]
    IngestService(engine, options, lambda *_: None).write(send(*answers), now)
    privacy = Privacy(Redactor(PrivacyOptions()), Subjects(()))
    told = b"".join(
        b'{"request_id": "r%d", "verdict": "correct", "annotator": "ann"}\n' % number for number in range(3)
    )
    import_labels(engine, privacy, LABEL_FILES["jsonl"].read(BytesIO(told), None), timedelta(hours=1), now)
    printed = snellen("--week", "2026-W46").output
    assert "by the tasks' own metrics (docs/tasks.md):\nvqa: 3 answers\n  accuracy                    100.0%" in printed
    past = snellen("--week", "2026-W46", "--as-of", AFTER.isoformat().replace("+00:00", "Z")).output
    assert "vqa: 3 answers" not in past
    assert "leave --as-of out" in past


def test_a_week_without_labels_says_so(engine: Engine, snellen: Callable[..., Result]) -> None:
    found = snellen("--week", "2026-W02")
    assert found.exit_code == 3
    assert "accuracy is unknown, not good" in found.output


@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        ("2026-11-08T23:59:59Z", ": still to come"), ("2026-11-09T00:00:00Z", ": not over yet"),
        ("2026-11-15T23:59:59Z", ": not over yet"), ("2026-11-16T00:00:00Z", ""),
    ],
)  # fmt: skip
def test_a_week_that_is_not_over_is_called_so(snellen: Callable[..., Result], as_of: str, state: str) -> None:
    first = snellen("--week", "2026-W46", "--as-of", as_of).output.splitlines()[0]
    assert first.endswith(f"as of {as_of.replace('Z', '+00:00')}{state}")


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ("--version", "no prediction of it has arrived; nor is there"),
        ("--replay", "no replay has this id; nor is there"),
    ],
)
def test_a_version_and_a_replay_that_nobody_knows_are_refused(
    snellen: Callable[..., Result], option: str, fault: str
) -> None:
    refused = snellen(option, "nope")
    assert refused.exit_code == 2
    assert f"{option} 'nope': {fault}" in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize("words", [("--week", "46"), ("--as-of", "2026-11-17T00:00:00")])
def test_a_wrong_week_or_moment_is_refused(snellen: Callable[..., Result], words: tuple[str, str]) -> None:
    assert snellen(*words).exit_code == 2
