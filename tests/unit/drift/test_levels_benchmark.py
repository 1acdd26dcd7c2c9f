"""What benchmarks/drift says of whole ticks, on findings that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.drift.levels import TICKS, persistent, ticks


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ([True] * 6, 1.0),
        ([False] * 6, 0.0),
        ([True, False, True, False, False, False], 0.25),
        ([False] * 5 + [True], 0.0),
    ],
    ids=["always", "never", "two of the first three", "once"],
)
def test_the_share_of_ticks_with_a_finding_that_persists(found: list[bool], share: float) -> None:
    assert persistent(np.array([found, [False] * 6]).T) == share


def test_two_streams_that_alarm_in_turns_do_not_persist() -> None:
    assert persistent(np.array([[True, False, False], [False, True, False]] * 2).T) == 0.0


def test_ticks_follow_both_streams_and_their_slices() -> None:
    found = ticks("independent", seed=3, references=2)
    assert found["ticks"] == 2 * TICKS
    assert len(found["single_looks"]) == 10
    assert found["single_looks"]["image, all traffic"]["looks"] == 2 * TICKS
