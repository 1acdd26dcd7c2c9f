from __future__ import annotations

import pytest

from monitor.domain.results import DriftVerdict
from monitor.drift.persistence import persists
from monitor.errors import NotEnoughData

DRIFT, CALM, EMPTY = DriftVerdict.DRIFT, DriftVerdict.NO_DRIFT, DriftVerdict.NOT_ENOUGH_DATA


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], False),
        ([DRIFT], False),
        ([DRIFT, DRIFT], True),
        ([DRIFT, CALM, DRIFT], True),
        ([DRIFT, DRIFT, CALM, CALM], False),
        ([DRIFT, EMPTY, DRIFT], True),
        ([DRIFT, EMPTY, EMPTY], False),
    ],
    ids=["none", "one", "two", "two of three", "long ago", "gap between", "gap after"],
)
def test_two_of_the_last_three_looks_must_drift(verdicts: list[DriftVerdict], expected: bool) -> None:
    assert persists(verdicts) is expected


def test_the_numbers_can_be_chosen() -> None:
    assert persists([DRIFT] + [CALM] * 4, needed=1, looks=5)
    assert not persists([DRIFT] * 4, needed=5, looks=5)


@pytest.mark.parametrize("looks", [0, -1, 2.5])
def test_there_is_at_least_one_look(looks: float) -> None:
    with pytest.raises(NotEnoughData, match="looks"):
        persists([DRIFT, DRIFT, CALM], looks=looks)  # type: ignore[arg-type]
