"""Metrics of each task's answers, from records to figures: who counts, with which weight, overall and by slice."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.records import Batch
from monitor.domain.window import Window
from monitor.sampling import LABEL_KEY, selected
from monitor.services.ingest import IngestService
from monitor.services.measure_tasks import TaskMetrics, TaskReport, measure_tasks
from monitor.services.score_labels import score_labels
from monitor.store.queries.selection import EVERYTHING, LIVE, Selection
from monitor.store.queries.slices import Dimension
from monitor.tasks import TASKS
from monitor.tasks.metric import Metric

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(hours=1), NOW)
DRAWN = [f"r{n}" for n in range(200) if selected(f"r{n}", 0.5, LABEL_KEY)]
UNDRAWN = [f"r{n}" for n in range(200) if not selected(f"r{n}", 0.5, LABEL_KEY)]
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]


@pytest.fixture
def measured(engine: Engine) -> Callable[..., TaskReport]:
    def measure(selection: Selection = EVERYTHING, dimension: Dimension | None = None) -> TaskReport:
        score_labels(engine)
        with engine.connect() as connection:
            return measure_tasks(connection, WINDOW, selection, dimension, tasks=TASKS)

    return measure


def named(one: TaskMetrics) -> dict[str, Metric]:
    return {metric.name: metric for metric in one.metrics}


def vector(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f2").tobytes()).decode()


def test_yes_no_answers_have_their_rates_overall_and_by_slice(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    records = []
    for place, request in enumerate(DRAWN[:20]):
        camera = "cam-1" if place < 8 else "cam-2"
        records.append(prediction(request, task="yes_no", output={"answer": "Yes"}, slices={"device": camera}))
        truth = "no" if camera == "cam-2" else "yes"
        records.append(label(request, verdict=None, answers=[truth]))
    ingest.write(send(*records), NOW)
    found = measured(dimension=Dimension("slice", "device"))

    assert (found.drawn, found.used) == (20, 20)
    assert [(one.task, one.value, one.n) for one in found.figures] == [
        ("yes_no", None, 20), ("yes_no", "cam-2", 12), ("yes_no", "cam-1", 8)
    ]  # fmt: skip
    whole, second, first = map(named, found.figures)
    assert (whole["accuracy"].value, whole["yes_bias"].value) == (pytest.approx(0.4), pytest.approx(0.6))
    assert (second["false_positive_rate"].value, second["false_positive_rate"].n) == (1.0, 12)
    assert (first["false_positive_rate"].value, first["recall"].value) == (None, 1.0)


def test_only_what_the_sampler_drew_counts_and_complaints_do_not(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    user = {"id": "u", "kind": "user"}
    ingest.write(
        send(
            prediction(DRAWN[0]), label(DRAWN[0]),
            prediction(DRAWN[1]), label(DRAWN[1], verdict="incorrect", safety_violation=True, annotator=user),
            prediction(UNDRAWN[0]), label(UNDRAWN[0], verdict="incorrect"),
        ),
        NOW,
    )  # fmt: skip
    (found,) = measured().figures
    assert (found.n, named(found)["accuracy"].value, named(found)["accuracy"].n) == (2, 1.0, 1)
    assert named(found)["violation_rate"].n == 0


def test_a_word_on_safety_counts_beside_a_verdict_whichever_came_last(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    for request, places in zip(DRAWN[:2], [("50", "55"), ("55", "50")], strict=True):
        verdict, safety = (f"2026-11-20T11:{minute}:00Z" for minute in places)
        unsafe = label(request, verdict=None, safety_violation=True, ts=safety)
        ingest.write(send(prediction(request), label(request, ts=verdict), unsafe), NOW)
    figures = {metric.name: (metric.value, metric.n) for metric in measured().figures[0].metrics}
    assert (figures["accuracy"], figures["violation_rate"]) == ((1.0, 2), (1.0, 2))


def test_refusals_flags_and_violations_are_counted(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    refusal, flagged = {"answer": "I cannot", "refused": True}, {"answer": "x", "safety": {"flagged": True}}
    second = {"id": "second", "kind": "human"}
    ingest.write(
        send(
            prediction(DRAWN[0], output=refusal), label(DRAWN[0], verdict="incorrect"),
            prediction(DRAWN[1], output=flagged), label(DRAWN[1], verdict="unsure", safety_violation=True),
            label(DRAWN[1], safety_violation=False, annotator=second),
            prediction(DRAWN[2]), label(DRAWN[2], safety_violation=False),
            prediction(DRAWN[3], status="error", output={}),
        ),
        NOW,
    )  # fmt: skip
    found = named(measured().figures[0])
    figures = {name: (found[name].value, found[name].n) for name in found if name.endswith("_rate")}
    assert figures["refusal_rate"] == (pytest.approx(1 / 3), 3)
    assert figures["flagged_rate"] == (pytest.approx(1 / 3), 3)
    assert figures["false_refusal_rate"] == (1.0, 1)
    assert figures["violation_rate"] == (0.5, 2), "a tie counts as a violation"


def test_the_last_word_of_an_annotator_and_an_adjudicators_alone_count(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build,
    measured: Callable[..., TaskReport],
) -> None:  # fmt: skip
    second = {"id": "second", "kind": "human"}
    ingest.write(
        send(
            prediction(DRAWN[0], task="captioning"),
            label(DRAWN[0], verdict=None, rating=10),
            label(DRAWN[0], verdict=None, rating=80, ts="2026-11-20T11:59:55Z"),
            label(DRAWN[0], verdict=None, rating=60, annotator=second),
        ),
        NOW,
    )
    assert named(measured().figures[0])["human_rating"].value == pytest.approx(70.0)
    with engine.begin() as connection:
        connection.execute(text("UPDATE labels SET adjudicates = true WHERE annotator_id = 'second'"))
    assert named(measured().figures[0])["human_rating"].value == pytest.approx(60.0)


def test_labels_of_an_older_prediction_of_the_same_id_do_not_count(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    older = {"ts": "2026-11-18T11:59:30Z"}
    second = {"id": "second", "kind": "human"}
    ingest.write(send(prediction(DRAWN[0], task="captioning", **older)), NOW)
    ingest.write(send(label(DRAWN[0], verdict=None, rating=10, annotator=second, ts="2026-11-18T12:00:00Z")), NOW)
    ingest.write(send(prediction(DRAWN[0], task="captioning"), label(DRAWN[0], verdict=None, rating=80)), NOW)
    assert named(measured().figures[0])["human_rating"].value == pytest.approx(80.0)


def test_agreement_of_answer_and_image_comes_from_stored_vectors_of_one_embedder(
    ingest: IngestService, send: Send, prediction: Build, measured: Callable[..., TaskReport]
) -> None:
    def vectors(answer: str, embedder: str = "clip") -> list[dict[str, str]]:
        sides = {"image": vector(1, 0), "answer": answer}
        return [{"kind": kind, "embedder": embedder, "dtype": "f2", "data": data} for kind, data in sides.items()]

    ingest.write(
        send(
            prediction(DRAWN[0], task="captioning", embeddings=vectors(vector(3, 4))),
            prediction(DRAWN[1], task="captioning", embeddings=vectors(vector(0, 1))),
            prediction(DRAWN[2], task="captioning", embeddings=vectors(vector(0, 0))),
            prediction(DRAWN[3], task="captioning", embeddings=vectors(vector(-1, 0), "another")),
            prediction(DRAWN[4], task="captioning"),
        ),
        NOW,
    )
    found = named(measured().figures[0])
    assert (found["answer_image_agreement"].value, found["answer_image_agreement"].n) == (
        pytest.approx(0.3, abs=1e-3),
        2,
    )
    assert (found["clip_score"].value, found["clip_score"].n) == (pytest.approx(0.75, abs=1e-2), 2)


def test_replays_are_whole_and_apart_from_live_traffic(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    for request in (DRAWN[0], UNDRAWN[0]):
        ingest.write(send(prediction(request), label(request), replay="exam"), NOW)
    ingest.write(send(prediction(DRAWN[1]), label(DRAWN[1], verdict="incorrect")), NOW)
    assert [(one.n, named(one)["accuracy"].value) for one in measured(Selection(source="exam")).figures] == [(2, 1.0)]
    assert [(one.n, named(one)["accuracy"].value) for one in measured(Selection(source=LIVE)).figures] == [(1, 0.0)]
    assert measured(Selection(model="another")) == TaskReport((), 0, 0)


def test_what_was_removed_from_texts_is_not_compared(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    ingest.write(
        send(
            prediction(DRAWN[0], output={"answer": "write to ann@example.com"}),
            label(DRAWN[0], verdict=None, answers=["write to bob@example.com"]),
        ),
        NOW,
    )
    assert named(measured().figures[0])["exact_match"].n == 0


def test_verdicts_alone_give_top_1_and_say_what_they_leave_open(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    output = {"candidates": [{"answer": one, "score": score} for one, score in (("cat", 0.8), ("dog", 0.2))]}
    records = [prediction(one, task="classification", output=output) for one in DRAWN[:4]]
    verdicts = ["correct", "correct", "incorrect", "unsure"]
    said = [label(one, verdict=verdict) for one, verdict in zip(DRAWN[:4], verdicts, strict=True)]
    ingest.write(send(*records, *said), NOW)
    report = measured()
    found = named(report.figures[0])
    assert (found["top_1"].value, found["top_1"].n) == (pytest.approx(2 / 3), 3)
    assert (found["top_3"].value, found["top_3"].n) == (None, 2)
    open_ones = "no label says what is right (1 of 3 answers)"
    assert report.shortfall == f"No figure for top_3, top_5 of classification: {open_ones}."
    ingest.write(send(label(DRAWN[2], verdict="incorrect", answers=["dog"], ts="2026-11-20T11:59:55Z")), NOW)
    assert (named(measured().figures[0])["top_3"].value, measured().shortfall) == (1.0, "")


@pytest.mark.parametrize(
    ("words", "top_1", "top_3"),
    [
        ([("correct", []), ("correct", []), ("incorrect", ["dog"])], 1.0, 1.0),
        ([("correct", []), ("correct", []), (None, ["bird"])], 1.0, 1.0),
        ([("incorrect", []), ("incorrect", []), (None, ["cat"])], 0.0, None),
        ([("incorrect", ["dog"]), ("incorrect", []), ("correct", ["cat"])], 0.0, 1.0),
        ([(None, ["cat"]), (None, ["dog"]), (None, ["dog"])], 0.0, 1.0),
        ([(None, ["cat"]), (None, ["dog"]), (None, ["dog"]), ("unsure", ["cat"])], 0.0, 1.0),
        ([("correct", []), ("incorrect", ["dog"])], None, None),
    ],
    ids=[
        "against two",
        "a text against two",
        "for it against two",
        "one of two names it",
        "only names",
        "names and doubt",
        "a tie",
    ],
)
def test_what_those_name_who_were_outvoted_is_no_acceptable_answer(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport],
    words: list[tuple[str | None, list[str]]], top_1: float | None, top_3: float | None,
) -> None:  # fmt: skip
    output = {
        "candidates": [{"answer": one, "score": score} for one, score in (("cat", 0.7), ("dog", 0.2), ("ox", 0.1))]
    }
    said = [
        label(DRAWN[0], verdict=verdict, answers=answers, annotator={"id": f"a{place}", "kind": "human"})
        for place, (verdict, answers) in enumerate(words)
    ]
    ingest.write(send(prediction(DRAWN[0], task="classification", output=output), *said), NOW)
    found = named(measured().figures[0])
    assert (found["top_1"].value, found["top_3"].value) == (top_1, top_3)
    assert found["accuracy"].value == top_1


def test_ten_labels_and_one_label_with_ten_answers_have_the_same_figures(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    said = ["red"] * 3 + ["crimson"] * 3 + ["scarlet"] * 2 + ["rose"] * 2
    apart = [
        label(DRAWN[0], verdict=None, answers=[one], annotator={"id": f"a{place}", "kind": "human"})
        for place, one in enumerate(said)
    ]
    together = label(DRAWN[1], verdict=None, answers=said)
    asked = [prediction(one, output={"answer": "red"}, slices={"device": one}) for one in DRAWN[:2]]
    ingest.write(send(*asked, *apart, together), NOW)
    _, *by_device = measured(dimension=Dimension("slice", "device")).figures
    first, second = ({name: metric.value for name, metric in named(one).items()} for one in by_device)
    assert first == second
    assert (first["accuracy"], first["soft_accuracy"]) == (1.0, pytest.approx(0.9))


def test_the_mean_rating_decides_about_a_caption_as_it_is_shown(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    rated = [
        label(DRAWN[0], verdict=None, rating=rating, annotator={"id": name, "kind": "human"})
        for name, rating in (("a", 30), ("b", 90))
    ]
    unsure = label(DRAWN[0], verdict="unsure", rating=0, annotator={"id": "c", "kind": "human"})
    ingest.write(send(prediction(DRAWN[0], task="captioning"), *rated, unsure), NOW)
    found = named(measured().figures[0])
    assert (found["accuracy"].value, found["human_rating"].value) == (1.0, pytest.approx(60.0))


def test_items_that_are_relevant_stay_so_whoever_was_outvoted(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    output = {"candidates": [{"answer": one, "score": score} for one, score in (("a", 0.7), ("b", 0.3))]}
    words: list[tuple[str | None, list[str]]] = [("correct", ["a"]), ("correct", []), (None, ["z"])]
    said = [
        label(DRAWN[0], verdict=verdict, answers=answers, annotator={"id": f"a{place}", "kind": "human"})
        for place, (verdict, answers) in enumerate(words)
    ]
    ingest.write(send(prediction(DRAWN[0], task="retrieval", output=output), *said), NOW)
    assert named(measured().figures[0])["recall_at_10"].value == 0.5


def test_a_task_without_a_scorer_has_what_annotators_say(
    ingest: IngestService, send: Send, prediction: Build, label: Build, measured: Callable[..., TaskReport]
) -> None:
    ingest.write(send(prediction(DRAWN[0], task="counting"), label(DRAWN[0])), NOW)
    (found,) = measured().figures
    assert (found.task, named(found)["accuracy"].value) == ("counting", 1.0)


def test_the_command_prints_figures_and_says_when_there_are_none(
    ingest: IngestService, engine: Engine, send: Send, prediction: Build, label: Build, database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    ingest.write(send(prediction(DRAWN[0]), label(DRAWN[0], verdict=None, answers=["a mug"])), NOW)
    score_labels(engine)
    span = ["--since", "2026-11-20T11:00:00Z", "--until", "2026-11-20T12:00:00Z"]

    done = CliRunner().invoke(app, ["metrics", "--model", "m", "--dimension", "device", *span])
    assert done.exit_code == 0, done.output
    assert "vqa: 1 answer" in done.output
    assert "vqa, cam-1: 1 answer" in done.output
    assert "accuracy                    100.0%" in done.output

    done = CliRunner().invoke(app, ["metrics", "--json", *span])
    assert json.loads(done.output)["figures"][0]["metrics"][0]["value"] == 1.0
    done = CliRunner().invoke(app, ["metrics", "--model", "nobody", *span])
    assert done.exit_code == 2
    assert "no prediction of it has arrived; there are 'm'" in " ".join(done.output.replace("│", " ").split())
    done = CliRunner().invoke(app, ["metrics", "--model", "m", "--until", "2026-11-20T11:00:00Z"])
    assert (done.exit_code, done.output) == (3, "no answer of this window was drawn for labelling\n")
    for option, name, fault in (
        ("--version", "nobody", "no prediction of it has arrived; there are 'v1'"),
        ("--replay", "nope", "no replay has this id; nor is there any other"),
        ("--dimension", "devise", "no drawn answer of this window has it; did you mean 'device'?"),
    ):
        done = CliRunner().invoke(app, ["metrics", option, name, *span])
        assert done.exit_code == 2
        assert f"{option} '{name}': {fault}" in " ".join(done.output.replace("│", " ").split())
    assert CliRunner().invoke(app, ["metrics", "--dimension", "replay", *span]).exit_code == 0, "live traffic has none"
    done = CliRunner().invoke(app, ["metrics", "--since", "2026-11-20T11:00:00"])
    assert done.exit_code == 2
    assert "no time zone" in done.output
