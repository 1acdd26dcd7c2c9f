"""Who is compared: Snellen in two ways, and each peer in a process of its own environment."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.drift import worker
from benchmarks.drift.traffic import Rows

ROOT = Path(__file__).parents[2]
OURS = ("snellen", "snellen_arrays")
EVIDENTLY = tuple(f"evidently_{name}" for name in ("model", "distance", "mmd", "ratio"))
ALIBI = ("alibi_mmd", "alibi_ks", "alibi_classifier")
ONLINE = ("alibi_mmd_online", "alibi_lsdd_online")
"""Read row by row; they are asked on streams alone."""

OUT_OF_MEMORY = ("MemoryError", "allocate memory", "Memory allocation", "error return without exception set")
"""What numpy, torch, OpenBLAS and an import in the midst of which memory ends say then."""

LONGER = ("snellen_3h", "alibi_mmd_3h")
"""Look at the last three hours each hour, as the service does by its settings; on streams alone too."""

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


def pythons(folder: Path | None) -> dict[str, Path]:
    """Detector -> the Python that can run it; `folder` holds the environments that `make peers` makes."""
    found = dict.fromkeys((*OURS, LONGER[0], *EVIDENTLY), Path(sys.executable))
    for name, detectors in (("alibi", (*ALIBI, *ONLINE, LONGER[1])), ("others", OTHERS)):
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


@dataclass(frozen=True)
class Limits:
    """Of a process: seconds until it is stopped, of the processor for one case, and memory of its own."""

    seconds: float
    cpu_seconds: float | None = None
    gigabytes: float | None = None

    def set(self) -> None:
        """For this process: the worker moves the limit of seconds from case to case."""
        if self.cpu_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(self.cpu_seconds), resource.RLIM_INFINITY))
        if self.gigabytes is not None:
            most = int(self.gigabytes * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def run_apart(detector: str, python: Path, cases: Sequence[Case], limits: Limits) -> Answers | str:
    """Its answers in a process of its own, or why there are none."""
    arrays: dict[str, Any] = {}
    for index, case in enumerate(cases):
        arrays[f"r{index}"] = case.reference
        arrays |= {f"c{index}_{look}": rows for look, (_, rows) in enumerate(case.looks)}
    found = apart(python, [worker.__file__, detector], arrays, limits)
    if isinstance(found, str):
        return found
    judged = [
        Judged(cell, p, alarm)
        for case, ps, alarms in zip(cases, found["p"], found["alarm"], strict=True)
        for (cell, _), p, alarm in zip(case.looks, ps, alarms, strict=True)
    ]
    return Answers(judged, found["seconds"], found["seconds_by_case"], found["cpu_seconds"], found["peak_mb"])


def apart(python: Path, command: Sequence[str], arrays: dict[str, Any], limits: Limits) -> dict[str, Any] | str:
    """What the command prints of the arrays, whose file is its last argument, or why it printed nothing."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cell.npz"
        np.savez(path, **arrays)
        try:
            done = subprocess.run(
                [str(python.absolute()), *command, str(path)],
                check=False,
                capture_output=True,
                text=True,
                timeout=limits.seconds,
                preexec_fn=limits.set,
                cwd=ROOT,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {limits.seconds:.0f} s"
    answers = [line for line in done.stdout.splitlines() if line.startswith('{"p"')]
    if not answers:
        return _why(done, limits)
    found: dict[str, Any] = json.loads(answers[-1])
    return found


def _why(done: subprocess.CompletedProcess[str], limits: Limits) -> str:
    """There are no answers."""
    if done.returncode == -signal.SIGXCPU:
        return f"took more than {limits.cpu_seconds:.0f} s"
    if any(words in done.stderr for words in OUT_OF_MEMORY):
        return f"needed more than {limits.gigabytes:g} GB"
    return f"failed: {done.stderr.strip().splitlines()[-1:]}"


def run_here(tester: str, cases: Sequence[Case]) -> tuple[list[Judged], float]:
    """Answers of one of ours in this process, and its seconds."""
    began = time.perf_counter()
    judged = []
    for case in cases:
        judge = worker.DETECTORS[tester](case.reference, case.per_window)
        judged += [Judged(cell, *judge(rows)) for cell, rows in case.looks]
    return judged, time.perf_counter() - began
