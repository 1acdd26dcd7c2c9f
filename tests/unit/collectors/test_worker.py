"""Whoever waits for PostgreSQL can stop waiting."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from collectors.worker import Worker
from monitor.errors import Fenced, StoreUnavailable


def test_jobs_are_done_in_order_and_their_outcome_comes_back() -> None:
    worker, done = Worker(), []
    futures = [worker.submit(lambda index=index: done.append(index) or index) for index in range(100)]
    assert [one.result(5) for one in futures] == done == list(range(100))


def test_an_error_goes_to_the_one_who_waits_and_the_next_job_is_done() -> None:
    worker = Worker()

    def fail() -> None:
        raise Fenced("other")

    with pytest.raises(Fenced):
        worker.call(fail, 5)
    assert worker.call(lambda: "next", 5) == "next"


def test_a_call_that_is_not_answered_is_given_up_and_not_made_later() -> None:
    worker, answers, made = Worker(), threading.Event(), []
    worker.submit(lambda: answers.wait(10))
    with pytest.raises(StoreUnavailable, match=r"has not answered for 0\.1 s"):
        worker.call(lambda: made.append(1), 0.1)
    answers.set()
    assert worker.call(lambda: made, 5) == []


def test_what_a_job_that_failed_held_is_let_go_at_once() -> None:
    class Batch:
        """Stands for what failed jobs have read."""

    held: list[weakref.ref[Batch]] = []

    def fail() -> None:
        batch = Batch()
        held.append(weakref.ref(batch))
        try:
            int("the driver's own")
        except ValueError as error:
            cycle = error  # drivers' errors know a frame that knows them
            raise Fenced(f"other than {cycle}") from None

    worker = Worker()
    gc.disable()
    try:
        with pytest.raises(Fenced):
            worker.call(fail, 5)
        assert [one() for one in held] == [None]
    finally:
        gc.enable()
