"""What a call of PredictionLogger costs the thread that calls, beside an empty call with the same arguments.

    python -m benchmarks.logger [--calls N]

Times are microseconds of wall time, each call timed alone (about 0.1 of it is the clock). Callers keep a pace that the
broker follows, so that what is timed is the whole way into the queue; the last part lets them run into a full queue.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from monitor.broker import ClientConfig, PredictionLogger, ensure_topics
from monitor.embedded.broker import Broker

TOPIC = "bench.logged"
PACE = 2000
"""Calls per second, of all threads together."""
FIELDS: dict[str, Any] = {
    "image": "s3://pictures/2026/000001.jpg",
    "prompt": "What colour is the mug that stands on the table next to the window?",
    "answer": "a red mug",
    "candidates": [("a red mug", 0.81), ("a mug", 0.11), ("a cup", 0.05)],
    "confidence": 0.81,
    "latency_ms": 87.5,
    "slices": {"device": "camera-1", "region": "r1"},
}
VECTOR = {"embeddings": {"image": np.linspace(-1, 1, 512, dtype=np.float32)}, "embedder": "bench@1"}

Call = Callable[..., bool]


def empty(request_id: str = "", **fields: object) -> bool:
    """What no call can do without."""
    return bool(request_id) or bool(fields)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000, help="of each part")
    print(json.dumps(measure(parser.parse_args().calls), indent=2))


def measure(calls: int) -> dict[str, Any]:
    """Every part, on a fresh broker."""
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home:
        broker = Broker(Path(home), preferred_port=30_000 + os.getpid() % 10_000)
        broker.start()
        try:
            ensure_topics(ClientConfig(broker.bootstrap_servers), [TOPIC], 4)
            result = {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 1), "pace_per_s": PACE}
            for name, fields in (("texts", FIELDS), ("texts_and_512_floats", FIELDS | VECTOR)):
                result[name] = {
                    "one_thread": compare(broker.bootstrap_servers, fields, calls, threads=1, busy=False),
                    "eight_threads_beside_busy_python": compare(
                        broker.bootstrap_servers, fields, calls, threads=8, busy=True
                    ),
                    "sent_per_s": throughput(broker.bootstrap_servers, fields, calls),
                }
            result["full_queue_without_broker"] = full_queue(calls)
            return result
        finally:
            broker.stop()


def compare(servers: str, fields: dict[str, Any], calls: int, *, threads: int, busy: bool) -> dict[str, Any]:
    """Quantiles of our call and of the empty one, called in the same way one after the other."""
    with PredictionLogger(servers, topic=TOPIC, model="m", task="vqa") as log:
        log.prediction("warm", **FIELDS)
        log.flush()
        over = threading.Event()
        neighbour = threading.Thread(target=burn, args=(over,)) if busy else None
        if neighbour:
            neighbour.start()
        ours = timed(log.prediction, fields, calls, threads)
        bare = timed(empty, fields, calls, threads)
        over.set()
        if neighbour:
            neighbour.join()
    counts = log.close(20)
    return {**quantiles(ours), "empty_p50": quantiles(bare)["p50"], "empty_p99": quantiles(bare)["p99"],
            "ratio_p50": round(quantiles(ours)["p50"] / quantiles(bare)["p50"], 1),
            "sent": counts.sent, "dropped": counts.dropped}  # fmt: skip


def timed(call: Call, fields: dict[str, Any], calls: int, threads: int) -> list[int]:
    """Nanoseconds of each call; the threads keep the pace together."""

    def caller(thread: int) -> list[int]:
        taken, due, gap = [], time.perf_counter(), threads / PACE
        for index in range(calls // threads):
            request_id = f"{thread}-{index}"
            began = time.perf_counter_ns()
            call(request_id, **fields)
            taken.append(time.perf_counter_ns() - began)
            due += gap
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
        return taken

    with ThreadPoolExecutor(threads) as pool:
        return [one for some in pool.map(caller, range(threads)) for one in some]


def burn(over: threading.Event) -> None:
    """A neighbour that holds the interpreter's lock as often as it can."""
    total = 0
    while not over.is_set():
        total += sum(range(1000))


def throughput(servers: str, fields: dict[str, Any], calls: int) -> int:
    """Events per second that the thread encodes and the broker acknowledges, when all are there at once."""
    log = PredictionLogger(servers, topic=TOPIC, model="m", task="vqa", max_events=calls, max_bytes=1 << 30)
    log.prediction("warm", **FIELDS)
    log.flush()
    for index in range(calls - 1):
        log.prediction(f"{index}", **fields)
    already = log.counts.sent
    began = time.perf_counter()
    assert log.flush(120)
    per_s = (calls - already) / (time.perf_counter() - began)
    log.close()
    return round(per_s)


def full_queue(calls: int) -> dict[str, Any]:
    """Calls that are dropped, while the thread looks for a broker in vain."""
    log = PredictionLogger("127.0.0.1:9", topic=TOPIC, model="m", task="vqa", max_events=100)
    for index in range(100):
        log.prediction(f"{index}", **FIELDS)
    taken = timed(log.prediction, FIELDS, calls, 1)
    counts = log.close(0)
    return {**quantiles(taken), "dropped": counts.dropped}


def quantiles(taken: list[int]) -> dict[str, float]:
    """In microseconds."""
    p50, p99, p999 = np.percentile(taken, [50, 99, 99.9]) / 1000
    return {"p50": round(p50, 2), "p99": round(p99, 2), "p999": round(p999, 1), "max": round(max(taken) / 1000, 1)}


if __name__ == "__main__":
    main()
