"""A fault of one thing keeps none of the others from being done, and is told."""

from __future__ import annotations

import pytest

from monitor.errors import StoreError
from monitor.services.attempts import attempt_all
from tests.logged import ours


def test_all_are_done_and_the_first_fault_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(StoreError, match="no such table"):
        attempt_all(
            [
                ("first", lambda: done.append("first")),
                ("second", lambda: fail(StoreError("no such table"))),
                ("third", lambda: fail(KeyError("of ours"))),
                ("fourth", lambda: done.append("fourth")),
            ]
        )
    assert done == ["first", "fourth"]
    expected, unexpected = ours(caplog)
    assert "second" in expected.message
    assert not expected.exc_info
    assert "third" in unexpected.message
    assert unexpected.exc_info, "a fault of ours shows where it is"


def test_what_came_of_them_is_in_their_order() -> None:
    assert attempt_all([("a", lambda: 1), ("b", lambda: 2)]) == [1, 2]
