"""What benchmarks/drift says of testers that follow streams, on answers that are known beforehand."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.drift import delay
from benchmarks.drift.beside import UNCHANGED
from benchmarks.drift.delay import AFTER, CHANGES, KINDS, LEAD, REFERENCES, asked, streams
from benchmarks.drift.plots import run_lengths
from benchmarks.drift.report import write
from benchmarks.drift.run_lengths import (
    ONCE,
    SHIPPED,
    Rule,
    Runs,
    delay_table,
    earlier,
    first_alarm,
    gains,
    gains_table,
    promised,
    watches,
)
from benchmarks.drift.stream_worker import follow_hourly, follow_until_clear
from monitor.drift.compare import compare
from monitor.drift.reference import build
from monitor.drift.sketch import sketch

HOURS = LEAD + AFTER


def stream(p: float | list[float], *, begins: int = 0, yes_or_no: bool = False) -> dict[str, Any]:
    """One of 100 rows an hour whose looks have these p-values; `yes_or_no`: which it keeps to itself."""
    ps = np.broadcast_to(np.asarray(p), HOURS).tolist()
    after = [100 if one < 0.05 else None for one in ps]
    return {"begins": begins, "p": [None] * HOURS if yes_or_no else ps, "after": after}


def shard(tester: str, usual: Any, changed: Any, *, kind: str = "independent", seed: int = 0) -> dict[str, Any]:
    """As many equal streams as a reference has seeds, each with the same answers to every change."""
    found = {UNCHANGED: [usual] * 4, **{change: [changed] * 4 for change in CHANGES}}
    return {"tester": tester, "traffic": kind, "seed": seed, "per_window": 100, "streams": found}


# ---- what a rule promises ------------------------------------------------------------------------------------------


def test_a_single_look_promises_a_geometric_run() -> None:
    law = promised(Rule(0.05, 1, 1))
    assert law[:AFTER] == pytest.approx(0.05 * 0.95 ** np.arange(AFTER))
    assert law[AFTER] == pytest.approx(0.95**AFTER)


@pytest.mark.parametrize("rule", [Rule(0.05, 2, 3), Rule(0.3, 2, 3), Rule(0.3, 3, 3), Rule(0.2, 1, 3)])
def test_k_of_m_promises_what_random_looks_do(rule: Rule) -> None:
    rng = np.random.default_rng(1)
    looks = rng.random((40_000, rule.looks - 1 + AFTER)) < rule.level
    fired = np.lib.stride_tricks.sliding_window_view(looks, rule.looks, axis=1).sum(axis=2) >= rule.needed
    first = np.where(fired.any(axis=1), fired.argmax(axis=1), AFTER)
    seen = np.bincount(first, minlength=AFTER + 1) / len(first)
    assert promised(rule).sum() == pytest.approx(1)
    assert np.abs(seen - promised(rule)).max() < 5 * np.sqrt(0.25 / len(first))
    assert seen[AFTER] == pytest.approx(promised(rule)[AFTER], abs=5 * np.sqrt(0.25 / len(first)))


def test_runs_that_are_as_short_as_can_be_are_as_unlikely_as_the_rule_says() -> None:
    assert earlier(np.ones(5), ONCE) == pytest.approx(0.05**5)
    assert earlier(np.full(5, np.inf), ONCE) == pytest.approx(1)
    # Of three streams one alarms at the first look and none of the others, or all in all no later than that.
    law = promised(SHIPPED)
    least = 3 * law[0] * (1 - law[:AFTER].sum()) ** 2
    assert least < earlier(np.array([1.0, np.inf, np.inf]), SHIPPED) < least + 3 * law[:AFTER].sum() ** 2


def test_honest_looks_are_called_dishonest_no_more_often_than_the_doubt() -> None:
    rng = np.random.default_rng(2)
    looks = rng.geometric(0.05, size=(2_000, 6)).astype(float)
    looks[looks > AFTER] = np.inf
    share = np.mean([earlier(one, ONCE) < 0.05 for one in looks])
    assert 0.03 < share < 0.06


# ---- alarms of a stream --------------------------------------------------------------------------------------------


def test_hours_count_from_the_row_where_the_change_begins_to_the_look_that_alarms() -> None:
    p = [0.5] * HOURS
    p[LEAD + 3] = 0.04
    assert first_alarm(stream(p, begins=30), 100, ONCE) == (4, 3.7)
    assert first_alarm(stream(p, begins=30), 100, SHIPPED) is None
    assert first_alarm(stream(p, begins=30, yes_or_no=True), 100, Rule(0.05, 2, 3)) is None


def test_persistence_looks_back_beyond_the_change_and_alarms_before_it_do_not_count() -> None:
    p = [0.5] * HOURS
    p[LEAD - 1] = p[LEAD + 1] = 0.001
    assert first_alarm(stream(p), 100, SHIPPED) == (2, 2.0)
    assert first_alarm(stream([0.001] * LEAD + [0.5] * AFTER), 100, ONCE) is None
    assert first_alarm(stream([0.5] * LEAD + [0.001] * 2 + [0.5] * (AFTER - 2)), 100, SHIPPED) == (2, 2.0)


def test_two_looks_of_three_may_have_one_between_them_but_not_two() -> None:
    for gap, found in ((1, (3, 3.0)), (2, None)):
        p = [0.5] * HOURS
        p[LEAD] = p[LEAD + 1 + gap] = 0.001
        assert first_alarm(stream(p), 100, SHIPPED) == found


def test_a_detector_of_single_rows_alarms_at_its_row_and_never_before_the_change() -> None:
    rows = stream(0.5, begins=40, yes_or_no=True)
    rows["after"][LEAD] = 55
    assert first_alarm(rows, 100, ONCE) == (1, 0.15)
    rows["after"][LEAD] = 20
    assert first_alarm(rows, 100, ONCE) == (1, 0.01)


def test_a_mean_run_is_the_hours_watched_for_each_alarm() -> None:
    runs = Runs(np.array([2.0, 4.0, np.inf]), np.array([2.0, 4.0, np.inf]))
    assert runs.between == (2 + 4 + AFTER) / 2
    assert runs.found == pytest.approx(2 / 3)
    assert (runs.late(0.5), runs.late(0.9)) == (4.0, np.inf)
    silent = Runs(np.full(10, np.inf), np.full(10, np.inf))
    assert silent.between == np.inf
    # Without an alarm in 240 hours, runs of up to so many hours have a chance of less than 5% to be the mean.
    assert np.exp(-240 / silent.surely_between) == pytest.approx(0.05)


# ---- who holds what, and who is ahead ------------------------------------------------------------------------------


def test_a_tester_that_always_alarms_holds_no_rule_and_finds_nothing_sooner() -> None:
    loud = watches([shard("loud", stream(0.001), stream(0.001))])
    assert [one.holds for one in loud] == [False, False]
    assert not any(one.sooner(CHANGES[0]) for one in loud)
    assert "(100%: 1.0 / 1.0 ≈)" in delay_table(loud, "independent", {})


def test_a_tester_that_sees_a_change_at_once_and_is_silent_otherwise_holds_both() -> None:
    good = watches([shard("snellen", stream(0.5), stream(0.001))])
    assert all(one.holds and one.sooner(CHANGES[0]) for one in good)
    (line,) = [one for one in delay_table(good, "independent", {}).splitlines() if "snellen" in one]
    assert line.startswith("| 2 of 3 looks at 1% | snellen | 4 | 0% | over 32 | 100%: 1.0 / 1.0 |")


def test_what_says_yes_or_no_is_held_to_what_five_percent_promise() -> None:
    found = watches([shard("peer", stream(0.5, yes_or_no=True), stream(0.001, yes_or_no=True))])
    assert [one.judged for one in found] == [ONCE, Rule(0.05, 2, 3)]
    assert [one.judged for one in watches([shard("peer", stream(0.5), stream(0.001))])] == [ONCE, SHIPPED]


def test_who_is_ahead_is_judged_on_streams_that_both_followed_beside_the_best_that_holds() -> None:
    late, early = stream([0.5] * (LEAD + 4) + [0.001] * (AFTER - 4)), stream(0.001)
    found = [
        shard("snellen", stream(0.5), early),
        shard("snellen", stream(0.5), late, seed=1),
        shard("late", stream(0.5), late),
        shard("loud", stream(0.001), early),
    ]
    gain = gains(watches(found))[0]
    assert gain.peer is not None
    assert gain.peer.tester == "late"
    assert gain.gained.tolist() == [5.0] * 4  # the sixth look of the late one is the first of ours
    assert gain.verdict == "ahead"
    assert "+5.0 ± 0.0 of 4: ahead" in gains_table(watches(found))
    assert gains(watches(found[:1]))[0].verdict == "no peer"
    followed = {name: answers[:3] for name, answers in found[2]["streams"].items()}
    assert gains(watches([found[0], {**found[2], "streams": followed}]))[0].verdict == "no peer"


# ---- streams and shards --------------------------------------------------------------------------------------------


def test_equal_seeds_give_all_testers_equal_streams_and_a_change_begins_at_its_row() -> None:
    for kind in KINDS:
        first, same, other = (streams(kind, 8, seed) for seed in (3, 3, 4))
        assert len(first) == REFERENCES
        assert [one.name for one in first[0][1]] == [UNCHANGED, *CHANGES]
        for (one, followed), (again, followed_again) in zip(first, same, strict=True):
            assert one.shape == (2_400, 8)
            assert np.array_equal(one, again)
            assert all(
                a.hours.shape == (HOURS, 100, 8) and np.array_equal(a.hours, b.hours)
                for a, b in zip(followed, followed_again, strict=True)
            )
        assert not np.array_equal(first[0][0], other[0][0])


def test_rows_before_the_change_are_as_ever_and_all_from_there_on_are_changed() -> None:
    ever, other = (lambda _, n, value=value: np.full((n, 3), value, np.float32) for value in (0.0, 1.0))
    rows = delay._stream("a change", ever, other, 30).hours.reshape(-1, 3)
    assert len(rows) == 100 * HOURS
    assert np.argmax(rows[:, 0] > 0) == 100 * LEAD + 30
    assert (rows[100 * LEAD + 30 :] == 1).all()


def test_a_stream_is_left_once_no_rule_can_say_more() -> None:
    plan = {"lead": LEAD, "clear": delay.CLEAR, "needed": 2, "looks": 3}

    def seen(p: list[float | None], after: list[int | None]) -> int:
        hours = iter(zip(p, after, strict=True))
        return len(follow_until_clear(lambda _: next(hours), range(len(p)), plan, lambda: None))

    assert seen([0.0] * 9, [100] * 9) == LEAD + 1
    assert seen([0.0, 0.0, 0.5, 0.5, 0.01, 0.0, 0.5, 0.0, 0.5], [100] * 9) == 8
    assert seen([None] * 9, [100, 100, None, None, 100, None, 70, None, None]) == 7
    assert seen([0.01] * 9, [100] * 9) == 9


def test_three_hours_are_looked_at_as_one_window_of_their_rows() -> None:
    reference, (one, *_) = streams("independent", 8, 1)[0]
    made = build(reference, np.arange(len(reference)) // 100, "bench")
    begin = follow_hourly("snellen", reference, 100, hours=3)
    for _ in range(2):  # each stream anew
        follow = begin()
        p = [follow(hour)[0] for hour in one.hours[:5]]
        for last, rows in ((0, one.hours[0]), (4, np.concatenate(one.hours[2:5]))):
            assert p[last] == compare(made.fit, made.baseline, sketch(rows, made.fit), made.dispersion).p_value


def test_a_process_of_its_own_follows_streams_and_who_is_slow_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    drawn = streams("independent", 8, 1)[:1]
    found = delay._followed("snellen", Path(sys.executable), drawn)
    assert isinstance(found, dict)
    assert set(found["streams"]) == {UNCHANGED, *CHANGES}
    (usual,) = found["streams"][UNCHANGED]
    assert len(usual["p"]) == HOURS
    assert all((after is not None) == (p < 0.05) for p, after in zip(usual["p"], usual["after"], strict=True))


def test_who_exceeded_a_limit_is_asked_no_more_and_who_is_slow_for_few_seeds(tmp_path: Path) -> None:
    assert asked(tmp_path, "peer", 9)
    (tmp_path / "delay-peer-bursty-7.json").write_text(json.dumps({"cpu_seconds": [3.0, 90.0]}))
    assert [asked(tmp_path, "peer", index) for index in (0, delay.FEW - 1, delay.FEW)] == [True, True, False]
    (tmp_path / "delay-peer-independent-7.json").write_text(json.dumps({"exceeded": "took more than 240 s"}))
    assert not asked(tmp_path, "peer", 0)


def test_tables_and_picture_show_everyone_and_who_exceeded_a_limit(tmp_path: Path) -> None:
    found = [
        *(shard("snellen", stream(0.5), stream(0.001), kind=kind) for kind in KINDS),
        *(shard("nannyml_pca", stream(0.5), stream(0.5), kind=kind) for kind in KINDS),
        {"tester": "slow", "traffic": "independent", "seed": 0, "exceeded": "took more than 240 s"},
    ]
    page = tmp_path / "page.md"
    marks = ("independent-delay", "bursty-delay", "beside-delay")
    page.write_text("".join(f"<!-- measured: {name} -->\n\n<!-- end -->\n" for name in marks))
    write(defaultdict(list, delay=found), page)
    text = page.read_text()
    assert text.count("| slow | took more than 240 s |") == 2
    assert text.count("| each look at 5% | *by chance* | | 71% | 20 | 71%: 13.5 / – |") == 2
    assert text.count("| 2 of 3 looks at 1% | snellen | 4 | 0% | over 32 | 100%: 1.0 / 1.0 |") == 2
    run_lengths(found, tmp_path / "delay.svg")
    drawn = (tmp_path / "delay.svg").read_text()
    assert drawn.count("<title>snellen,") > 0
    assert all(change in drawn for change in CHANGES)
