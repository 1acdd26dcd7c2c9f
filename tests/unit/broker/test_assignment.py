"""What a member knows of its partitions, while the client's own thread changes it between any two lines."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from monitor.broker import assignment as module
from monitor.broker.assignment import Assignment, Reading
from monitor.domain.records import Partition

ONE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)
AT_SEVEN = Reading(Partition("cluster", "t", "id", 0), 7)


@pytest.fixture
def assignment() -> Assignment:
    made = Assignment()
    made.assign([ONE])
    return made


@pytest.fixture
def reading(assignment: Assignment) -> Assignment:
    assert assignment.begin(ONE, AT_SEVEN, assignment.rebalances)
    return assignment


def test_what_was_assigned_waits_for_its_position_and_is_read_then(assignment: Assignment) -> None:
    assert (assignment.due(), assignment.is_held_up(), assignment.readings()) == ({ONE}, True, [])
    assert assignment.begin(ONE, AT_SEVEN, assignment.rebalances)
    assert (assignment.due(), assignment.is_held_up(), assignment.readings()) == (set(), False, [(ONE, AT_SEVEN)])


def test_an_offset_from_before_a_rebalance_is_not_used(assignment: Assignment) -> None:
    """Another member may have read on meanwhile."""
    before = assignment.rebalances
    assignment.revoke([ONE])
    assignment.assign([ONE])
    assert not assignment.begin(ONE, AT_SEVEN, before)
    assert (assignment.due(), assignment.get(ONE)) == ({ONE}, None)


def test_what_was_revoked_is_neither_read_on_nor_asked_for(reading: Assignment) -> None:
    reading.revoke([ONE])
    assert not reading.read_on(ONE, AT_SEVEN, 9)
    reading.unsettle(ONE, cut=True)
    assert (reading.due(), reading.get(ONE), reading.is_cut(ONE)) == (set(), None, False)


def test_what_came_back_meanwhile_is_not_read_on_from_where_it_was(reading: Assignment) -> None:
    reading.revoke([ONE])
    reading.assign([ONE])
    assert reading.begin(ONE, Reading(AT_SEVEN.partition, 7), reading.rebalances)
    assert not reading.read_on(ONE, AT_SEVEN, 9), "it is another reading, though it looks the same"


def test_reading_on_keeps_the_offset_that_comes_next(reading: Assignment) -> None:
    assert reading.read_on(ONE, AT_SEVEN, 9)
    assert reading.readings() == [(ONE, Reading(AT_SEVEN.partition, 9))]
    assert not reading.read_on(ONE, AT_SEVEN, 11)


def test_a_cut_log_is_known_as_cut_until_it_is_read_again(reading: Assignment) -> None:
    reading.unsettle(ONE, cut=True)
    reading.unsettle(ONE, cut=False)
    assert (reading.is_cut(ONE), reading.due(), reading.get(ONE)) == (True, {ONE}, None)
    assert reading.begin(ONE, AT_SEVEN, reading.rebalances)
    assert not reading.is_cut(ONE)


def test_what_nobody_knew_holds_up_no_other_and_is_due_after_a_while(
    assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    assignment.assign([OTHER])
    assignment.set_aside([ONE])
    assert (assignment.due(), assignment.is_held_up()) == ({OTHER}, True)
    assignment.begin(OTHER, AT_SEVEN, assignment.rebalances)
    assert (assignment.due(), assignment.is_held_up()) == (set(), False)
    now[0] += module.ASKED_AGAIN_S
    assert (assignment.due(), assignment.is_held_up()) == ({ONE}, True)


def test_a_new_member_begins_with_nothing_in_the_same_set(reading: Assignment) -> None:
    """Who was handed the set of those that wait, as turns are, sees every change."""
    waiting = reading.unsettled
    reading.assign([OTHER])
    assert waiting == {OTHER}
    reading.clear()
    assert (waiting, reading.readings(), reading.due()) == (set(), [], set())
    reading.assign([ONE])
    assert waiting == {ONE}
