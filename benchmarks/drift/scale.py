"""Seconds and peak memory of one verdict on two windows of 1,000 to 1,000,000 rows, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.testers import Case, Limits, pythons, run_apart
from benchmarks.drift.traffic import Clip, Rows
from benchmarks.drift.worker import peak_mb
from monitor.drift.compare import compare
from monitor.drift.fit import Fit
from monitor.drift.reference import build
from monitor.drift.sketch import Sketch, merge, sketch
from monitor.drift.two_sample import compare_arrays

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SECONDS, GIGABYTES = 60.0, 8.0
"""A tester that needs more for a size is asked for no larger one."""

LIMITS = Limits(SECONDS + 20.0, gigabytes=GIGABYTES)
"""Of the whole process: so many seconds more to load libraries."""

DIMENSION = 512
CHUNK = 10_000
"""Rows that are drawn; larger windows hold them again and again, for drawing would take longer than judging."""

SCALED = ("snellen", "snellen_arrays", "alibi_mmd", "alibi_ks", "evidently_model")


def scale(tester: str, seed: int, sizes: tuple[int, ...], folder: Path | None) -> dict[str, Any]:
    """Seconds (without loading libraries) and peak memory of the whole process, with its libraries and both windows."""
    found: list[dict[str, Any]] = []
    for n in sizes:
        one = _apart(tester, n, seed) if tester in _OURS else _peer(tester, n, seed, folder)
        found.append({"rows": n, **one})
        if "exceeded" in one:
            break
    return {"tester": tester, "limit_s": SECONDS, "limit_gb": GIGABYTES, "sizes": found}


def _peer(tester: str, n: int, seed: int, folder: Path | None) -> dict[str, Any]:
    python = pythons(folder).get(tester)
    if python is None:
        return {"exceeded": "not installed"}
    first, second = _windows(n, seed)
    few = Case(first[:200], 100, (("few rows, which load the libraries", second[:100]),))
    judged = run_apart(tester, python, [few, Case(first, n, (("all", second),))], LIMITS)
    if isinstance(judged, str):
        return {"exceeded": judged}
    return {"seconds": round(judged.seconds_by_case[-1], 2), "peak_mb": round(judged.peak_mb)}


def _apart(tester: str, n: int, seed: int) -> dict[str, Any]:
    """The same of ours, in a fresh process too."""
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, tester, str(n), str(seed)]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=LIMITS.seconds, preexec_fn=LIMITS.set
        )
    except subprocess.TimeoutExpired:
        return {"exceeded": f"took more than {LIMITS.seconds:.0f} s"}
    if done.returncode:
        return {"exceeded": f"failed: {done.stderr.strip().splitlines()[-1:]}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _sketched(n: int, seed: int) -> dict[str, Any]:
    """Two windows of n rows from their vectors to a verdict, under a fit that was frozen beforehand."""
    world = Clip(DIMENSION, seed)
    made = build(world.draw(24 * 250), np.arange(24 * 250) // 250, "bench")
    rows = world.draw(min(n, CHUNK))
    began = time.perf_counter()
    both = [_sketch(rows, n, made.fit) for _ in range(2)]
    compare(made.fit, *both, made.dispersion)
    return _spent(began)


def _sketch(rows: Rows, n: int, fit: Fit) -> Sketch:
    whole = Sketch.empty(fit)
    for _ in range(n // len(rows)):
        whole = merge(whole, sketch(rows, fit))
    return whole


def _raw(n: int, seed: int) -> dict[str, Any]:
    first, second = _windows(n, seed)
    compare_arrays(first[:200], second[:100])
    began = time.perf_counter()
    compare_arrays(first, second)
    return _spent(began)


_OURS = {"snellen": _sketched, "snellen_arrays": _raw}


def _windows(n: int, seed: int) -> tuple[Rows, Rows]:
    world = Clip(DIMENSION, seed)
    times = -(-n // CHUNK)
    return np.tile(world.draw(min(n, CHUNK)), (times, 1)), np.tile(world.draw(min(n, CHUNK)), (times, 1))


def _spent(began: float) -> dict[str, Any]:
    return {"seconds": round(time.perf_counter() - began, 3), "peak_mb": round(peak_mb())}


if __name__ == "__main__":
    print(json.dumps(_OURS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))))
