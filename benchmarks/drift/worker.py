# ruff: noqa: PLC0415 - each environment can import only its own detectors
"""One detector on arrays from a file; runs in the environment that has it, which is a peer's own or ours.

    python worker.py DETECTOR CELL.npz

The file holds references `r0`, `r1` ... and for each the windows `c0_0`, `c0_1` ... that are compared with it. Prints
JSON: `p`, a list of p-values per reference (null for a detector that only says yes or no), `alarm` likewise, at the
detector's default threshold; `seconds` in all, `seconds_by_case`, `cpu_seconds` and `peak_mb` of the process. Peers
keep their defaults; a window of the reference has as many rows as those that are compared.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Judge = Callable[[Any], "tuple[float | None, bool]"]


def snellen(reference: Any, window: int) -> Judge:
    """The shipped way: a stored reference, sketches, one comparison a window."""
    from monitor.drift.compare import compare
    from monitor.drift.reference import build
    from monitor.drift.sketch import sketch

    made = build(reference, np.arange(len(reference)) // window, "bench")
    return _ours(lambda rows: compare(made.fit, made.baseline, sketch(rows, made.fit), made.dispersion, level=0.05))


def snellen_arrays(reference: Any, _: int) -> Judge:
    """Raw arrays whose rows are taken for independent, as every peer takes them."""
    from monitor.drift.two_sample import compare_arrays

    return _ours(lambda rows: compare_arrays(reference, rows, level=0.05))


def _ours(result: Callable[[Any], Any]) -> Judge:
    def judge(current: Any) -> tuple[float, bool]:
        found = result(current)
        if found.p_value is None:
            raise RuntimeError(f"no p-value: {found.reason}")
        return found.p_value, found.p_value < 0.05

    return judge


def alibi_mmd(reference: Any, _: int) -> Judge:
    from alibi_detect.cd import MMDDrift

    return _alibi(MMDDrift(reference, backend="pytorch"))


def alibi_ks(reference: Any, _: int) -> Judge:
    from alibi_detect.cd import KSDrift

    return _alibi(KSDrift(reference))


def alibi_classifier(reference: Any, _: int) -> Judge:
    import torch
    from alibi_detect.cd import ClassifierDrift

    torch.set_num_threads(1)
    layers = torch.nn.Linear(reference.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
    return _alibi(ClassifierDrift(reference, torch.nn.Sequential(*layers), backend="pytorch", preds_type="logits"))


def _alibi(detector: Any) -> Judge:
    def judge(current: Any) -> tuple[float, bool]:
        data = detector.predict(current)["data"]
        p = np.atleast_1d(data["p_val"])
        return float(min(1.0, p.size * p.min())), bool(data["is_drift"])  # many p-values: Bonferroni, as it does

    return judge


def frouros_mmd(reference: Any, _: int) -> Judge:
    from frouros.callbacks import PermutationTestDistanceBased
    from frouros.detectors.data_drift import MMD
    from frouros.utils.kernels import rbf_kernel
    from scipy.spatial.distance import pdist

    width = float(np.median(pdist(reference[:500])))
    test = PermutationTestDistanceBased(num_permutations=100, num_jobs=1, random_state=1, name="test")
    detector = MMD(kernel=partial(rbf_kernel, sigma=width), callbacks=[test])
    detector.fit(X=reference)

    def judge(current: Any) -> tuple[float, bool]:
        p = float(detector.compare(X=current)[1]["test"]["p_value"])
        return p, p < 0.05

    return judge


def nannyml_pca(reference: Any, window: int) -> Judge:
    from nannyml import DataReconstructionDriftCalculator

    return _nannyml(DataReconstructionDriftCalculator, "reconstruction_error", reference, window)


def nannyml_classifier(reference: Any, window: int) -> Judge:
    from nannyml import DomainClassifierCalculator

    def make(column_names: list[str], chunk_size: int) -> Any:
        return DomainClassifierCalculator(feature_column_names=column_names, chunk_size=chunk_size)

    return _nannyml(make, "domain_classifier_auroc", reference, window)


def _nannyml(make: Callable[..., Any], column: str, reference: Any, window: int) -> Judge:
    import pandas as pd

    names = [f"x{index}" for index in range(reference.shape[1])]
    calculator = make(column_names=names, chunk_size=window).fit(pd.DataFrame(reference, columns=names))

    def judge(current: Any) -> tuple[None, bool]:
        frame = calculator.calculate(pd.DataFrame(current, columns=names)).filter(period="analysis").to_df()
        return None, bool(frame[column]["alert"].iloc[0])

    return judge


def evidently(method: str) -> Callable[[Any, int], Judge]:
    def prepare(reference: Any, _: int) -> Judge:
        import pandas as pd
        from evidently.legacy.metrics.data_drift import embedding_drift_methods

        compare, frame = getattr(embedding_drift_methods, method)(), pd.DataFrame(reference)

        def judge(current: Any) -> tuple[None, bool]:
            return None, bool(compare(pd.DataFrame(current), frame)[1])

        return judge

    return prepare


DETECTORS: dict[str, Callable[[Any, int], Judge]] = {
    "snellen": snellen,
    "snellen_arrays": snellen_arrays,
    "alibi_mmd": alibi_mmd,
    "alibi_ks": alibi_ks,
    "alibi_classifier": alibi_classifier,
    "frouros_mmd": frouros_mmd,
    "nannyml_pca": nannyml_pca,
    "nannyml_classifier": nannyml_classifier,
    **{f"evidently_{name}": evidently(name) for name in ("model", "distance", "mmd", "ratio")},
}


def main() -> None:
    warnings.simplefilter("ignore")
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    detector, path = sys.argv[1:]
    np.random.seed(1)  # noqa: NPY002 - the peers draw from numpy's old global generator
    began, limit = time.perf_counter(), resource.getrlimit(resource.RLIMIT_CPU)[0]
    p, alarms, seconds = [], [], []
    with np.load(path) as arrays:
        for index in range(sum(name.startswith("r") for name in arrays.files)):
            windows = [arrays[name] for name in arrays.files if name.startswith(f"c{index}_")]
            reference, started = arrays[f"r{index}"], time.perf_counter()
            judged = _within(limit, DETECTORS[detector], reference, windows)
            seconds.append(time.perf_counter() - started)
            p.append([one[0] for one in judged])
            alarms.append([one[1] for one in judged])
    took = {"seconds": time.perf_counter() - began, "seconds_by_case": seconds, "cpu_seconds": spent()}
    print(json.dumps({"p": p, "alarm": alarms, **took, "peak_mb": peak_mb()}))


def _within(
    limit: int, prepare: Callable[[Any, int], Judge], reference: Any, windows: list[Any]
) -> list[tuple[float | None, bool]]:
    check = allow(limit)
    judge, judged = prepare(reference, len(windows[0])), []
    for window in windows:
        judged.append(judge(window))
        check()
    return judged


def allow(limit: int) -> Callable[[], None]:
    """The process is ended when from now on it takes more seconds of the processor; where what is returned is called,
    those of its children count as well."""
    before = spent()
    if limit != resource.RLIM_INFINITY:
        until = math.ceil(time.process_time()) + limit
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))

    def check() -> None:
        if limit != resource.RLIM_INFINITY and spent() - before > limit:
            os.kill(os.getpid(), signal.SIGXCPU)

    return check


def spent() -> float:
    """Seconds of the processor, with those of children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def peak_mb() -> float:
    """Of this process since it was started: `ru_maxrss` would count what its parent held when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
