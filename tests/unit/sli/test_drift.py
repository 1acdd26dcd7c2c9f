from __future__ import annotations

import numpy as np

from monitor.sli.drift import Drift
from monitor.sli.series import DriftLooks


def test_a_look_that_could_not_judge_is_neither_good_nor_bad_whatever_was_found_before() -> None:
    judged = np.array([True, True, False, False])
    persisting = np.array([True, False, True, False])
    events = Drift().count(DriftLooks(np.arange(4) * 60 + 59, judged, persisting))
    assert events.minute.tolist() == [59, 119, 179, 239]
    assert events.bad.tolist() == [1, 0, 0, 0]
    assert events.total.tolist() == [1, 1, 0, 0]
