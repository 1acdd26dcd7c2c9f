"""Supervision of one component, the clock given by the test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from monitor.embedded.component import LONGEST_DELAY_S, STABLE_AFTER_S, Component, ComponentState
from monitor.embedded.process import ManagedProcess
from monitor.errors import RuntimeFailure
from tests.pace import wait_for


def component(tmp_path: Path, *argv: str, health: str | None = None) -> Component:
    return Component(ManagedProcess("worker", argv, log=tmp_path / "worker.log", health=health), "nowhere")


def tend_until_it_ends(worker: Component, now: float) -> None:
    wait_for(lambda: worker.tend(now) and worker.status.state is ComponentState.RESTARTING, 5, "it ends")


def test_delays_double_from_failure_to_failure_up_to_the_longest(tmp_path: Path) -> None:
    worker, now, delays = component(tmp_path, "false"), 0.0, []
    worker.start(now)
    for _ in range(9):
        tend_until_it_ends(worker, now)
        delay = float(worker.status.detail.split()[-2])
        assert not worker.tend(now + delay - 0.01)
        now += delay
        assert worker.tend(now)
        assert worker.status.state is ComponentState.STARTING
        delays.append(delay)
    assert delays == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY_S, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert worker.starts == 10
    worker.process.stop(1)


def test_a_long_life_forgives_earlier_failures(tmp_path: Path) -> None:
    worker = component(tmp_path, "false")
    worker.start(0.0)
    tend_until_it_ends(worker, 0.0)
    worker.tend(10.0)
    tend_until_it_ends(worker, 10.0)
    assert "starts again in 1 s" in worker.status.detail
    worker.tend(20.0)
    tend_until_it_ends(worker, 20.0 + STABLE_AFTER_S + 1)
    assert "starts again in 0.5 s" in worker.status.detail


def test_the_end_of_a_process_is_told_with_its_signal_and_log(tmp_path: Path) -> None:
    worker = component(tmp_path, "sleep", "60")
    worker.start(0.0)
    assert worker.tend(0.0)
    assert worker.status.state is ComponentState.RUNNING
    assert worker.status.since is not None
    worker.process.id.send(signal.SIGKILL)
    tend_until_it_ends(worker, 1.0)
    assert worker.status.detail.startswith(f"ended with signal 9 (Killed), see {tmp_path / 'worker.log'}")
    assert (worker.status.pid, worker.status.since) == (None, None)


def test_a_component_that_never_answered_is_starting_not_unhealthy(tmp_path: Path) -> None:
    worker = component(tmp_path, "sleep", "60", health="http://127.0.0.1:9/")
    worker.start(0.0)
    try:
        assert not worker.tend(0.0)
        assert worker.status.state is ComponentState.STARTING
        assert "refused" in worker.status.detail
    finally:
        worker.process.stop(1)


def test_a_reported_fault_lasts_until_the_next_check_that_passes(tmp_path: Path) -> None:
    worker = component(tmp_path, "sleep", "60")
    worker.start(0.0)
    try:
        worker.tend(0.0)
        worker.report("topics are missing")
        assert (worker.status.state, worker.status.detail) == (ComponentState.UNHEALTHY, "topics are missing")
        assert worker.tend(100.0)
        assert (worker.status.state, worker.status.detail) == (ComponentState.RUNNING, "")
    finally:
        worker.process.stop(1)


@pytest.mark.parametrize("fault", ["disk full", "no such user"])
def test_a_restart_whose_preparations_fail_is_tried_again(tmp_path: Path, fault: str) -> None:
    calls = iter([None, RuntimeFailure(fault), None])

    def prepare() -> None:
        outcome = next(calls)
        if outcome is not None:
            raise outcome

    worker = Component(
        ManagedProcess("worker", ["false"], log=tmp_path / "worker.log", before_start=prepare), address=None
    )
    worker.start(0.0)
    tend_until_it_ends(worker, 0.0)
    worker.tend(10.0)
    assert worker.status.state is ComponentState.RESTARTING
    assert worker.status.detail == f"{fault}; starts again in 1 s"
    worker.tend(20.0)
    assert worker.status.state is ComponentState.STARTING
    tend_until_it_ends(worker, 20.0)
