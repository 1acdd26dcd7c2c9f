"""A collector's memory is bounded, whatever its records decode to and its batches unpack to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from tests.integration.failures.fleet import Fleet, Servers
from tests.pace import wait_for
from tests.unit.services.test_decoded_size import spans

pytestmark = [pytest.mark.integration, pytest.mark.soak]
MIB = 1024 * 1024
PARTITIONS = 4
MOST = 400 * MIB
"""What the collector may take; without bounds the first two take twice as much, the third five times."""


def prediction(number: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    event = {"schema": "prediction/v1", "request_id": f"r{number}", "ts": now, "model": {"name": "m"}}
    return msgspec.json.encode(event | {"task": "vqa", "status": "ok"})


def many_spans() -> list[bytes]:
    """A megabyte each, of nine thousand spans."""
    return [spans(9000, time.time_ns()) for _ in range(40)]


def many_objects() -> list[bytes]:
    """A megabyte each, which becomes 27."""
    values = b"[" + b",".join([b"[{}]"] * 200_000) + b"]"
    return [prediction(number)[:-1] + b',"extra":{"a":' + values + b"}}" for number in range(60)]


def huge_records() -> list[bytes]:
    """Forty megabytes each, that came as two kilobytes."""
    return [bytes(40 * MIB)] * 12


def huge_batches() -> list[bytes]:
    """Fifty megabytes each, that came as some kilobytes."""
    return [prediction(number)[:-1] + b',"input":{"prompt":"' + b"p" * 9000 + b'"}}' for number in range(40_000)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [many_spans, many_objects, huge_records, huge_batches])
def test_a_collector_takes_no_more_than_it_may(
    servers: Servers, tmp_path: Path, make: Callable[[], list[bytes]]
) -> None:
    values = make()
    send(servers, values)
    logs = tmp_path / "fleet"
    logs.mkdir()
    fleet = Fleet(servers, logs, {"SNELLEN_INGEST__BATCH_RECORDS": "4000", "SNELLEN_KAFKA__SESSION_TIMEOUT_MS": "6000"})
    try:
        collector = fleet.start("ingest")
        wait_for(lambda: servers.rows("SELECT sum(next_offset)::int FROM stream_offsets") == [len(values)], 400, "read")
        status = Path(f"/proc/{collector.process.pid}/status").read_text()
        fleet.leave(collector)
    finally:
        fleet.end()
    [peak] = re.findall(r"VmHWM:\s*(\d+) kB", status)
    print(f"{make.__name__}: {int(peak) // 1024} MiB")  # noqa: T201 (the figure that docs state)
    assert int(peak) * 1024 < MOST
    assert not fleet.crashes()


def send(servers: Servers, values: list[bytes]) -> None:
    """In as few and as large batches as there may be, compressed."""
    bounds = {"batch.size": 50 * MIB, "message.max.bytes": 60 * MIB, "batch.num.messages": 1_000_000}
    queue = {"queue.buffering.max.kbytes": 2 * MIB, "queue.buffering.max.messages": 1_000_000, "linger.ms": 1000}
    producer = Producer(
        {"bootstrap.servers": servers.broker.bootstrap_servers, "compression.codec": "zstd", **bounds, **queue}
    )
    for number, value in enumerate(values):
        producer.produce(servers.topics["predictions"], value, partition=number % PARTITIONS)
    assert producer.flush(120) == 0
