"""Where collectors on disjoint partitions stop scaling, and what is busy then.

    python -m benchmarks.ingest_scaling [--records N] [--collectors K]

One, two, ... K collectors, each with a topic and group of its own, write to the same PostgreSQL: 1.9 kB records with a
512-d half-precision embedding. Timed while all of them are at work: from the moment at which each has committed
something until the first one is done. `cores_busy` is processor time over wall time of each process; where their sum
reaches the cores that there are, more collectors share them out and do not add.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, text

from benchmarks.ingest import values
from benchmarks.pipeline import PARTITIONS, TIMEOUT_S, Servers, collector, cpu_seconds, end, fill, servers
from monitor.domain.events import Taken
from monitor.store.engine import make_engine

_BY_TOPIC = text(
    f"SELECT topic, sum(records)::int FROM ingest_counters WHERE outcome = '{Taken.ACCEPTED}' GROUP BY topic"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=80_000, help="per collector")
    parser.add_argument("--collectors", type=int, default=3)
    options = parser.parse_args()
    runs = [run_once(options.records, number) for number in range(1, options.collectors + 1)]
    for run in runs:
        run["of_one_collector"] = round(run["predictions_per_s"] / runs[0]["predictions_per_s"], 2)
    print(json.dumps({"records_each": options.records, "cores": os.cpu_count(), "runs": runs}, indent=2))


def run_once(records: int, number: int) -> dict[str, Any]:
    """Fill the topics, start the collectors, and time them while all are at work."""
    topics = [f"bench.{index}" for index in range(number)]
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home, servers(Path(home)) as at:
        for index, topic in enumerate(topics):
            mine = (value.replace(b"-7e0c2f3a", b"-%08d" % index) for value in values(records))
            fill(at.bootstrap, topic, ((value, ()) for value in mine), PARTITIONS)
        engine = make_engine(at.database)
        processes = [collector(at, topic, f"bench-{topic}") for topic in topics]
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                return {"collectors": number, **watch(connection, topics, records, at, processes)}
        finally:
            end(processes)
            engine.dispose()


def watch(
    connection: Connection, topics: list[str], records: int, at: Servers, processes: list[psutil.Popen]
) -> dict[str, Any]:
    """Predictions per second of all together, and how busy each process was."""
    first: tuple[float, int, dict[str, float]] | None = None
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        done = {topic: int(count) for topic, count in connection.execute(_BY_TOPIC)}
        now = time.monotonic()
        if first is None and len(done) == len(topics):
            first = (now, sum(done.values()), cpu_seconds(at, processes))
        if max(done.values(), default=0) >= records:
            assert first is not None, "the first was done before the last had begun: more records are needed"
            began, before, used = first
            busy = {
                name: round((seconds - used[name]) / (now - began), 2)
                for name, seconds in cpu_seconds(at, processes).items()
            }
            return {"predictions_per_s": round((sum(done.values()) - before) / (now - began)), "cores_busy": busy}
        time.sleep(0.05)
    raise TimeoutError(f"{done} of {records} records each after {TIMEOUT_S:.0f} s")


if __name__ == "__main__":
    main()
