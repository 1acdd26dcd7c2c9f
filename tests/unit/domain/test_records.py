"""What a record's headers say of the replay that sent it."""

from __future__ import annotations

import pytest

from monitor.domain.records import REPLAY_HEADER, Partition, Record

PARTITION = Partition("cluster", "t", "id", 0)


@pytest.mark.parametrize(
    ("headers", "replay"),
    [
        ((), None),
        ((("other", b"x"),), None),
        (((REPLAY_HEADER, b"r1"),), "r1"),
        ((("other", b"x"), (REPLAY_HEADER, b"r1")), "r1"),
        (((REPLAY_HEADER, b""),), None),
        (((REPLAY_HEADER, b"\xff"),), "\N{REPLACEMENT CHARACTER}"),
        (((REPLAY_HEADER, b"a\x00b"),), "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_the_replay_is_what_its_header_says_and_can_be_stored(
    headers: tuple[tuple[str, bytes], ...], replay: str | None
) -> None:
    assert Record(PARTITION, 0, -1, b"", headers).replay == replay
