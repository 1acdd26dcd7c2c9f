"""Samples of logs: records from the projects' own documentation and test fixtures, with their source named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.domain.records import Partition, Record

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Record]:
    """Reads `FORMAT/NAME` as the record that stood in Kafka."""

    def read(name: str) -> Record:
        content = json.loads((SAMPLES / f"{name}.json").read_text())
        value = base64.b64decode(content["value_base64"]) if "value_base64" in content else content["value"].encode()
        headers = tuple((key, text.encode()) for key, text in content["headers"].items())
        partition = Partition("cluster", content.get("topic", name), "id", 0)
        key = content["key"].encode() if "key" in content else None
        return Record(partition, 0, 1763719205_000, value, headers, key)

    return read
