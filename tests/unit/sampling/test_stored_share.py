"""What is stored in full: shares that can be, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import SettingsError
from monitor.sampling import Draw, StoredShare

IDS = [f"req-{number:04d}" for number in range(5000)]


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match="share of predictions"):
        StoredShare(rate)


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_so_many_are_stored(rate: float) -> None:
    held = StoredShare(rate).hold_undrawn(IDS)
    assert held.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / len(IDS)))
    assert held.tolist() == [StoredShare(rate).holds_undrawn(one) for one in IDS]
    expected = None if rate == 1.0 else 1 - (1 - rate) * 0.9
    assert StoredShare(rate).inclusion_probability(Draw(0.1, False, False, 0)) == pytest.approx(expected)
