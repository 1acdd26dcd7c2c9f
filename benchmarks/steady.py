"""A producer at a set rate that leaves the processor to what is measured: a process that sends whole Kafka batches.

To make and send 15,000 records a second one by one takes a core. Here batches of 125 records are made before the clock
starts, and what is sent differs from them in ids (32 random digits, as those of UUIDs), event times (now) and check
sums alone. Size, packing (lz4) and acknowledgements are those of PredictionLogger.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from multiprocessing.synchronize import Event
from typing import Final

import numpy as np
from kafka.codec import lz4_encode
from kafka.errors import for_code
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record.default_records import DefaultRecordBatchBuilder as Builder
from kafka.record.util import calc_crc32c

from benchmarks.ingest import values
from benchmarks.pipeline import PARTITIONS

RECORDS = 125
"""In a batch: 240 kB before packing."""
POOL = 16
"""Batches of different content."""
PRODUCE_VERSION = 7
ANSWER_S = 60.0
LZ4 = 3
DIGITS, TIME_LENGTH = 32, len("2026-01-01T00:00:00.000000+00:00")
_VARYING: Final = re.compile(rb'"request_id": "([^"]+)", "ts": "([^"]+)"')
_BLANK: Final = b'"request_id": "%s", "ts": "%s"' % (b"0" * DIGITS, b"0" * TIME_LENGTH)
_SPAWN = get_context("spawn")


class Producer:
    """The process, which begins at once. It writes to one topic at a time, and to another when it is told to."""

    def __init__(self, bootstrap: str, topics: Sequence[str], rate: int) -> None:
        self._topics = topics
        self._sent, self._turn, self._stop = _SPAWN.Array("q", len(topics)), _SPAWN.Value("q", 0), _SPAWN.Event()
        arguments = (bootstrap, topics, rate, self._sent, self._turn, self._stop)
        self.process = _SPAWN.Process(target=produce, args=arguments, daemon=True)
        self.process.start()

    def sent(self) -> dict[str, int]:
        """Records that were acknowledged, by topic.

        Raises:
            RuntimeError: the process has ended, but not because it was told to.
        """
        if self.process.exitcode:
            raise RuntimeError(f"the producer ended with {self.process.exitcode}")
        return dict(zip(self._topics, self._sent, strict=True))

    def write_to(self, topic: str) -> None:
        self._turn.value = self._topics.index(topic)

    def stop(self) -> None:
        """Wait until the last batch is acknowledged."""
        self._stop.set()
        self.process.join()


def produce(
    bootstrap: str, topics: Sequence[str], rate: int,
    sent: SynchronizedArray[int], turn: Synchronized[int], stop: Event,
) -> None:  # fmt: skip
    """Send so many records a second until told to stop; who was held up makes up for it.

    Raises:
        OSError: the broker does not answer.
        KafkaError: it does not take a batch.
    """
    rng, wire = np.random.default_rng(), Wire(bootstrap)
    pool = values(POOL * RECORDS)
    batches = cycle([Template(list(islice(pool, RECORDS))) for _ in range(POOL)])
    began, total = time.monotonic(), 0
    while not stop.is_set():
        early = total / rate - (time.monotonic() - began)
        if early > 0:
            time.sleep(early)
        topic = turn.value
        wire.send(topics[topic], total // RECORDS % PARTITIONS, next(batches).fill(rng))
        sent[topic] += RECORDS
        total += RECORDS


class Template:
    """A batch of Kafka's format 2 (https://kafka.apache.org/documentation/#recordbatch) with blanks."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        builder = Builder(2, 0, False, -1, -1, -1, batch_size=2**24)
        for offset, content in enumerate(contents):
            builder.append(offset, 0, None, _VARYING.sub(_BLANK, content), [])
        records = bytes(builder.build())[Builder.HEADER_STRUCT.size :]
        starts = np.array([[match.start(1), match.start(2)] for match in _VARYING.finditer(records)])
        self._count = len(contents)
        self._records = np.frombuffer(bytearray(records), np.uint8)
        self._ids = starts[:, :1] + np.arange(DIGITS)
        self._times = starts[:, 1:] + np.arange(TIME_LENGTH)

    def fill(self, rng: np.random.Generator) -> bytes:
        """The batch with new ids and the time of now."""
        now = datetime.now(UTC)
        digits = rng.bytes(self._count * DIGITS // 2).hex().encode()
        self._records[self._ids] = np.frombuffer(digits, np.uint8).reshape(self._ids.shape)
        self._records[self._times] = np.frombuffer(now.isoformat(timespec="microseconds").encode(), np.uint8)
        return self._packed(int(now.timestamp() * 1000))

    def _packed(self, stamp_ms: int) -> bytes:
        packed = lz4_encode(self._records.tobytes())
        size = Builder.HEADER_STRUCT.size + len(packed) - Builder.AFTER_LEN_OFFSET
        behind = (LZ4, self._count - 1, stamp_ms, stamp_ms, -1, -1, -1, self._count)
        summed = Builder.HEADER_STRUCT.pack(0, size, 0, 2, 0, *behind)[Builder.ATTRIBUTES_OFFSET :] + packed
        return Builder.HEADER_STRUCT.pack(0, size, 0, 2, calc_crc32c(summed), *behind) + packed


class Wire:
    """A connection to the only broker of a cluster."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.split(":")
        self._socket = socket.create_connection((host, int(port)), ANSWER_S)
        self._answers = self._socket.makefile("rb")

    def send(self, topic: str, partition: int, batch: bytes) -> None:
        """Send one batch and wait until it is acknowledged.

        Raises:
            OSError, KafkaError: as `produce`.
        """
        part = ProduceRequest.TopicProduceData.PartitionProduceData(index=partition, records=batch)
        data = [ProduceRequest.TopicProduceData(name=topic, partition_data=[part])]
        request = ProduceRequest(
            transactional_id=None, acks=-1, timeout_ms=int(1000 * ANSWER_S), topic_data=data, version=PRODUCE_VERSION
        )
        request.with_header()
        self._socket.sendall(request.encode(header=True, framed=True))
        (length,) = struct.unpack(">i", self._answers.read(4))
        answer = ProduceResponse.decode(self._answers.read(length), version=PRODUCE_VERSION, header=True)
        if code := answer.responses[0].partition_responses[0].error_code:
            raise for_code(code)(f"{topic}, partition {partition}")
