"""What a process does with memory that makes and frees a hundred thousand objects per batch, many times a minute."""

from __future__ import annotations

import gc
import threading
import time

EVERY_S = 10.0


def collect_by_the_clock() -> None:
    """Search for cycles by the clock instead of by the number of objects made.

    Batches leave no cycles, but at Python's thresholds all that is alive was searched many times per batch: a quarter
    of a collector's time. What was loaded at the start is never searched again. Faults do leave cycles: until the next
    search they stay.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(EVERY_S)
        gc.collect()
