"""What a process does with memory that makes and frees a hundred thousand objects per batch, many times a minute."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
import traceback

EVERY_S = 10.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""
_KEPT_BYTES = 64 * 1024 * 1024
_LARGEST = 32 * 1024 * 1024
"""Allocations up to this size come from what is kept; glibc takes no more."""


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


def keep_freed_pages() -> None:
    """Let the C library keep some of what a batch frees for the next one, instead of giving it back to the system and
    having every page cleared anew: a tenth of a collector's time. One heap for all threads, because what one of them
    frees is of no use to another's. Only glibc can be told so."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_MMAP_THRESHOLD, _LARGEST)


def let_go(error: BaseException | None) -> None:
    """Empty the frames that an error, and those behind it, came through. They hold all that was being worked on; and
    errors of client libraries hold themselves through such a frame, until a search for cycles."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _collect() -> None:
    while True:
        time.sleep(EVERY_S)
        gc.collect()
