from __future__ import annotations

import numpy as np
import pytest

from monitor.sli.label_backlog import LabelBacklog
from monitor.sli.series import TaskWaits

HOUR = 3600.0


def test_a_task_counts_in_the_minute_in_which_its_time_is_up_and_is_bad_when_no_answer_came_by_then() -> None:
    drawn = np.array([0.0, 90.0, 120.0, 180.0])
    answered = np.array([HOUR, 90 + 4 * HOUR, 120 + 4 * HOUR + 1, np.inf])
    events = LabelBacklog().count(TaskWaits(drawn, answered), 4)
    assert events.minute.tolist() == [240, 241, 242, 243]
    assert events.bad.tolist() == [0, 0, 1, 1]
    assert events.total.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("threshold", [None, 3, 0, -1, float("nan")])
def test_other_times_are_refused(threshold: float | None) -> None:
    with pytest.raises(ValueError, match="none of the times"):
        LabelBacklog().count(TaskWaits(np.array([0.0]), np.array([1.0])), threshold)
