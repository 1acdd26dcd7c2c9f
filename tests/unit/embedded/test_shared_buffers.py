"""How much memory the embedded PostgreSQL takes for pages."""

from __future__ import annotations

import pytest

from monitor.embedded.postgres import shared_buffers

GB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "buffers"),
    [(GB, "128MB"), (4 * GB, "256MB"), (8 * GB, "512MB"), (16 * GB, "1024MB"), (512 * GB, "1024MB")],
)
def test_a_sixteenth_of_the_memory_within_bounds(memory: int, buffers: str) -> None:
    assert shared_buffers(memory) == buffers
