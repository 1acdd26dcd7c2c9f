"""A canary beside stable, from what is stored: planted differences are found, and nothing else counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, latency_bins
from monitor.domain.window import DAY, HOUR, MINUTE
from monitor.services.compare_canary import CanaryOptions, CanaryReport, Judged, Verdict, compare_canary
from monitor.store.engine import transaction
from monitor.store.queries.canary import Rollout, canary_rollouts

START = datetime(2026, 11, 18, 12, 0, 30, tzinfo=UTC)
NOW = START + 6 * HOUR
OPTIONS = CanaryOptions(alpha=0.05, label_margin=0.02, request_margin=0.005)
pytestmark = pytest.mark.integration


def announce(engine: Engine, *events: tuple[str, str, timedelta], variant: str = "canary") -> None:
    """(action, version, after START)."""
    with engine.begin() as connection:
        for place, (action, version, after) in enumerate(events):
            connection.execute(
                text(
                    "INSERT INTO deployments (content_hash, ts, model, version, variant, action) "
                    "VALUES (:hash, :ts, 'm', :version, :variant, :action)"
                ),
                {"hash": f"{variant}{place}".encode(), "ts": START + after, "version": version, "variant": variant,
                 "action": action},
            )  # fmt: skip


def label(
    engine: Engine, variant: str, n: int, accuracy: float, *, version: str = "", confidence: float | None = 0.85,
    in_base: bool = True, replay: str | None = None, seed: int = 0, after: timedelta = MINUTE,
) -> None:  # fmt: skip
    """`n` labelled predictions, one every few seconds, each labelled ten minutes later."""
    rng = np.random.default_rng(seed)
    rows = [
        {"id": f"{variant}-{version}-{in_base}-{replay}-{seed}-{index}",
         "ts": START + after + timedelta(seconds=index * 5 * HOUR.total_seconds() / n), "variant": variant,
         "version": version or ("v2" if variant == "canary" else "v1"), "correct": bool(correct),
         "confidence": confidence, "in_base": in_base, "replay": replay}
        for index, correct in enumerate(rng.random(n) < accuracy)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                                      inclusion_probability, in_base, scorer, slices, replay)
                VALUES (:id, :ts, CAST(:ts AS timestamptz) + interval '10 minutes', 'm', :version, :variant, 'vqa',
                        :correct, :confidence, 0.2, :in_base, 'vqa', '{}', :replay)
            """),
            rows,
        )


def serve(
    engine: Engine, variant: str, requests: int, *, failing: float = 0.01, slow: float = 0.03, first: datetime = START,
    minutes: int = 300, seed: int = 0,
) -> None:  # fmt: skip
    """`requests` a minute from `first` on; quick answers take 80 ms, slow ones 400."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(minutes):
        failed = int(rng.binomial(requests, failing))
        late = int(rng.binomial(requests - failed, slow))
        latency = [0] * LATENCY_BINS
        fast, slower = latency_bins([80, 400])
        latency[fast], latency[slower] = requests - failed - late, late
        rows.append({"minute": first.replace(second=0) + MINUTE * (index + 1), "variant": variant, "error": failed,
                     "version": "v2" if variant == "canary" else "v1", "ok": requests - failed, "latency": latency,
                     "confidence": [0] * CONFIDENCE_BINS})  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO rollups_minute (minute, model, version, variant, task, dimension, value, ok, error, timeout,
                                            rejected, latency, confidence, cost_usd)
                VALUES (:minute, 'm', :version, :variant, 'vqa', '', '', :ok, :error, 0, 5, :latency, :confidence, 0)
            """),
            rows,
        )


@pytest.fixture
def compare(engine: Engine) -> Callable[..., dict[str, Judged]]:
    def measures(as_of: datetime = NOW) -> dict[str, Judged]:
        return {one.measure: one for one in report(engine, as_of).measures}

    return measures


def report(engine: Engine, as_of: datetime = NOW) -> CanaryReport:
    with transaction(engine) as connection:
        return compare_canary(connection, canary_rollouts(connection, as_of)[0], as_of, OPTIONS)


# ---- rollouts -----------------------------------------------------------------------------------------------------


def test_a_rollout_lasts_until_it_is_taken_back_or_followed(engine: Engine) -> None:
    announce(
        engine,
        ("rollout", "v2", timedelta()),
        ("rollout", "v2", HOUR),  # more traffic
        ("rollback", "v2", 2 * HOUR),
        ("rollout", "v3", 3 * HOUR),
        ("rollback", "v9", 4 * HOUR),  # of something that never was
        ("rollout", "v4", 5 * HOUR),
    )
    announce(engine, ("rollout", "v1", 4 * HOUR), variant="stable")
    with transaction(engine) as connection:
        found = canary_rollouts(connection, NOW)
        early = canary_rollouts(connection, START + MINUTE, "m")
        assert canary_rollouts(connection, NOW, "another") == []
    assert found == [
        Rollout("m", "v4", START + 5 * HOUR, None),
        Rollout("m", "v3", START + 3 * HOUR, START + 5 * HOUR),
        Rollout("m", "v2", START, START + 2 * HOUR),
    ]
    assert early == [Rollout("m", "v2", START, None)]


# ---- verdicts -----------------------------------------------------------------------------------------------------


def test_a_worse_canary_is_found_on_every_side(engine: Engine, compare: Callable[..., dict[str, Judged]]) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 700, 0.85)
    label(engine, "canary", 300, 0.45, seed=1)
    serve(engine, "stable", 70, first=START - DAY, minutes=120)
    serve(engine, "stable", 70)
    serve(engine, "canary", 30, failing=0.06, slow=0.15, seed=1)
    found = compare()
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(found, Verdict.WORSE)
    accuracy = found["accuracy"]
    assert (accuracy.stable.n, accuracy.canary.n) == (700, 300)
    assert accuracy.comparison is not None
    assert -0.4 in accuracy.comparison.interval
    assert found["calibration"].canary.mean == pytest.approx(0.40, abs=0.08)
    assert found["latency"].stable.n > 20_000
    assert len(accuracy.at) == len(accuracy.lower) == len(accuracy.upper) <= 200
    assert accuracy.at == tuple(sorted(accuracy.at))
    assert report(engine).verdict == Verdict.WORSE
    assert report(engine).slow_ms == 100


def test_a_share_that_grows_while_all_fails_more_often_is_no_difference(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    for stage, (share, failing) in enumerate([(0.05, 0.01), (0.5, 0.08)]):
        first = START + stage * 150 * MINUTE
        for variant, part in (("stable", 1 - share), ("canary", share)):
            serve(engine, variant, round(200 * part), failing=failing, first=first, minutes=150, seed=stage)
    errors = compare()["errors"]
    assert errors.comparison is not None
    assert errors.canary.mean - errors.stable.mean > 0.03  # type: ignore[operator]
    assert errors.comparison.estimate == pytest.approx(0.0, abs=0.004)
    assert "the two means are of unlike times" in errors.reason


def test_the_interval_of_an_earlier_look_holds_that_of_a_later_one(engine: Engine) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 700, 0.85)
    label(engine, "canary", 300, 0.6, seed=1)
    looks = [report(engine, START + hours * HOUR).measures[0].comparison for hours in (1, 2, 4, 6)]
    for earlier, later in pairwise(looks):
        assert earlier is not None
        assert later is not None
        # As near as the grid of differences allows, which is refined about the ends of each look.
        assert earlier.interval.lower <= later.interval.lower + 0.02
        assert later.interval.upper <= earlier.interval.upper + 0.02


def test_an_equal_canary_is_equivalent_in_requests_and_open_in_labels(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 300, 0.85)
    label(engine, "canary", 100, 0.85, seed=1)
    serve(engine, "stable", 3000, first=START - DAY, minutes=60)
    serve(engine, "stable", 3000)
    serve(engine, "canary", 3000, seed=1)
    found = compare()
    assert found["errors"].verdict == found["latency"].verdict == Verdict.EQUIVALENT
    assert found["accuracy"].verdict == Verdict.UNDECIDED
    assert "more labels of the canary needed" in found["accuracy"].reason
    assert report(engine).verdict == Verdict.UNDECIDED


def test_an_underconfident_canary_is_no_better(engine: Engine, compare: Callable[..., dict[str, Judged]]) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 1200, 0.85)
    label(engine, "canary", 1200, 0.85, confidence=0.4, seed=1)
    gap = compare()["calibration"]
    assert gap.comparison is not None
    assert gap.comparison.interval.lower > 0  # of the distance from 0, though the gap itself is lower
    assert gap.canary.mean == pytest.approx(-0.45, abs=0.03)
    assert gap.verdict == Verdict.WORSE


def test_a_gap_as_large_on_the_other_side_is_neither_better_nor_worse(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 1500, 0.7)
    label(engine, "canary", 1500, 0.98, confidence=0.85, seed=1)
    gap = compare()["calibration"]
    assert gap.comparison is not None
    assert gap.stable.mean == pytest.approx(0.15, abs=0.03)
    assert gap.canary.mean == pytest.approx(-0.13, abs=0.03)
    assert 0.0 in gap.comparison.interval
    assert gap.verdict == Verdict.UNDECIDED
    assert "more labels with a confidence of the canary needed" in gap.reason


def test_a_canary_that_was_mended_is_changed_and_no_longer_what_it_was(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 500, 0.8)
    label(engine, "canary", 500, 0.4, seed=1)
    label(engine, "stable", 500, 0.8, after=6 * HOUR, seed=2)
    label(engine, "canary", 500, 1.0, after=6 * HOUR, seed=3)
    broken, mended = report(engine), report(engine, START + 12 * HOUR)
    assert (broken.measures[0].verdict, broken.verdict) == (Verdict.WORSE, Verdict.WORSE)
    accuracy = mended.measures[0]
    assert (accuracy.verdict, mended.verdict) == (Verdict.CHANGED, Verdict.CHANGED)
    assert "points at one time and above" in accuracy.reason
    assert all(low < high for low, high in zip(accuracy.lower, accuracy.upper, strict=True))
    code, words = run(database_url, monkeypatch, "--as-of", (START + 12 * HOUR).isoformat())
    assert code == 0
    assert words.startswith("m v2: changed")
    assert "(-1.0000 to +1.0000)" in words


# ---- what counts --------------------------------------------------------------------------------------------------


def test_only_what_both_served_meanwhile_and_was_drawn_alike_counts(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()), ("rollback", "v2", 5 * HOUR))
    label(engine, "stable", 50, 0.8)
    label(engine, "canary", 40, 0.8)
    label(engine, "canary", 30, 0.0, in_base=False)  # drawn because unsure
    label(engine, "canary", 20, 0.0, replay="old log")
    label(engine, "canary", 20, 0.0, version="v3")
    label(engine, "shadow", 20, 0.0)
    label(engine, "stable", 20, 0.0, after=-2 * DAY, seed=3)
    label(engine, "stable", 20, 0.0, after=6 * HOUR, seed=4)
    label(engine, "stable", 10, 0.8, confidence=None, seed=5)
    found = compare(NOW + DAY)
    assert (found["accuracy"].stable.n, found["accuracy"].canary.n) == (60, 40)
    assert (found["calibration"].stable.n, found["calibration"].canary.n) == (50, 40)
    assert found["errors"].verdict == Verdict.UNDECIDED
    assert found["errors"].reason == "no requests of stable or canary yet"
    assert "day before" in found["latency"].reason
    assert found["accuracy"].reason == "too few labels to tell, and it serves no more"
    assert "more labels of the canary needed" in compare(START + 4 * HOUR)["accuracy"].reason


@pytest.mark.parametrize("named", ["v1-", "v2-", ""])
def test_labels_of_one_time_are_compared_whatever_their_ids_begin_with(
    engine: Engine, compare: Callable[..., dict[str, Judged]], named: str
) -> None:
    """A file without dates; ids that name the version put all of one side before the other."""
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 600, 0.95)
    label(engine, "canary", 600, 0.53, seed=1)
    with engine.begin() as connection:
        renamed = "CASE variant WHEN 'canary' THEN CAST(:named AS text) ELSE 'v1-' END || md5(request_id)"
        connection.execute(
            text(f"UPDATE verdicts SET labelled_at = :at, request_id = {renamed}"),
            {"at": START + 6 * HOUR, "named": named},
        )
    accuracy = compare()["accuracy"]
    assert (accuracy.stable.n, accuracy.canary.n) == (600, 600)
    assert accuracy.verdict == Verdict.WORSE


def test_labels_that_came_after_all_of_the_other_wait_for_more_of_it(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 600, 0.95)
    label(engine, "canary", 600, 0.53, seed=1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE verdicts SET labelled_at = :at WHERE variant = 'canary'"), {"at": NOW})
    accuracy = compare()["accuracy"]
    assert accuracy.verdict == Verdict.UNDECIDED
    assert accuracy.comparison is not None
    assert accuracy.comparison.more is None
    assert accuracy.reason == "599 labels of the canary wait for those of stable that they are to be compared with"


def test_labels_that_had_not_come_by_then_are_not_seen(
    engine: Engine, compare: Callable[..., dict[str, Judged]]
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 300, 0.85)
    assert compare(START + 10 * MINUTE)["accuracy"].stable.n == 0
    assert compare(START + HOUR)["accuracy"].stable.n == pytest.approx(50, abs=2)  # of 60 an hour, ten minutes late
    assert compare()["accuracy"].reason == "no labels of canary yet"


# ---- the command --------------------------------------------------------------------------------------------------


def run(database_url: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str]:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    done = CliRunner().invoke(app, ["canary", *options])
    return done.exit_code, done.output


def test_the_command_says_worse_and_exits_with_3(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(engine, ("rollout", "v2", timedelta()))
    label(engine, "stable", 400, 0.85)
    label(engine, "canary", 200, 0.3, seed=1)
    code, words = run(database_url, monkeypatch, "--as-of", NOW.isoformat())
    assert code == 3
    assert words.startswith("m v2: worse (since 2026-11-18 12:00 UTC, serving)")
    assert "accuracy     worse" in words
    code, words = run(database_url, monkeypatch, "--as-of", NOW.isoformat(), "--json")
    found: dict[str, Any] = json.loads(words)
    assert code == 3
    assert found["verdict"] == "worse"
    assert found["measures"][0]["upper"] < 0
    assert found["alpha"] == 0.05


def test_the_command_says_when_there_is_no_canary(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine
    code, words = run(database_url, monkeypatch)
    assert code == 2
    assert "no such canary was rolled out" in words.replace("\n", " ")
