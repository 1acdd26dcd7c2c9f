"""Evidently's page: it holds what both windows have, says what it rests on, and runs nothing that came from outside."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.reports.drift_report import LEAST_ROWS, Table, drift_report

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def table(n: int, seed: int, **changes: Any) -> Table:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "numbers": {
            "confidence": [*rng.uniform(size=n - 1), None],
            "cost": [None] * n,
            EVIL: rng.uniform(size=n).tolist(),
        },
        "categories": {"answer": [*rng.choice(["one", "two", EVIL], n - 1).tolist(), None]},
        "texts": {"prompt": [*[f"how many {EVIL}?"] * (n - 1), None]},
    }
    return Table(n, **{**columns, **changes})


@pytest.fixture(scope="module")
def page() -> str:
    return drift_report(table(80, 0), table(60, 1), f"m: reference 80 rows; current 60 rows {EVIL}")


def test_the_page_says_what_it_rests_on_and_shows_what_both_have(page: str) -> None:
    assert "reference 80 rows; current 60 rows" in page
    assert "ValueDrift" in page or "confidence" in page
    assert "prompt: characters" in page
    assert '"cost"' not in page


def test_nothing_that_came_from_outside_can_run_on_the_page(page: str) -> None:
    assert EVIL not in page
    assert "<script>alert" not in page
    assert "how many" not in page  # texts enter by their descriptors alone


def test_what_is_too_little_is_refused() -> None:
    with pytest.raises(NotEnoughData, match=f"{LEAST_ROWS} of each"):
        drift_report(table(80, 0), table(LEAST_ROWS - 1, 1), "m")
    nothing = table(80, 0, numbers={"cost": [None] * 80}, categories={}, texts={})
    with pytest.raises(NotEnoughData, match="no column in common"):
        drift_report(nothing, nothing, "m")


def test_evidently_is_imported_only_when_a_report_is_made_and_calls_nobody() -> None:
    script = """
import socket, sys
import monitor.reports.drift_report as reports, monitor.services.report_drift, monitor.cli
assert not {"evidently", "pandas"} & set(sys.modules), "too early"
calls = []
socket.socket.connect = lambda self, address: calls.append(address)
socket.getaddrinfo = lambda *a, **k: calls.append(a)
side = reports.Table(40, {"x": [float(n) for n in range(40)]}, {}, {"t": ["a b"] * 40})
assert "t: words" in reports.drift_report(side, side, "m")
sys.exit(bool(calls))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
