"""What was fetched is gone as soon as its records are read, not only after a search for cycles."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from monitor.broker import ClientConfig, Sink, Source, ensure_topics

pytestmark = pytest.mark.integration
ROUNDS, RECORDS, SIZE = 6, 200, 2000


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_waits_that_run_out_of_time_keep_no_answer_of_the_broker(
    broker: str, topic: str, without_collector: None
) -> None:
    config, noise = ClientConfig(broker), random.Random(0)
    ensure_topics(config, [topic], 2)
    with (
        closing(Sink(config)) as sink,
        closing(Source(config, topic, [topic], lambda _, first, beyond_end: first)) as source,
    ):
        for _ in range(ROUNDS):
            for number in range(RECORDS):
                sink.send(topic, noise.randbytes(SIZE), key=str(number))
            sink.flush()
            left = RECORDS
            while left:
                left -= len(source.poll(RECORDS, 1 << 24, 3).records)
        # One answer may wait in the client for its next fetch; what a wait kept of each would be that of all rounds.
        assert fetched_and_held() < 2 * RECORDS * SIZE


def fetched_and_held() -> int:
    """Bytes that parts of the client hold of the broker's answers."""
    parts = (one for one in gc.get_objects() if type(one).__name__ == "PartitionData")
    return sum(len(one) for part in parts for one in gc.get_referents(part) if isinstance(one, bytes | memoryview))
