"""Drift as a time-slice SLO on a real PostgreSQL: persisting drift opens a ticket, quiet or unjudged hours none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom
from sqlalchemy import Engine, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, MINUTE
from monitor.errors import SettingsError
from monitor.notify import CHANNELS
from monitor.services.evaluate_slos import evaluate_slos
from monitor.sli import SLIS
from monitor.slo.objective import Objective
from monitor.slo.openslo import parse_objectives

pytestmark = pytest.mark.integration
Rows = Callable[..., list[Any]]
Store = Callable[..., None]

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 10, tzinfo=UTC)
FILES = {one.name: one.read_bytes() for one in (ROOT / "examples/slos/drift.yaml", ROOT / "slos/alerting.yaml")}
QUIET, DRIFT, UNKNOWN = "no_drift", "drift", "not_enough_data"


@pytest.fixture
def objective() -> Objective:
    [found] = parse_objectives(FILES, SLIS, CHANNELS)
    return found


@pytest.fixture
def store(engine: Engine) -> Store:
    """Stores verdicts of consecutive hours: the first was judged at the end of the first hour."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, "
                "timeout, rejected, latency, confidence, cost_usd) VALUES (:minute, 'my-vqa', 'v', 'stable', 'vqa', "
                f"'', '', 1, 0, 0, 0, array_fill(0, ARRAY[{LATENCY_BINS}]), array_fill(0, ARRAY[{CONFIDENCE_BINS}]), 0)"
            ),
            {"minute": START},
        )
        embedder = connection.execute(
            text("INSERT INTO embedders (fingerprint, dimension, detail) VALUES ('e@1', 2, '{}') RETURNING id")
        ).scalar_one()

    def write(verdicts: Sequence[str], stream: str = "image", model: str = "my-vqa", part: Slice = ALL_TRAFFIC) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE drift_references SET active = false WHERE stream = :s"), {"s": stream})
            reference = connection.execute(
                text(
                    "INSERT INTO drift_references (model, stream, embedder_id, blessed, active, window_start, "
                    "window_end, rows, fit) VALUES (:model, :stream, :embedder, true, true, :at, :at, 1, '') "
                    "RETURNING id"
                ),
                {"model": model, "stream": stream, "embedder": embedder, "at": START},
            ).scalar_one()
            connection.execute(
                text(
                    "INSERT INTO drift_results (reference_id, dimension, value, tick, window_start, n, verdict, detail)"
                    " VALUES (:reference, :dimension, :value, :tick, :tick, 9, :verdict, '{}')"
                ),
                [
                    {
                        "reference": reference, "dimension": part.dimension, "value": part.value,
                        "tick": START + (index + 1) * HOUR, "verdict": verdict,
                    }
                    for index, verdict in enumerate(verdicts)
                    if verdict
                ],
            )  # fmt: skip

    return write


def counts(engine: Engine, rows: Rows, objective: Objective, at: datetime) -> Any:
    evaluate_slos(engine, [objective], [at], backfilled=True)
    [found] = rows(f"SELECT bad, total FROM slo_evaluations WHERE slo = '{objective.name}' AND tick = '{at}'")
    return found


def test_drift_that_persists_opens_one_ticket_and_its_end_closes_it(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([QUIET] * 30 + [DRIFT] * 20 + [QUIET] * 10)
    evaluate_slos(engine, [objective], [START + HOUR + n * MINUTE for n in range(59 * 60)], backfilled=False)
    found = rows("SELECT kind, reason, tick FROM alert_transitions ORDER BY id")
    assert [one[:2] for one in found] == [("opened", "first_breach"), ("closed", "resolved")]
    opened, closed = (one[2] for one in found)
    persisting = round((opened - START) / HOUR) - 31
    assert opened == START + (31 + persisting) * HOUR, "it is known when an hour ends, and from the second look on"
    tails = [binom.sf(bad - 1, 31 + bad, 0.05) for bad in (persisting - 1, persisting)]
    assert tails[1] < 0.1 < tails[0], "of the slow tier's hours, 5% bad would be bad luck before"
    assert closed - START == timedelta(hours=57, minutes=15), "6 h and 15 min after the last look at which it persists"
    assert rows("SELECT DISTINCT severity FROM alerts") == ["ticket"]
    assert rows("SELECT channel, count(*) FROM notifications GROUP BY 1 ORDER BY 1") == [("log", 2), ("webhook", 2)]


def test_quiet_hours_and_single_findings_open_none(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([QUIET] * 10 + ([DRIFT] + [QUIET] * 2) * 16)
    evaluate_slos(engine, [objective], [START + n * 10 * MINUTE for n in range(6, 58 * 6)], backfilled=False)
    assert rows("SELECT count(*) FROM alert_transitions") == [0]
    assert rows("SELECT max(bad), max(total) FROM slo_evaluations") == [(0, 57)]


def test_an_hour_counts_once_from_its_end_on_at_every_minute(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([QUIET, DRIFT, DRIFT])
    before, end = START + 3 * HOUR - MINUTE, START + 3 * HOUR
    evaluate_slos(engine, [objective], [before, *(end + n * MINUTE for n in range(60))], backfilled=True)
    assert rows("SELECT DISTINCT bad, total FROM slo_evaluations WHERE tick < :end ORDER BY 1", end=end) == [(0, 2)]
    assert rows("SELECT DISTINCT bad, total FROM slo_evaluations WHERE tick >= :end", end=end) == [(1, 3)]


def test_hours_that_nobody_could_judge_are_no_events_and_never_green(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([UNKNOWN, "not_enough_reference"] * 15)
    assert counts(engine, rows, objective, START + 30 * HOUR) == (0, 0)
    assert rows("SELECT state FROM slo_evaluations") == ["no_data"]


def test_drift_persists_over_a_look_without_data_and_not_over_missing_hours(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([DRIFT, UNKNOWN, DRIFT, "", "", DRIFT])
    assert counts(engine, rows, objective, START + 6 * HOUR) == (1, 3)


def test_a_new_reference_does_not_inherit_what_the_former_one_found(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    store([DRIFT, DRIFT])
    store(["", "", DRIFT, QUIET])
    assert counts(engine, rows, objective, START + 4 * HOUR) == (1, 4)


def test_only_the_selected_stream_model_and_slice_count(
    engine: Engine, objective: Objective, store: Store, rows: Rows
) -> None:
    camera = Slice("device", "camera-1")
    store([QUIET, QUIET, QUIET])
    store([DRIFT, DRIFT, DRIFT], model="another")
    store([DRIFT, DRIFT, QUIET], stream="prompt")
    store([QUIET, DRIFT, DRIFT], part=camera)
    chosen = objective.measure.selector
    for name, selector, expected in (
        ("image", chosen, (0, 3)),
        ("prompt", replace(chosen, stream="prompt"), (2, 3)),
        ("camera", replace(chosen, slice=camera), (1, 3)),
        ("any stream", replace(chosen, stream=None), (2, 3)),
    ):
        one = replace(objective, name=name, measure=replace(objective.measure, selector=selector))
        assert counts(engine, rows, one, START + 3 * HOUR) == expected, name


def test_a_document_chooses_drift_by_stream_and_slice_and_requests_by_no_stream() -> None:
    by = b"stream: image, slice: {version: v2}"
    [found] = parse_objectives(
        {**FILES, "drift.yaml": FILES["drift.yaml"].replace(b"stream: image", by)}, SLIS, CHANNELS
    )
    assert (found.measure.selector.stream, found.measure.selector.slice) == ("image", Slice("version", "v2"))
    for series, key in ((b"valid_requests", "stream"), (b"drift_looks", "variant")):
        wrong = FILES["drift.yaml"].replace(b"drift_looks", series)
        wrong = wrong if key == "stream" else wrong.replace(b"stream: image", b"variant: canary")
        with pytest.raises(SettingsError, match=f"cannot choose by {key}"):
            parse_objectives({**FILES, "drift.yaml": wrong}, SLIS, CHANNELS)
