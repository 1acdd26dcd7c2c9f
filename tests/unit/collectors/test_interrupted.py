"""Ctrl-C in the first seconds, while modules are imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pace import wait_for

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = {
    "SNELLEN_CONFIG": os.devnull,
    "SNELLEN_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/nothing",
    "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
}


@pytest.mark.parametrize("words", [["collectors"], ["monitor.cli", "schedule"]])
def test_it_ends_without_a_traceback(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, env=os.environ | NOWHERE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: "sqlalchemy" in Path(f"/proc/{process.pid}/maps").read_text(), 60, "it imports")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert "Traceback" not in told
