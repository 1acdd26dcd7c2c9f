"""What a reference is made of: bounded, evenly spread, whatever the traffic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest

from monitor.services import references
from monitor.services.references import _thinned


@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 19, 20, 21, 1000])
def test_rows_are_thinned_evenly_while_they_stream(monkeypatch: pytest.MonkeyPatch, total: int) -> None:
    monkeypatch.setattr(references, "MAX_ROWS", 10)
    kept = cast("list[Any]", _thinned(cast("Iterator[Any]", iter(range(total)))))
    assert len(kept) == total if total <= 10 else 5 <= len(kept) <= 10
    assert len({later - earlier for earlier, later in pairwise(kept)}) <= 1
    assert not total or (kept[0] == 0 and total - kept[-1] <= kept[-1] - kept[-2] if len(kept) > 1 else True)
