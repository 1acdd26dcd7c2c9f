"""What numbers rows: whole numbers, and nothing that numpy counts among them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.row_numbers import row_numbers


@pytest.mark.parametrize(
    "values",
    [np.arange(3).astype("m8[s]"), np.array([0, 1, "NaT"], "m8[ns]"), np.arange(3).astype("M8[m]"), [0.0, 1.0, 2.0],
     [True, False, True], ["0", "1", "2"], [0, 1], [[0], [1, 2], [3]], [0, 1, 2**63]],
    ids=["durations", "no duration", "times", "floats", "booleans", "texts", "few", "ragged", "64 bits"],
)  # fmt: skip
def test_what_is_no_whole_number_is_refused(values: object) -> None:
    with pytest.raises(NotEnoughData, match="3 rows need as many whole minutes"):
        row_numbers(values, 3, "minutes")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.uint64])
def test_whole_numbers_of_any_size_are_copied(kind: type) -> None:
    given = np.array([3, 1, 2], kind)
    found = row_numbers(given, 3, "minutes")
    assert (found.tolist(), found.dtype) == ([3, 1, 2], np.int64)
    assert not np.shares_memory(found, given)
