"""Labels become verdicts, in whichever order they and their predictions arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.records import Batch
from monitor.domain.window import DAY, Window
from monitor.sampling import LABEL_KEY, LabelPlan, selected
from monitor.services.draw_labels import LabelDesign
from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels
from monitor.slo.objective import Selector
from monitor.store.indicators import label_outcomes
from tests.integration.conftest import make_service
from tests.pace import wait_for

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

DRAWN = next(f"r{n}" for n in range(100) if selected(f"r{n}", 0.5, LABEL_KEY))
UNDRAWN = next(f"r{n}" for n in range(100) if not selected(f"r{n}", 0.5, LABEL_KEY))
VERDICTS = "SELECT correct, scorer, inclusion_probability FROM verdicts"


def test_a_label_before_its_prediction_still_counts(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    ingest.write(send(label(DRAWN)), NOW)
    assert score_labels(engine) == 0
    ingest.write(send(prediction(DRAWN)), NOW)
    assert score_labels(engine) == 1
    assert rows(VERDICTS) == [(True, "label", 0.5)]
    assert score_labels(engine) == 0


def test_accepted_answers_are_scored_by_the_task(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    answer = {"answer": "(b)", "confidence": 0.4}
    ingest.write(send(prediction(DRAWN, task="multiple_choice", output=answer)), NOW)
    ingest.write(send(label(DRAWN, verdict=None, answers=["B"])), NOW)
    score_labels(engine)
    assert rows("SELECT correct, scorer, confidence FROM verdicts")[0][:2] == (True, "choice_letter")


def test_a_label_on_a_prediction_that_nobody_drew_carries_no_probability(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    ingest.write(send(prediction(UNDRAWN), label(UNDRAWN)), NOW)
    score_labels(engine)
    assert rows(VERDICTS) == [(True, "label", None)]


def test_replayed_logs_count_whole(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    ingest.write(send(prediction(UNDRAWN), label(UNDRAWN), replay="r"), NOW)
    score_labels(engine)
    assert rows(VERDICTS) == [(True, "label", 1.0)]


def test_complaints_decide_only_where_nobody_else_spoke_and_enter_no_estimate(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    complaint = label(DRAWN, verdict="incorrect", annotator={"id": "u", "kind": "user"})
    ingest.write(send(prediction(DRAWN), complaint), NOW)
    score_labels(engine)
    assert rows(VERDICTS) == [(False, "label", None)]
    ingest.write(send(label(DRAWN)), NOW)
    score_labels(engine)
    assert rows(VERDICTS) == [(True, "label", 0.5)]


def test_the_majority_of_last_words_decides_and_a_tie_decides_nothing(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    def by(name: str, verdict: str, minute: int) -> dict[str, Any]:
        return label(
            DRAWN, annotator={"id": name, "kind": "human"}, verdict=verdict, ts=f"2026-11-20T11:{minute:02}:00Z"
        )

    ingest.write(send(prediction(DRAWN), by("a", "correct", 50), by("b", "incorrect", 51)), NOW)
    score_labels(engine)
    assert rows("SELECT correct FROM verdicts") == [None]
    ingest.write(send(by("b", "correct", 52)), NOW)
    score_labels(engine)
    assert rows("SELECT correct, labelled_at FROM verdicts") == [(True, datetime(2026, 11, 20, 11, 52, tzinfo=UTC))]


@pytest.mark.parametrize("silent", [{"safety_violation": True}, {"comment": "dark"}, {"answers": [" "]}])
def test_a_word_on_something_else_takes_no_verdict_back_and_answers_no_task(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows,
    silent: dict[str, Any],
) -> None:  # fmt: skip
    aside = label(DRAWN, verdict=None, ts="2026-11-20T11:58:00Z", **silent)
    ingest.write(send(prediction(DRAWN), aside), NOW)
    score_labels(engine)
    tasks = "SELECT answers, answered_at IS NULL, disputed FROM label_tasks"
    assert (rows(VERDICTS)[0][0], rows(tasks)) == (None, [(0, True, False)])
    ingest.write(send(label(DRAWN, ts="2026-11-20T11:55:00Z")), NOW)
    score_labels(engine)
    assert (rows(VERDICTS), rows(tasks)) == ([(True, "label", 0.5)], [(1, False, False)])


def test_who_names_other_answers_than_others_disputes_nothing_where_several_may_be_right(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    named = {"a": "red", "b": "red", "c": "rose", "d": "crimson"}
    tasks = {"open": "vqa", "closed": "classification"}
    ids = dict(
        zip(tasks, (one for one in (f"r{n}" for n in range(200)) if selected(one, 0.5, LABEL_KEY)), strict=False)
    )
    for kind, task in tasks.items():
        said = [
            label(ids[kind], verdict=None, answers=[answer], annotator={"id": name, "kind": "human"})
            for name, answer in named.items()
        ]
        ingest.write(send(prediction(ids[kind], task=task, output={"answer": "red"}), *said), NOW)
    score_labels(engine)
    query = "SELECT correct, score, disputed FROM verdicts JOIN label_tasks USING (request_id) WHERE request_id = :id"
    assert rows(query, id=ids["open"]) == [(True, pytest.approx(0.5), False)]
    assert rows(query, id=ids["closed"]) == [(None, pytest.approx(0.5), True)]


def test_answers_of_an_event_that_are_blank_say_nothing(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    said = label(DRAWN, verdict=None, answers=["", " "])
    ingest.write(send(prediction(DRAWN, task="classification"), said), NOW)
    score_labels(engine)
    assert rows("SELECT correct, score, scorer FROM verdicts") == [(None, None, "exact_match")]


def test_many_labels_are_scored_in_chunks(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    ids = [f"c{n}" for n in range(25)]
    ingest.write(send(*(prediction(one) for one in ids), *(label(one) for one in ids)), NOW)
    assert score_labels(engine, chunk=10) == 25
    assert rows("SELECT count(*) FROM verdicts") == [25]


def test_labels_without_a_prediction_do_not_hide_those_behind_them(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    early = [label(f"a{n}") for n in range(25)]
    three = [label("c0", annotator={"id": name, "kind": "human"}) for name in "xyz"]
    ingest.write(send(*(prediction(one) for one in ("b0", "c0", "d0")), *early, label("b0"), *three, label("d0")), NOW)
    assert score_labels(engine, chunk=2) == 3
    assert rows("SELECT request_id FROM verdicts ORDER BY 1") == ["b0", "c0", "d0"]
    assert rows("SELECT count(*) FROM labels WHERE NOT scored") == [25]


def test_the_cost_of_a_label_does_not_grow_with_how_many_wait(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    ids = [f"c{n}" for n in range(600)]
    ingest.write(send(*(prediction(one) for one in ids), *(label(one) for one in ids)), NOW)
    with engine.begin() as connection:  # as PostgreSQL plans where tens of thousands wait
        connection.exec_driver_sql(
            "DO $$BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || "
            "' SET enable_incremental_sort = off'; END$$"
        )
    engine.dispose()
    assert score_labels(engine, chunk=20) == len(ids)
    engine.dispose()  # a session that ends hands in what it has counted
    looks = "SELECT coalesce(sum(idx_scan), 0)::int FROM pg_stat_user_indexes WHERE relname LIKE 'arrivals_%'"
    wait_for(lambda: rows(looks)[0] >= 2 * len(ids), 20, "it is counted")
    assert rows(looks)[0] <= 3 * len(ids)


def test_slos_count_the_base_sample_alone_and_every_drawn_answer_keeps_its_probability(
    engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    """The model errs whenever it is unsure, and unsure answers are drawn four times as often."""
    options = replace(make_service(engine)._options, labels=LabelDesign(rate=0.2, boost=4.0))
    service = IngestService(engine, options, lambda *_: None)
    sure = {f"q{number}": number % 3 > 0 for number in range(900)}
    events = [
        prediction(one, output={"answer": "a", "confidence": 1.0 if is_sure else 0.5}) for one, is_sure in sure.items()
    ]
    service.write(send(*events), NOW)
    drawn = rows("SELECT request_id FROM label_tasks")
    service.write(send(*(label(one, verdict="correct" if sure[one] else "incorrect") for one in drawn)), NOW)
    score_labels(engine)
    with engine.connect() as connection:
        counted = label_outcomes(connection, Selector(), Window.before(NOW, DAY)).correct
    base = [one for one in sure if LabelPlan(0.2).draw(one, {}, None).drawn]
    assert len(counted) == len(base) == rows("SELECT count(*) FROM label_tasks WHERE in_base")[0]
    assert counted.sum() == sum(sure[one] for one in base)
    found = rows(
        "SELECT correct, count(*), min(inclusion_probability), max(inclusion_probability) FROM verdicts GROUP BY 1"
    )
    by_outcome = {correct: (count, least, most) for correct, count, least, most in found}
    assert by_outcome[True][1:] == (0.2, 0.2)
    assert by_outcome[False][1:] == (0.8, 0.8)
    assert by_outcome[False][0] > by_outcome[True][0]
    weighted = by_outcome[True][0] / 0.2 / (by_outcome[True][0] / 0.2 + by_outcome[False][0] / 0.8)
    assert weighted == pytest.approx(2 / 3, abs=0.07)
