from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from monitor.broker.log_queue import BATCH, OVERHEAD, Entry, LogCounts, LogQueue

SMALL = OVERHEAD + 10


def entry(size: int = SMALL, name: str = "r") -> Entry:
    return Entry("t", lambda *_: b"", name, 0.0, bytes(size - OVERHEAD))


def test_it_holds_so_many_events_and_drops_the_rest() -> None:
    queue = LogQueue(3, 10_000)
    assert [queue.offer(entry()) for _ in range(5)] == [True, True, True, False, False]
    assert (queue.counts.calls, queue.counts.waiting, queue.counts.dropped) == (5, 3, 2)


def test_it_holds_so_many_bytes() -> None:
    queue = LogQueue(100, 2500)
    assert [queue.offer(entry(size)) for size in (1000, 2000, 1500, 300)] == [True, False, True, False]


def test_what_was_taken_still_counts_until_it_is_settled() -> None:
    queue = LogQueue(2, 10_000)
    queue.offer(entry())
    queue.offer(entry())
    assert len(queue.take()) == 2
    assert not queue.offer(entry())
    queue.sent([SMALL])
    assert queue.offer(entry())


def test_many_wake_the_thread_that_sends() -> None:
    queue = LogQueue(10_000, 1 << 24)
    for _ in range(BATCH - 1):
        queue.offer(entry())
    assert not queue.wake.is_set()
    queue.offer(entry())
    assert queue.wake.is_set()


def test_waiting_ends_when_all_is_settled_or_the_time_is_over() -> None:
    queue = LogQueue(10, 10_000)
    assert queue.wait(0)
    queue.offer(entry())
    assert not queue.wait(0.01)
    [one] = queue.take()
    queue.invalid(one.size, ValueError("no"))
    assert queue.wait(0)
    assert queue.counts.last_invalid == "ValueError: no"


def test_what_is_settled_after_the_end_changes_nothing() -> None:
    queue = LogQueue(10, 10_000)
    queue.offer(entry())
    queue.abandon()
    queue.sent([SMALL])
    queue.lost(SMALL, OSError())
    assert (queue.counts.lost, queue.counts.sent, queue.counts.waiting) == (1, 0, 0)
    assert not queue.offer(entry())


def test_counts_of_two_queues_are_added_and_both_are_quoted() -> None:
    one, other = LogCounts(1, 2, 3, 4, 5, 6), LogCounts(10, 20, 30, 40, 50, 60)
    assert one + other == LogCounts(11, 22, 33, 44, 55, 66)
    one, other = LogCounts(last_fault="away"), LogCounts(last_fault="away", last_invalid="NaN")
    assert one + other == LogCounts(last_fault="away", last_invalid="NaN")
    assert (one + LogCounts(last_fault="denied")).last_fault == "away; denied"


@given(st.lists(st.sampled_from(["offer", "refuse", "take", "sent", "invalid", "lost", "abandon"]), max_size=60))
def test_every_call_is_counted_once(steps: list[str]) -> None:
    queue, taken = LogQueue(5, 1600), 0
    for step in steps:
        if step == "offer":
            queue.offer(entry(random.choice([400, 500])))
        elif step == "take":
            taken += len(queue.take())
        elif step == "refuse":
            queue.refuse(ValueError())
        elif step == "abandon":
            queue.abandon()
        elif taken:
            taken -= 1
            queue.sent([400]) if step == "sent" else getattr(queue, step)(400, ValueError())
        counts = queue.counts
        settled = counts.sent + counts.dropped + counts.invalid + counts.lost
        assert counts.calls == settled + counts.waiting
        assert 0 <= counts.waiting <= 5


def test_threads_lose_and_double_nothing() -> None:
    queue = LogQueue(100_000, 1 << 30)

    def many(thread: int) -> None:
        for index in range(2000):
            queue.offer(entry(name=f"{thread}-{index}"))

    taken: list[Entry] = []
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(many, thread) for thread in range(8)]
        while len(taken) < 16_000:
            taken += queue.take()
        assert all(one.result() is None for one in running)
    assert len({one.request_id for one in taken}) == 16_000
    for thread in range(8):
        own = [one.request_id for one in taken if one.request_id.startswith(f"{thread}-")]
        assert own == [f"{thread}-{index}" for index in range(2000)]
