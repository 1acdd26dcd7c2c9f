"""Time limits of tests: they end, and a machine that has no time for us makes them no shorter."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests import pace
from tests.pace import Patience, cost, exit_code, wait_for, within


def spin(rounds: int) -> Callable[[], int]:
    return lambda: sum(number * number for number in range(rounds))


def lasted(patience: Patience) -> float:
    """Seconds of the clock until it was over."""
    began = time.monotonic()
    while patience.rest():
        pass
    return time.monotonic() - began


def test_a_cost_grows_with_the_work() -> None:
    assert 0.1 < cost(spin(500_000)) < 2.5
    assert 4 < cost(spin(4_000_000)) / cost(spin(500_000)) < 16


def test_a_cost_is_what_the_processor_did_and_not_what_was_waited_for() -> None:
    assert cost(lambda: time.sleep(0.3), attempts=1) < 1


def test_patience_lasts_about_so_long_and_ends() -> None:
    assert lasted(Patience(0.3)) >= 0.3


def test_time_counts_the_less_while_naps_last_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(10 * seconds))
    assert lasted(Patience(0.1)) > 0.5


def test_time_counts_the_less_while_a_loop_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = pace._loop
    monkeypatch.setattr(pace, "_loop", lambda rounds: loop(40 * rounds))
    assert lasted(Patience(0.1)) > 0.5


def test_time_counts_the_less_while_many_want_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_crowd", lambda: 10.0)
    assert lasted(Patience(0.1)) > 0.5


def test_standing_still_between_two_looks_ends_no_wait() -> None:
    patience = Patience(1)
    assert patience.rest()
    time.sleep(1.5)
    assert patience.rest()


def test_what_holds_is_waited_for_and_what_does_not_is_told() -> None:
    looks = count()
    wait_for(lambda: next(looks) == 3)
    with pytest.raises(AssertionError, match=r"after 0\.1 s still not so: it rains"):
        wait_for(lambda: False, 0.1, "it rains")
    with pytest.raises(AssertionError, match="found 1"):
        wait_for(lambda: None, 0.1, lambda: f"found {len('x')}")


def test_what_is_done_in_time_is_returned_or_raised() -> None:
    assert within(5, lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


def test_what_takes_too_long_is_told_before_it_ends() -> None:
    began = time.monotonic()
    with pytest.raises(AssertionError, match=r"after 0\.2 s"):
        within(0.2, lambda: time.sleep(60))
    assert time.monotonic() - began < 30


def test_a_process_ends_with_its_code_or_runs_on(tmp_path: Path) -> None:
    waiting = f"until [ -e {tmp_path}/over ]; do sleep 0.05; done; exit 3"
    with subprocess.Popen(["sh", "-c", waiting]) as process:
        assert exit_code(process, 0.1) is None
        (tmp_path / "over").touch()
        assert exit_code(process, 10) == 3
