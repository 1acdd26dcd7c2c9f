"""How much is taken at once, and held: known only once it is unpacked, so it is bounded record by record."""

from __future__ import annotations

import pytest

from monitor.broker.reading import LARGE, TAKEN_BYTES
from tests.unit.broker.test_unpacking import FORMATS, MODERN, ZSTD, Client, at_offset, batch

EACH = 200_000
AT_ONCE = -(-TAKEN_BYTES // EACH)


@pytest.mark.parametrize(("magic", "codec"), FORMATS)
def test_no_more_is_taken_at_once_than_its_bytes_allow(magic: int, codec: int) -> None:
    holder = Client().take(batch(magic, codec, [bytes(EACH)] * 60))
    assert [(len(holder.take(32)), holder.is_full) for _ in range(60 // AT_ONCE)] == [(AT_ONCE, True)] * 10


def test_small_records_are_taken_as_ever() -> None:
    holder = Client().take(batch(MODERN, ZSTD, [b"small"] * 100))
    assert [(len(holder.take(32)), holder.is_full) for _ in range(4)] == [(32, False)] * 3 + [(4, False)]
    assert not holder


def test_what_was_unpacked_is_let_go_with_its_last_record() -> None:
    many, one = batch(MODERN, ZSTD, [bytes(EACH)] * 60), at_offset(60, batch(MODERN, ZSTD, [bytes(2 * LARGE)]))
    holder = Client().take(many + one + at_offset(61, batch(MODERN, ZSTD, [b"after"])))
    assert len(holder.take(1)) == 1
    assert holder.unpacked > LARGE
    assert sum(len(holder.take(most)) for most in (5,) * 11 + (4,)) == 59
    assert holder.unpacked == 0
    assert [len(one.value or b"") for one in holder.take(32)] == [2 * LARGE]
    assert (holder.unpacked, holder.is_full) == (0, True)
    assert [one.value for one in holder.take(32)] == [b"after"]
