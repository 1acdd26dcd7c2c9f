"""Seconds of sketching and comparing, beside the least that the same question can cost without sums.

Of the processor, so that other jobs do not count: set the threads of linear algebra to one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.testers import Case, Limits, pythons, run_apart
from benchmarks.drift.traffic import Clip, Rows
from monitor.domain.results import DriftResult
from monitor.drift.compare import compare
from monitor.drift.fit import learn
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch
from monitor.drift.two_sample import compare_arrays

PEER = "alibi_mmd"
LIMITS = Limits(600.0)


def cost(repeats: int, folder: Path | None) -> dict[str, Any]:
    """512-d; `folder` holds the peers' environments."""
    world = Clip(512, seed=9)
    first, window = world.draw(4000), world.draw(4000)
    reference = build(first, np.arange(4000) // 250, "bench")
    current = sketch(window, reference.fit)
    compared = _seconds(lambda: compare(reference.fit, reference.baseline, current, reference.dispersion), repeats)
    sketched = _seconds(lambda: sketch(window, reference.fit), max(repeats // 10, 3))
    verdict = _seconds(lambda: _verdict(reference, first, window), max(repeats // 10, 3))
    axes = reference.fit.axes.astype(np.float64)
    projected = _seconds(lambda: window.astype(np.float64) @ axes, max(repeats // 10, 3))
    squared = _seconds(lambda: _mmd(first, window), 2)
    return {
        "compare_ms": round(1e3 * compared, 3),
        "sketch_4000_ms": round(1e3 * sketched, 1),
        "sketch_vectors_per_s": round(len(window) / sketched),
        "projection_alone_vectors_per_s": round(len(window) / projected),
        "sketch_over_projection_alone": round(sketched / projected, 2),
        "raw_4000_to_verdict_under_a_frozen_fit_ms": round(1e3 * verdict, 1),
        **_beside_permutations(first, window, verdict, folder),
        "one_mmd_4000_without_permutations_s": round(squared, 2),
        "a_hundred_mmds_over_sketch_and_compare": round(100 * squared / (sketched + compared)),
        "compare_arrays_4000_s": round(_seconds(lambda: compare_arrays(first, window), 2), 2),
        "learn_2000_rows_ms": round(1e3 * _seconds(lambda: learn(first[:2000], "bench"), 3), 1),
        "sketch_bytes": len(current.to_bytes()),
        "fit_bytes": len(reference.fit.to_bytes()),
        "dispersion_bytes": len(reference.dispersion.to_bytes()),
    }


def _verdict(reference: Reference, first: Rows, window: Rows) -> DriftResult:
    """From two raw arrays, neither sketched yet, under a fit and dispersion that were frozen beforehand."""
    fit = reference.fit
    return compare(fit, sketch(first, fit), sketch(window, fit), reference.dispersion)


def _beside_permutations(first: Rows, window: Rows, verdict: float, folder: Path | None) -> dict[str, Any]:
    """Seconds of the peer's permutation test on the same arrays, without loading its libraries, and how many verdicts
    fit into them."""
    python = pythons(folder).get(PEER)
    if python is None:
        return {PEER: "not installed"}
    few = run_apart(PEER, python, [Case(first[:200], 100, (("few rows", window[:100]),))], LIMITS)
    found = run_apart(PEER, python, [Case(first, 250, (("4,000 x 512", window),))], LIMITS)
    if isinstance(found, str) or isinstance(few, str):
        return {PEER: found if isinstance(found, str) else few}
    spent = found.cpu_seconds - few.cpu_seconds
    return {f"{PEER}_4000_s": round(spent, 1), f"{PEER}_over_raw_to_verdict": round(spent / verdict)}


def _mmd(first: Rows, second: Rows) -> float:
    """One squared maximum mean discrepancy with a Gaussian kernel: what a permutation test computes 100 times."""
    rows = np.concatenate([first, second]).astype(np.float64)
    squares = (rows**2).sum(axis=1)
    kernel = np.exp(-np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0))
    n = len(first)
    return float(kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean())


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of one call, of the processor."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return float(np.median(times))
