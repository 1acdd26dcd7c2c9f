# ruff: noqa: PLC0415 - each environment can import only its own detectors
"""One detector on streams from a file; runs in the environment that has it, as `worker` does for single windows.

    python -m benchmarks.drift.stream_worker DETECTOR PLAN STREAMS.npz

The file holds references `r0`, `r1` ... and for each the streams `s0_0`, `s0_1` ... [hours, rows, d]. PLAN is JSON:
`lead`, hours that precede the first that counts; `clear`, `needed`, `looks`: a stream is left once so many of the last
looks are clear (p below `clear`, or the alarm of a detector that gives no p) and one of them counts.

Prints JSON: by reference and stream, of each hour, `p` (null where it gives none) and `after`, the rows of the hour
after which it alarms at its own threshold (null: it does not); `cpu_seconds` by reference and `peak_mb`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.drift.worker import DETECTORS, Judge, allow, peak_mb, spent

Hour = tuple["float | None", "int | None"]
Follow = Callable[[Any], Hour]
Begin = Callable[[], Follow]
"""Called for each stream: what came before is forgotten."""

LONGER = "_3h"
"""After the name of a detector that looks at the last three hours."""

RUN_HOURS = 20
"""Expected time between false alarms that online detectors are asked for: that of a test at 5% each hour."""

DRAWS = 1.1
"""Bootstrap samples of an online detector, times that expected run in rows: fewer, and it refuses."""


def follow_hourly(detector: str, reference: Any, window: int, hours: int = 1) -> Begin:
    """Each hour a look at the rows of the last `hours`; the reference's windows are hours."""
    judge = at_once(reference, window) if detector == "alibi_mmd" else DETECTORS[detector](reference, window)

    def begin() -> Follow:
        past: deque[Any] = deque(maxlen=hours)

        def follow(rows: Any) -> Hour:
            past.append(rows)
            p, alarm = judge(np.concatenate(past))
            return p, len(rows) if alarm else None

        return follow

    return begin


def follow_online(name: str, reference: Any, window: int) -> Begin:
    """Alibi Detect's online detectors see each row; their window is an hour's rows, the rest their defaults."""
    import torch
    from alibi_detect import cd

    torch.set_num_threads(1)
    torch.manual_seed(1)
    run = RUN_HOURS * window
    detector = getattr(cd, name)(
        reference, ert=run, window_size=window, backend="pytorch", n_bootstraps=round(DRAWS * run), verbose=False
    )

    def follow(rows: Any) -> Hour:
        alarms = [bool(detector.predict(row)["data"]["is_drift"]) for row in rows]
        return None, alarms.index(True) + 1 if any(alarms) else None

    def begin() -> Follow:
        detector.reset_state()
        return follow

    return begin


def at_once(reference: Any, window: int) -> Judge:
    """Alibi Detect's MMD, whose 100 permutations each copy the kernel matrix. Here they sum the few rows of it that
    they need, 60 times as fast; that the p-value of the same permutations is the same is looked at on fewer rows.

    Raises:
        RuntimeError: it is not.
    """
    import torch
    from alibi_detect.cd.pytorch import mmd

    torch.set_num_threads(1)
    few, found = DETECTORS["alibi_mmd"](reference[: 4 * window], window), []
    for way in dict.fromkeys((mmd.mmd2_from_kernel_matrix, summed)):
        torch.manual_seed(1)
        mmd.mmd2_from_kernel_matrix = way
        found.append(few(reference[-window:])[0] or 0.0)
    if abs(found[0] - found[-1]) > 0.011:  # a tie among 100 permutations may round the other way
        raise RuntimeError(f"p-values of the same permutations differ: {found}")
    return DETECTORS["alibi_mmd"](reference, window)


def summed(kernel: Any, m: int, permute: bool = False, zero_diag: bool = True) -> Any:
    """Squared maximum mean discrepancy from a symmetric kernel matrix whose diagonal is zero, the last m rows being the
    second sample, or m at random."""
    import torch

    if zero_diag:
        raise RuntimeError("called otherwise than this was written for")
    n = len(kernel) - m
    second = torch.randperm(n + m)[-m:] if permute else torch.arange(n, n + m)
    columns = kernel[second].sum(0, dtype=torch.float64)
    within = columns[second].sum()
    between = columns.sum() - within
    rest = total(kernel) - 2 * between - within
    return rest / (n * (n - 1)) + within / (m * (m - 1)) - 2 * between / (n * m)


@lru_cache(maxsize=1)
def total(kernel: Any) -> Any:
    """The same matrix comes with every permutation."""
    return kernel.double().sum()


FOLLOWED = {"alibi_mmd_online": "MMDDriftOnline", "alibi_lsdd_online": "LSDDDriftOnline"}


def prepare(detector: str, reference: Any, window: int) -> Begin:
    if detector in FOLLOWED:
        return follow_online(FOLLOWED[detector], reference, window)
    hourly = detector.removesuffix(LONGER)
    return follow_hourly(hourly, reference, window, 1 if hourly == detector else 3)


def follow_until_clear(follow: Follow, hours: Any, plan: dict[str, Any], check: Callable[[], None]) -> list[Hour]:
    seen: list[Hour] = []
    clear: list[bool] = []
    for rows in hours:
        p, after = follow(rows)
        seen.append((p, after))
        clear.append(after is not None if p is None else p < plan["clear"])
        check()
        if sum(clear[-plan["looks"] :]) >= plan["needed"] and any(clear[plan["lead"] :]):
            break
    return seen


def main() -> None:
    warnings.simplefilter("ignore")
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    detector, plan, path = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    np.random.seed(1)  # noqa: NPY002 - the peers draw from numpy's old global generator
    limit, seconds = resource.getrlimit(resource.RLIMIT_CPU)[0], []
    p, after = [], []
    with np.load(path) as arrays:
        for index in range(sum(name.startswith("r") for name in arrays.files)):
            check, before = allow(limit), spent()
            streams = [name for name in arrays.files if name.startswith(f"s{index}_")]
            begin = prepare(detector, arrays[f"r{index}"], arrays[streams[0]].shape[1])
            seen = [follow_until_clear(begin(), arrays[name], plan, check) for name in streams]
            seconds.append(round(spent() - before, 1))
            p.append([[hour[0] for hour in one] for one in seen])
            after.append([[hour[1] for hour in one] for one in seen])
    print(json.dumps({"p": p, "after": after, "cpu_seconds": seconds, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
