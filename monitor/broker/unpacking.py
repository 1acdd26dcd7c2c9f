"""Unpack batches of records in bounded memory.

kafka-python 3.0.12 unpacks a compressed batch whole, whatever becomes of it: a megabyte of zstd can be a gigabyte, and
brokers count only packed bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import snappy
import zstandard
from kafka import codec
from kafka.record import legacy_records
from lz4.frame import LZ4FrameDecompressor

MAX_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes of a batch. Brokers take packed batches of a megabyte by default, and logs shrink to a tenth or so."""
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER: Final = 16
_GZIP: Final = zlib.MAX_WBITS | 16


class Unread(bytes):
    """The empty content of a record that stands for some that cannot be read."""

    fault: str
    """Which, and why."""


def fault_of(content: bytes | None) -> str | None:
    """Why there is no content; None where there is, or where it was left empty."""
    return content.fault if isinstance(content, Unread) else None


def gunzip(packed: Any) -> bytes:
    """One or several gzip members (RFC 1952). This and the others raise whatever their library does, and ValueError
    beyond `MAX_UNPACKED`."""
    content, rest = bytearray(), bytes(packed)
    while rest:
        member = zlib.decompressobj(wbits=_GZIP)
        content += member.decompress(rest, MAX_UNPACKED + 1 - len(content))
        _demand_fits(len(content))
        if not member.eof:
            raise ValueError("it is cut short")
        rest = member.unused_data
    return bytes(content)


def unsnappy(packed: bytes) -> bytes:
    """Snappy as one block, or in the frames of xerial's Java library, which Kafka's own clients write."""
    if not packed.startswith(_XERIAL):
        return _block(packed, 0)
    content, place = bytearray(), _XERIAL_HEADER
    while place < len(packed):
        (size,) = struct.unpack_from(">I", packed, place)
        place += 4
        content += _block(packed[place : place + size], len(content))
        place += size
    return bytes(content)


def unlz4(packed: bytes) -> bytes:
    """One LZ4 frame."""
    frame = LZ4FrameDecompressor()
    first: bytes = frame.decompress(packed, max_length=_expected(packed))
    if frame.eof:
        _demand_fits(len(first))
        return first
    content = bytearray(first)
    while not frame.eof and not frame.needs_input:
        content += frame.decompress(b"", max_length=_more(content))
        _demand_fits(len(content))
    if not frame.eof:
        raise ValueError("it is cut short")
    return bytes(content)


def unzstd(packed: bytes) -> bytes:
    """Zstandard frames."""
    unpack = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED)
    content, size = bytearray(), _expected(packed)
    with unpack.stream_reader(BytesIO(packed), read_across_frames=True) as stream:
        while some := stream.read(size):
            content += some
            _demand_fits(len(content))
            size = _more(content)
    return bytes(content)


def _expected(packed: bytes) -> int:
    """Most batches are no larger unpacked. Room for the largest one would cost more than all of the unpacking."""
    return min(16 * len(packed) + 1, MAX_UNPACKED + 1)


def _more(content: bytearray) -> int:
    """As much again, up to what is too large."""
    return min(len(content), MAX_UNPACKED + 1 - len(content)) or 1


def _block(packed: bytes, before: int) -> bytes:
    """A block of snappy, which begins with the size of its content."""
    _demand_fits(before + _size_of(packed))
    content: bytes = snappy.uncompress(packed)
    return content


def _size_of(packed: bytes) -> int:
    size = 0
    for index, byte in enumerate(packed[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size
    raise ValueError("it has no size")


def _demand_fits(size: int) -> None:
    if size > MAX_UNPACKED:
        raise ValueError(f"unpacked it is larger than {MAX_UNPACKED} bytes")


CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""By their number in a batch's attributes (Kafka protocol, "Record Batch")."""
_UNPACK: Final[tuple[Callable[[bytes], bytes], ...]] = (bytes, gunzip, unsnappy, unlz4, unzstd)


def unpack(number: int, packed: bytes) -> bytes:
    """What a batch holds whose codec has this number.

    Raises:
        ValueError: no such codec, or it is too large; others as the codec's library does.
    """
    if number >= len(_UNPACK):
        raise ValueError(f"there is no codec {number}")
    return _UNPACK[number](packed)


def unpack_in_bounds() -> None:
    """Make Kafka's client do so with records of before Kafka 0.11, in this process. Once is enough, twice does no
    harm."""
    for module in (legacy_records, codec):  # the latter for frames of lz4 that older clients wrote
        module.gzip_decode, module.snappy_decode, module.lz4_decode = gunzip, unsnappy, unlz4
