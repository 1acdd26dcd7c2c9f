# ruff: noqa: PLC0415 - each environment can import only its own peer
"""One peer's detector on arrays from a file; runs in the peer's own environment and knows nothing of Snellen.

    python peer_worker.py DETECTOR CELL.npz

The file holds references `r0`, `r1` ... and for each the windows `c0_0`, `c0_1` ... that are compared with it. Prints
JSON: `p`, a list of p-values per reference (null for a detector that only says yes or no), `alarm` likewise, at the
detector's default threshold; `seconds` in all, `seconds_by_case`, `cpu_seconds` and `peak_mb` of the process. Detectors
keep their defaults.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Judge = Callable[[Any], "tuple[float | None, bool]"]


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
    began = time.perf_counter()
    p, alarms, seconds = [], [], []
    with np.load(path) as arrays:
        for index in range(sum(name.startswith("r") for name in arrays.files)):
            windows = [arrays[name] for name in arrays.files if name.startswith(f"c{index}_")]
            reference, started = arrays[f"r{index}"], time.perf_counter()
            judge = DETECTORS[detector](reference, len(windows[0]))
            judged = [judge(window) for window in windows]
            seconds.append(time.perf_counter() - started)
            p.append([one[0] for one in judged])
            alarms.append([one[1] for one in judged])
    spent = {"seconds": time.perf_counter() - began, "seconds_by_case": seconds, "cpu_seconds": time.process_time()}
    print(json.dumps({"p": p, "alarm": alarms, **spent, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Of this process since it was started: `ru_maxrss` would count what its parent held when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
