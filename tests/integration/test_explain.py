"""Explanations and discovered slices on a real PostgreSQL: from ingested predictions to what people read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor import bootstrap, settings
from monitor.domain.records import Batch
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import DAY, HOUR, Window
from monitor.errors import NotEnoughData, SettingsError
from monitor.explain.words import in_words
from monitor.privacy import Subjects
from monitor.services.concepts import embed_bank, families
from monitor.services.discover_slices import DiscoverOptions, discover_due, discover_slices
from monitor.services.erase import EraseService
from monitor.services.explain import ExplainOptions, explain_alarms, explain_past, explain_windows
from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels
from monitor.services.sketches import SketchService
from monitor.store import locks
from monitor.store.engine import transaction
from monitor.store.explanations import Compared
from monitor.store.queries import explanations as queries

DIMENSION, FINGERPRINT = 16, "clip@1"
START = datetime.fromisoformat("2026-11-19T00:00:00Z")
REFERENCE, CURRENT = Window(START, START + 10 * HOUR), Window(START + 20 * HOUR, START + 22 * HOUR)
SUBJECTS = ("cat", "dog", "bird")
BANK = {("image", "subject"): tuple(f"a photo of a {one}" for one in SUBJECTS)}
CENTRES = np.random.default_rng(1).normal(size=(3, DIMENSION))
OPTIONS = ExplainOptions(BANK, rows=400, alpha=0.05, slice_dimensions=("device",))
COMPARED = Compared("m", ALL_TRAFFIC, REFERENCE, CURRENT)
NOW = CURRENT.end + timedelta(minutes=3)
Send, Event, Rows = Callable[..., Batch], Callable[..., dict[str, Any]], Callable[..., list[Any]]


def encode_texts(phrases: Any) -> np.ndarray:
    return np.stack([CENTRES[SUBJECTS.index(one.removeprefix("a photo of a "))] for one in phrases]).astype(np.float32)


def embed(engine: Engine) -> int:
    return embed_bank(engine, BANK, FINGERPRINT, DIMENSION, {"name": "clip"}, encode_texts)


def carried(kind: str, vector: np.ndarray) -> dict[str, str]:
    data = base64.b64encode(vector.astype("<f2").tobytes()).decode()
    return {"kind": kind, "embedder": FINGERPRINT, "dtype": "f2", "data": data}


@pytest.fixture
def traffic(ingest: IngestService, send: Send, prediction: Event) -> Callable[..., list[str]]:
    """Ingests evenly spread predictions; the last ones of the call are birds at the share given."""

    def make(window: Window, n: int, birds: float, seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        events = []
        for index in range(n):
            subject = 2 if rng.random() < birds else int(rng.integers(2))
            events.append(
                prediction(
                    f"p{seed}-{index}",
                    ts=(window.start + (window.end - window.start) * index / n).isoformat(),
                    slices={"device": f"cam-{index % 3}", "user": f"u{index}"},
                    embeddings=[
                        carried("image", CENTRES[subject] + rng.normal(size=DIMENSION)),
                        carried("prompt", rng.normal(size=DIMENSION)),
                    ],
                )
            )
        ingest.write(send(*events), window.end)
        return [one["request_id"] for one in events]

    return make


@pytest.fixture
def moved(engine: Engine, traffic: Callable[..., list[str]]) -> Engine:
    """Birds went from 10% to 60%; the bank is embedded."""
    traffic(REFERENCE, 400, 0.1, 1)
    traffic(CURRENT, 300, 0.6, 2)
    embed(engine)
    return engine


def drift(engine: Engine, *found: tuple[Slice, int, str, float]) -> None:
    """Drift results of an image reference: (slice, hours before the last tick, verdict, adjusted p)."""
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO drift_references (id, model, stream, embedder_id, blessed, active, window_start, "
                "window_end, rows, fit) OVERRIDING SYSTEM VALUE SELECT 1, 'm', 'image', min(id), true, true, :start, "
                ":end, 400, '' FROM embedders ON CONFLICT DO NOTHING"
            ),
            {"start": REFERENCE.start, "end": REFERENCE.end},
        )
        for part, age, verdict, p in found:
            tick = CURRENT.end - age * HOUR
            connection.execute(
                text(
                    "INSERT INTO drift_results (reference_id, dimension, value, tick, window_start, n, verdict, "
                    "adjusted_p, detail) VALUES (1, :dimension, :value, :tick, :start, 300, :verdict, :p, '{}')"
                ),
                {"dimension": part.dimension, "value": part.value, "tick": tick, "start": tick - 2 * HOUR,
                 "verdict": verdict, "p": p},
            )  # fmt: skip


def test_what_moved_is_named_stored_and_read_back(moved: Engine) -> None:
    found = explain_windows(moved, OPTIONS, COMPARED, NOW)
    assert found.first is not None
    assert found.first.name == "a photo of a bird"
    assert in_words(found.first).startswith("a photo of a bird: ")
    with transaction(moved) as connection:
        [stored] = queries.explanations(connection, CURRENT, "m")
        shown = queries.explanation_examples(connection, stored.id)
    assert stored.findings.causes == found.causes
    assert stored.findings.carriers == found.carriers
    assert stored.compared == COMPARED
    assert (stored.n_reference, stored.n_current) == (400, 300)
    assert len(shown) == 6
    assert all(one.request_id.startswith("p2-") and one.prompt == "What is it?" for one in shown)


def test_only_configured_slices_are_looked_at(moved: Engine) -> None:
    """`user` has a value of its own in every row, and is nobody's business."""
    found = explain_windows(moved, OPTIONS, COMPARED, NOW)
    assert {one.of for one in found.causes if one.kind == "slice"} <= {"device", "version", "variant", "task"}


def test_one_slice_can_be_explained_alone(moved: Engine) -> None:
    found = explain_windows(moved, OPTIONS, replace(COMPARED, part=Slice("device", "cam-1")), NOW)
    assert (found.n_reference, found.n_current) == (133, 100)


def test_without_a_bank_of_this_embedder_there_are_no_concepts(
    engine: Engine, traffic: Callable[..., list[str]]
) -> None:
    traffic(REFERENCE, 400, 0.1, 1)
    traffic(CURRENT, 300, 0.6, 2)
    assert not [one for one in explain_windows(engine, OPTIONS, COMPARED, NOW).causes if one.kind == "concept"]


def test_the_bank_is_embedded_once(engine: Engine, rows: Rows) -> None:
    assert (embed(engine), embed(engine)) == (3, 0)
    with transaction(engine) as connection:
        [family] = families(connection, BANK, rows("SELECT id FROM embedders")[0])
    assert np.allclose(family.vectors, CENTRES, atol=2e-3)
    assert family.phrases == BANK["image", "subject"]


def test_too_few_rows_are_refused(moved: Engine) -> None:
    with pytest.raises(NotEnoughData, match="current window has 0 rows"):
        explain_windows(moved, OPTIONS, replace(COMPARED, current=Window(NOW, NOW + HOUR)), NOW)


def test_a_drift_that_persists_is_explained_once(moved: Engine, rows: Rows) -> None:
    drift(moved, (ALL_TRAFFIC, 1, "drift", 1e-6), (ALL_TRAFFIC, 0, "drift", 1e-8))
    assert (explain_alarms(moved, OPTIONS, NOW), explain_alarms(moved, OPTIONS, NOW)) == (1, 0)
    assert rows("SELECT model, dimension, window_end FROM drift_explanations") == [("m", "", CURRENT.end)]


def test_one_drifting_tick_is_not_explained_yet(moved: Engine) -> None:
    drift(moved, (ALL_TRAFFIC, 1, "no_drift", 0.5), (ALL_TRAFFIC, 0, "drift", 1e-8))
    assert explain_alarms(moved, OPTIONS, NOW) == 0


def test_where_only_slices_drift_the_clearest_is_explained(moved: Engine, rows: Rows) -> None:
    for device, p in (("cam-1", 1e-4), ("cam-2", 1e-9)):
        drift(moved, *((Slice("device", device), age, "drift", p) for age in (1, 0)))
    assert explain_alarms(moved, OPTIONS, NOW) == 1
    assert rows("SELECT dimension, value FROM drift_explanations") == [("device", "cam-2")]


def test_a_second_process_leaves_it_to_the_first(moved: Engine) -> None:
    drift(moved, (ALL_TRAFFIC, 1, "drift", 1e-6), (ALL_TRAFFIC, 0, "drift", 1e-8))
    with locks.try_hold(moved, locks.EXPLANATION) as held:
        assert held is not None
        assert explain_alarms(moved, OPTIONS, NOW) == 0


def test_a_model_whose_drift_cannot_be_explained_hides_no_other(
    moved: Engine, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_one(engine: Engine, options: ExplainOptions, alarm: Compared, now: datetime) -> object:
        if alarm.model == "lost":
            raise ValueError("a fault of ours")
        return explain_windows(engine, options, alarm, now)

    alarms = [replace(COMPARED, model="lost"), COMPARED]
    monkeypatch.setattr("monitor.services.explain.explain_windows", fail_for_one)
    monkeypatch.setattr("monitor.services.explain._alarms", lambda _: alarms)
    with pytest.raises(ValueError, match="ours"):
        explain_alarms(moved, OPTIONS, NOW)
    assert rows("SELECT model FROM drift_explanations") == ["m"]


def test_past_alarms_are_explained_at_their_own_hours(moved: Engine, rows: Rows) -> None:
    drift(moved, (ALL_TRAFFIC, 1, "drift", 1e-6), (ALL_TRAFFIC, 0, "drift", 1e-8))
    assert explain_past(moved, OPTIONS, CURRENT.start, CURRENT.end + 5 * HOUR) == 1
    assert rows("SELECT created_at FROM drift_explanations") == [CURRENT.end]


def test_an_alarm_without_retained_rows_is_logged(moved: Engine, caplog: pytest.LogCaptureFixture) -> None:
    drift(moved, (ALL_TRAFFIC, 1, "drift", 1e-6), (ALL_TRAFFIC, 0, "drift", 1e-8))
    with transaction(moved) as connection:
        connection.execute(text("DELETE FROM predictions WHERE ts >= :start"), {"start": CURRENT.start})
    assert explain_alarms(moved, OPTIONS, NOW) == 0
    assert "drift was not explained" in caplog.text


def test_an_erased_request_is_no_example_any_more(moved: Engine, rows: Rows) -> None:
    explain_windows(moved, OPTIONS, COMPARED, NOW)
    [first, *_] = rows("SELECT request_id FROM explanation_examples ORDER BY place")
    EraseService(moved, Subjects(()), SketchService(moved, ("device",), 3)).requests([first], "me", NOW, dry_run=False)
    assert first not in rows("SELECT request_id FROM explanation_examples")
    with transaction(moved) as connection:
        [stored] = queries.explanations(connection, CURRENT)
        assert len(queries.explanation_examples(connection, stored.id)) == 5


# Discovered slices.

SEARCH = DiscoverOptions(BANK, timedelta(days=2), labels=5000, alpha=0.05, slice_dimensions=("device",))
LABELLED = Window(START, START + 24 * HOUR)


@pytest.fixture
def graded(
    engine: Engine, ingest: IngestService, send: Send, label: Event, traffic: Callable[..., list[str]]
) -> list[str]:
    """800 drawn and labelled predictions; answers for cam-1 are wrong half of the time, others one time in twenty."""
    requests = traffic(LABELLED, 800, 0.1, 3)
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM label_tasks"))
        connection.execute(
            text(
                "INSERT INTO label_tasks (ts, request_id, stratum, inclusion_probability) "
                "SELECT ts, request_id, '', 0.5 FROM predictions"
            )
        )
    rng = np.random.default_rng(4)
    wrong = [rng.random() < (0.5 if index % 3 == 1 else 0.05) for index in range(len(requests))]
    labels = [
        label(one, ts=LABELLED.end.isoformat(), verdict="incorrect" if bad else "correct")
        for one, bad in zip(requests, wrong, strict=True)
    ]
    ingest.write(send(*labels), LABELLED.end + HOUR)
    while score_labels(engine):
        pass
    embed(engine)
    return requests


@pytest.mark.usefixtures("graded")
def test_a_worse_slice_is_discovered_stored_and_read_back(engine: Engine) -> None:
    found = discover_slices(engine, SEARCH, "m", LABELLED, NOW)
    assert [one.name for one in found.found] == ["device = cam-1"]
    with transaction(engine) as connection:
        stored = queries.latest_discovery(connection, "m", LABELLED.end)
        assert stored is not None
        shown = queries.discovery_examples(connection, stored.id, 0)
    assert stored.labels == 800
    assert [one.name for one in stored.found] == ["device = cam-1"]
    assert stored.found[0].inside == found.found[0].inside
    assert stored.found[0].interval.upper < 0.0
    assert len(shown) == 6
    assert all(one.slices["device"] == "cam-1" for one in shown)


@pytest.mark.usefixtures("graded")
def test_answers_of_one_minute_count_as_a_group(engine: Engine) -> None:
    """Of each hour the right answers of cam-1 are moved to one minute, the wrong ones to the next."""
    with transaction(engine) as connection:
        connection.execute(
            text(
                "UPDATE verdicts SET ts = date_trunc('hour', ts) + interval '1 minute' * CAST(NOT correct AS integer) "
                "WHERE slices ->> 'device' = 'cam-1'"
            )
        )
    [found] = discover_slices(engine, SEARCH, "m", LABELLED, NOW).found
    assert found.name == "device = cam-1"
    assert found.inside.effective_n < 0.4 * found.inside.n


@pytest.mark.usefixtures("graded")
def test_a_search_is_due_again_when_a_quarter_of_its_span_is_new(engine: Engine, rows: Rows) -> None:
    options, tomorrow = replace(SEARCH, span=8 * DAY), LABELLED.end + 2 * HOUR
    moments = [tomorrow, tomorrow + HOUR, tomorrow + DAY, tomorrow + 2 * DAY]
    assert [discover_due(engine, options, moment) for moment in moments] == [1, 0, 0, 1]
    ends = rows("SELECT window_end FROM slice_discoveries ORDER BY 1")
    assert ends == [LABELLED.end, LABELLED.end + 2 * DAY]


@pytest.mark.usefixtures("graded")
def test_a_search_is_due_again_when_the_labels_have_doubled(engine: Engine, rows: Rows) -> None:
    """What was searched had 400 of them, then 401; as many more as a search looks at are no growth."""
    tomorrow = LABELLED.end + 2 * HOUR
    assert discover_due(engine, SEARCH, tomorrow) == 1
    for labels, options, due in ((401, SEARCH, 0), (400, replace(SEARCH, labels=700), 0), (400, SEARCH, 1)):
        with transaction(engine) as connection:
            connection.execute(text("UPDATE slice_discoveries SET labels = :labels"), {"labels": labels})
        assert discover_due(engine, options, tomorrow + HOUR) == due
    assert rows("SELECT labels FROM slice_discoveries ORDER BY 1") == [400, 800]


@pytest.mark.usefixtures("graded")
def test_labels_that_nobody_drew_are_left_out(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("UPDATE verdicts SET inclusion_probability = NULL"))
    with pytest.raises(NotEnoughData, match="has 0 labels"):
        discover_slices(engine, SEARCH, "m", LABELLED, NOW)
    assert discover_due(engine, SEARCH, LABELLED.end + HOUR) == 0


def test_the_embed_worker_embeds_the_bank_with_its_own_text_tower(
    engine: Engine, database_url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bank = tmp_path / "concepts.yaml"
    bank.write_text("image: {lighting: [a photo in dim light, a photo in bright light]}")
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_EMBEDDER__MODEL", "local-dir:demo/clip/model")
    monkeypatch.setenv("SNELLEN_EXPLAIN__CONCEPTS", str(bank))
    bootstrap.make_embed(settings.load(), engine)
    assert rows("SELECT phrase FROM concept_vectors ORDER BY phrase") == [
        "a photo in bright light", "a photo in dim light",
    ]  # fmt: skip


def test_a_bank_that_cannot_be_read_is_told_by_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SNELLEN_EXPLAIN__CONCEPTS", str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match=r"explain\.concepts"):
        bootstrap.explain_options(settings.load())
