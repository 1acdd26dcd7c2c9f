"""What benchmarks/drift says of testers that look at unchanged arrays, on answers that are known beforehand."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift.alarms import (
    KINDS,
    LOOKS,
    REFERENCES,
    WINDOWS,
    Alarms,
    alarms_table,
    cases,
    cells,
    held_table,
    shards,
)
from benchmarks.drift.plots import heat
from benchmarks.drift.report import write
from benchmarks.drift.testers import Answers, Limits, run_apart, run_here

PYTHON = Path(sys.executable)


def shard(tester: str, p: object, *, kind: str = "bursty", window: int = 50, seed: int = 0) -> dict[str, object]:
    """p [references, looks], or for a detector that only says yes or no its alarms."""
    answers = np.broadcast_to(np.asarray(p), (REFERENCES, LOOKS))
    yes_or_no = answers.dtype == bool
    shown = np.full(answers.shape, None) if yes_or_no else answers
    alarm = answers if yes_or_no else answers < 0.05
    plan = {"tester": tester, "traffic": kind, "window": window, "seed": seed, "cpu_seconds": 1.0}
    return {**plan, "p": shown.tolist(), "alarm": alarm.tolist()}


def test_the_error_of_a_share_and_its_excess_are_those_of_a_t_test_over_references() -> None:
    found = Alarms(0.05, np.array([0.0, 0.25, 0.0, 0.0, 0.25]))
    assert found.share == pytest.approx(0.1)
    assert found.error == pytest.approx(np.sqrt(0.01875 / 5))  # the squares about 0.1 add up to 0.075, over 4
    # Student's t with 4 degrees of freedom exceeds t with a chance of 1/2 - (3 u - u^3) / 4, u = t / sqrt(4 + t^2).
    t = 0.05 / np.sqrt(0.01875 / 5)
    u = t / np.sqrt(4 + t**2)
    assert found.excess == pytest.approx(0.5 - (3 * u - u**3) / 4)


@pytest.mark.parametrize(("share", "excess"), [(0.0, 1.0), (1.0, 0.0)])
def test_references_that_all_agree_say_so_without_a_deviation(share: float, excess: float) -> None:
    assert Alarms(0.05, np.full(5, share)).excess == excess


def test_a_tester_that_always_alarms_holds_no_level_and_one_that_never_does_holds_both() -> None:
    loud, quiet = cells([shard("loud", 0.001), shard("quiet", 0.9)])
    assert loud.holds == {0.01: False, 0.05: False}
    assert str(loud) == "(100) / (100)"
    assert quiet.holds == {0.01: True, 0.05: True}
    assert str(quiet) == "0 / 0"


def test_a_detector_that_says_yes_or_no_is_judged_at_its_own_threshold_alone() -> None:
    alarms = np.zeros((REFERENCES, LOOKS), dtype=bool)
    alarms[0, 0] = True
    (only,) = cells([shard("peer", alarms)])
    assert only.holds == {0.05: True}
    assert str(only) == "5"


def test_one_unlucky_cell_among_many_is_not_held_against_a_tester() -> None:
    p = np.full((REFERENCES, LOOKS), 0.5)
    p[:4, 0] = 0.04  # a quarter in four references of five: p is 0.02 alone, 0.3 among fifteen cells
    unlucky = shard("peer", p)
    assert [one.holds[0.05] for one in cells([unlucky])] == [False]
    others = [shard("peer", 0.5, kind=kind, window=window) for kind in KINDS for window in (51, 52, 53, 54, 55)]
    assert all(one.holds[0.05] for one in cells([unlucky, *others]))


def test_another_seed_adds_references_to_a_cell() -> None:
    (cell,) = cells([shard("peer", 0.001, seed=1), shard("peer", 0.9, seed=2)])
    assert cell.alarms[0.05].share == pytest.approx(0.5)
    assert cell.alarms[0.05].looks == 2 * REFERENCES * LOOKS


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_all_testers_equal_arrays(kind: str) -> None:
    first, second, third = cases(kind, 50, seed=3), cases(kind, 50, seed=3), cases(kind, 50, seed=4)
    assert len(first) == REFERENCES
    for one, same, other in zip(first, second, third, strict=True):
        assert one.reference.shape == (WINDOWS * 50, 64)
        assert [rows.shape for _, rows in one.looks] == [(50, 64)] * LOOKS
        assert np.array_equal(one.reference, same.reference)
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one.looks, same.looks, strict=True))
        assert not np.array_equal(one.reference, other.reference)


def test_a_process_of_its_own_answers_as_this_one_does() -> None:
    drawn = cases("independent", 50, seed=1)[:2]
    apart = run_apart("snellen", PYTHON, drawn, Limits(60.0, cpu_seconds=30.0, gigabytes=4.0))
    assert isinstance(apart, Answers)
    assert apart.judged == run_here("snellen", drawn)[0]
    assert apart.cpu_seconds > 0.0


def test_who_needs_more_seconds_or_memory_than_the_limit_is_ended_and_it_says_which(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # each thread of a large machine would take memory of its own
    drawn = cases("independent", 2_000, seed=1)[:1]
    assert run_apart("snellen_arrays", PYTHON, drawn, Limits(60.0, cpu_seconds=1.0)) == "took more than 1 s"
    assert run_apart("snellen_arrays", PYTHON, drawn, Limits(60.0, gigabytes=0.1)) == "needed more than 0.1 GB"


def test_who_exceeded_a_limit_is_asked_for_no_larger_window_and_who_is_slow_not_again(tmp_path: Path) -> None:
    def names(folder: Path) -> list[str]:
        return [name for name, _ in shards(["peer"], (50, 200, 1_000), (7, 8), folder, None)]

    everything = names(tmp_path)
    assert len(everything) == len(set(everything)) == 3 * len(KINDS) * 2
    (tmp_path / "alarms-peer-bursty-200-7.json").write_text(json.dumps({"window": 200, "exceeded": "took more"}))
    assert {name.split("-")[3] for name in names(tmp_path)} == {"50"}
    assert len(names(tmp_path)) == len(KINDS) * 2
    slow = {**shard("peer", 0.5), "cpu_seconds": 20.0}
    (tmp_path / "alarms-peer-bursty-50-7.json").write_text(json.dumps(slow))
    assert {name.split("-")[4] for name in names(tmp_path)} == {"7"}


def test_tables_and_picture_show_what_was_held_and_where_a_tester_stopped(tmp_path: Path) -> None:
    found = [
        *(shard("snellen", 0.5, kind=kind, window=window) for kind in KINDS for window in (50, 200)),
        *(shard("peer", kind == "bursty", kind=kind) for kind in KINDS),
        {"tester": "peer", "traffic": "independent", "window": 200, "seed": 0, "exceeded": "took more than 40 s"},
    ]
    assert held_table(found).splitlines()[2:] == [
        "| snellen | 200 | 6 | 6 of 6 | 6 of 6 | 0.0 of 40 | 0.0 of 40 | 0.0 of 40 |",
        "| peer | 50 | 3 | no such level | 2 of 3 | 0.0 of 20 | 100.0 of 20 | 0.0 of 20 |",
    ]
    assert "| bursty | peer | (100) | took more than 40 s |" in alarms_table(found).splitlines()
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- measured: {name} -->\n\n<!-- end -->\n" for name in ("alarms", "held-alarms")))
    write(defaultdict(list, alarms=found), page)
    assert held_table(found) in page.read_text()
    assert alarms_table(found) in page.read_text()
    heat(cells(found), tmp_path / "heat.svg")
    drawn = (tmp_path / "heat.svg").read_text()
    assert drawn.count("<title>") == 9
    assert "peer, bursty, 50: 100.0% ± 0.0% of 20 looks; does not hold its level" in drawn
