"""A consumer that stands still is made anew once; then the process ends."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from collectors.watchdog import Watchdog
from monitor.domain.records import Partition
from monitor.errors import RuntimeFailure

PARTITION = Partition("c", "answers", "i", 3)


class Source:
    def __init__(self) -> None:
        self.renewed = 0
        self.missing: dict[Partition, int] = {PARTITION: 7}
        self.joining = False

    def is_joining(self) -> bool:
        return self.joining

    def behind(self) -> Mapping[Partition, int]:
        return self.missing

    def renew(self) -> None:
        self.renewed += 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def watchdog(source: Source, clock: Clock) -> Watchdog:
    return Watchdog(source, 60.0, clock)


def idle_for(watchdog: Watchdog, clock: Clock, seconds: float) -> None:
    for _ in range(int(seconds)):
        clock.now += 1
        watchdog.idle()


def test_a_consumer_that_reads_nothing_though_there_is_something_is_made_anew(
    watchdog: Watchdog, source: Source, clock: Clock
) -> None:
    idle_for(watchdog, clock, 59)
    assert source.renewed == 0
    idle_for(watchdog, clock, 1)
    assert source.renewed == 1


def test_the_second_time_it_ends_and_says_where_what_waits(watchdog: Watchdog, clock: Clock) -> None:
    with pytest.raises(RuntimeFailure, match=r"answers/3 \(7 records\).*supervisor"):
        idle_for(watchdog, clock, 120)


def test_an_idle_topic_is_no_fault(watchdog: Watchdog, source: Source, clock: Clock) -> None:
    source.missing = {}
    idle_for(watchdog, clock, 1000)
    assert source.renewed == 0


def test_a_consumer_that_its_group_does_not_let_in_is_made_anew_and_then_ends(
    watchdog: Watchdog, source: Source, clock: Clock
) -> None:
    """It is assigned nothing, and so is behind in nothing."""
    source.missing, source.joining = {}, True
    idle_for(watchdog, clock, 60)
    assert source.renewed == 1
    with pytest.raises(RuntimeFailure, match="its group has not let it join"):
        idle_for(watchdog, clock, 60)


def test_joins_that_end_are_no_fault_and_nor_is_a_broker_that_was_away(
    watchdog: Watchdog, source: Source, clock: Clock
) -> None:
    source.missing = {}
    for _ in range(20):
        source.joining = True
        idle_for(watchdog, clock, 59)
        source.joining = False
        idle_for(watchdog, clock, 1)
    source.joining = True
    idle_for(watchdog, clock, 50)
    watchdog.rest()
    idle_for(watchdog, clock, 50)
    assert source.renewed == 0


def test_a_broker_that_does_not_answer_is_looked_for_anew_now_and_then(
    watchdog: Watchdog, source: Source, clock: Clock
) -> None:
    """It may have moved, or the client's thread died. An outage, however long, is no reason to end."""
    source.missing = {}
    for _ in range(300):
        clock.now += 1
        watchdog.unanswered()
    assert source.renewed == 5
    watchdog.progress()
    clock.now += 59
    watchdog.unanswered()
    clock.now += 1
    watchdog.idle()
    assert source.renewed == 5


def test_after_progress_it_is_patient_again(watchdog: Watchdog, source: Source, clock: Clock) -> None:
    idle_for(watchdog, clock, 60)
    watchdog.progress()
    idle_for(watchdog, clock, 60)
    assert source.renewed == 2


def test_time_that_postgresql_took_does_not_count(watchdog: Watchdog, source: Source, clock: Clock) -> None:
    idle_for(watchdog, clock, 50)
    clock.now += 3600
    watchdog.rest()
    idle_for(watchdog, clock, 50)
    assert source.renewed == 0
