"""What collectors set is of the whole process, so each case has one of its own."""

from __future__ import annotations

import json
import subprocess
import sys

_TOLD = """
import json, sys
import numpy
from threadpoolctl import threadpool_info
from collectors.threads import SWITCH_S, calculate_alone, take_turns_quickly
calculate_alone()
take_turns_quickly()
square = numpy.ones((500, 500))
square @ square
threads = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
print(json.dumps([threads, sys.getswitchinterval() == SWITCH_S]))
"""


def test_linear_algebra_has_one_thread_whatever_the_environment_says() -> None:
    asked = {"OPENBLAS_NUM_THREADS": "4", "MKL_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}
    said = subprocess.run([sys.executable, "-c", _TOLD], env=asked, capture_output=True, text=True, check=True).stdout
    threads, is_quick = json.loads(said)
    assert threads, "NumPy's linear algebra was not found: it would have helpers"
    assert set(threads) == {1}
    assert is_quick
