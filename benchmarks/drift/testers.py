"""Who is compared: Snellen in two ways in this process, each peer in a process of its own environment."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.drift.traffic import Rows
from monitor.domain.results import DriftResult
from monitor.drift.compare import compare
from monitor.drift.reference import build
from monitor.drift.sketch import sketch
from monitor.drift.two_sample import compare_arrays

WORKER = Path(__file__).with_name("peer_worker.py")
EVIDENTLY = tuple(f"evidently_{name}" for name in ("model", "distance", "mmd", "ratio"))
ALIBI = ("alibi_mmd", "alibi_ks", "alibi_classifier")
OTHERS = ("frouros_mmd", "nannyml_pca", "nannyml_classifier")


@dataclass(frozen=True)
class Case:
    """A reference in windows of `per_window` rows, and windows to look at, each under the name of its cell."""

    reference: Rows
    per_window: int
    looks: tuple[tuple[str, Rows], ...]


@dataclass(frozen=True)
class Judged:
    """One answer; `p` is None for a detector that only says yes or no."""

    cell: str
    p: float | None
    alarm: bool


def ours(case: Case) -> list[Judged]:
    """The shipped way: a stored reference, sketches, one comparison a window."""
    made = build(case.reference, np.arange(len(case.reference)) // case.per_window, "bench")
    return _judged(
        case, lambda rows: compare(made.fit, made.baseline, sketch(rows, made.fit), made.dispersion, level=0.05)
    )


def ours_arrays(case: Case) -> list[Judged]:
    """Raw arrays whose rows are taken for independent, as every peer takes them."""
    return _judged(case, lambda rows: compare_arrays(case.reference, rows, level=0.05))


def peers(folder: Path | None) -> dict[str, Path]:
    """Detector -> the Python that can run it; `folder` holds the environments that `make bench-peers` makes."""
    found = dict.fromkeys(EVIDENTLY, Path(sys.executable))
    for name, detectors in (("alibi", ALIBI), ("others", OTHERS)):
        python = folder / name / "bin" / "python" if folder else None
        if python is not None and python.exists():
            found |= dict.fromkeys(detectors, python)
    return found


@dataclass(frozen=True)
class Answers:
    """`seconds` in all, with loading its libraries; of each case; of the processor; and the peak of its memory."""

    judged: list[Judged]
    seconds: float
    seconds_by_case: list[float]
    cpu_seconds: float
    peak_mb: float


def run_peer(
    detector: str, python: Path, cases: Sequence[Case], limit: float, gigabytes: float | None = None
) -> Answers | str:
    """Its answers, or why there are none."""
    arrays: dict[str, Any] = {}
    for index, case in enumerate(cases):
        arrays[f"r{index}"] = case.reference
        arrays |= {f"c{index}_{look}": rows for look, (_, rows) in enumerate(case.looks)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cell.npz"
        np.savez(path, **arrays)
        try:
            done = subprocess.run(
                [str(python), str(WORKER), detector, str(path)],
                check=False,
                capture_output=True,
                text=True,
                timeout=limit,
                preexec_fn=None if gigabytes is None else partial(limited, gigabytes),
            )
        except subprocess.TimeoutExpired:
            return f"took more than {limit:.0f} s"
    answers = [line for line in done.stdout.splitlines() if line.startswith('{"p"')]
    if not answers:
        return f"failed: {done.stderr.strip().splitlines()[-1:]}"
    found = json.loads(answers[-1])
    judged = [
        Judged(cell, p, alarm)
        for case, ps, alarms in zip(cases, found["p"], found["alarm"], strict=True)
        for (cell, _), p, alarm in zip(case.looks, ps, alarms, strict=True)
    ]
    return Answers(judged, found["seconds"], found["seconds_by_case"], found["cpu_seconds"], found["peak_mb"])


def limited(gigabytes: float) -> None:
    """Let this process have no more memory of its own than that."""
    most = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def run_ours(judge: Callable[[Case], list[Judged]], cases: Sequence[Case]) -> tuple[list[Judged], float]:
    began = time.perf_counter()
    judged = [one for case in cases for one in judge(case)]
    return judged, time.perf_counter() - began


def _judged(case: Case, result: Callable[[Rows], DriftResult]) -> list[Judged]:
    found = []
    for cell, rows in case.looks:
        p = result(rows).p_value
        if p is None:
            raise RuntimeError(f"no p-value in {cell}")
        found.append(Judged(cell, p, p < 0.05))
    return found
