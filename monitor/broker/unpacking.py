"""Unpack batches of records in bounded memory, and put one record in the place of a batch that cannot be read.

kafka-python 3.0.12 unpacks a compressed batch whole, whatever becomes of it: a megabyte of zstd can be a gigabyte, and
brokers count only packed bytes. A batch that it cannot unpack or take apart it refuses again and again: nothing after
it would ever be read. Here such a batch ends in one record without content at the batch's last offset, which says why;
it becomes a dead letter, and what follows is read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

import snappy
import zstandard
from kafka import codec
from kafka.errors import UnsupportedCodecError
from kafka.record import default_records, legacy_records
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.util import decode_varint
from lz4.frame import LZ4FrameDecompressor

MAX_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes of a batch. Brokers take packed batches of a megabyte by default, and logs shrink to a tenth or so."""
MAX_HEADERS: Final = 10_000
"""Of a record. Two bytes make a header, which takes a hundred in memory."""
_LARGE: Final = 4 * 1024 * 1024
"""In batches up to this size nobody counts headers: they cannot hold enough of them to matter."""
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER: Final = 16
_GZIP: Final = zlib.MAX_WBITS | 16
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


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
    content: bytes = frame.decompress(packed, max_length=MAX_UNPACKED + 1)
    _demand_fits(len(content))
    if not frame.eof:
        raise ValueError("it is cut short")
    return content


def unzstd(packed: bytes) -> bytes:
    """Zstandard frames."""
    unpack = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED)
    with unpack.stream_reader(BytesIO(packed), read_across_frames=True) as stream:
        content: bytes = stream.read(MAX_UNPACKED + 1)
    _demand_fits(len(content))
    return content


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


def _guarded(read: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """A batch's own iteration, which ends in an `Unread` where it would raise."""

    def each(batch: Any) -> Iterator[Any]:
        first = None
        try:
            records = read(batch)
            crowded = isinstance(batch, DefaultRecordBatch) and len(batch._buffer) > _LARGE
            while True:
                if crowded and batch._pos < len(batch._buffer):
                    _demand_few_headers(batch._buffer, batch._pos)
                record = next(records, None)
                if record is None:
                    return
                yield record
                first = record.offset + 1
        except UnsupportedCodecError:
            raise  # a library is missing here: nothing is wrong with the batch
        except Exception as error:  # noqa: BLE001 (libraries raise whatever they trip over)
            yield _unread(batch, first, error)

    return each


def _demand_few_headers(buffer: Any, place: int) -> None:
    """Of the record that begins here (Kafka message format, version 2)."""
    for _ in range(4):  # length, attributes, time, offset
        _, place = decode_varint(buffer, place)
    for _ in range(2):  # key, value
        size, place = decode_varint(buffer, place)
        place += max(size, 0)
    headers, _ = decode_varint(buffer, place)
    if headers > MAX_HEADERS:
        raise ValueError(f"a record has {headers} headers, {MAX_HEADERS} are read")


def _unread(batch: Any, first: int | None, error: Exception) -> DefaultRecord:
    """Stands for the records of a batch from offset `first` on; None: for all. A version 1 batch does not say how many
    it has, only where it ends."""
    modern = batch.magic > 1
    last = batch.last_offset if modern else batch.base_offset
    begin = first if first is not None else batch.base_offset if modern else None
    packed = batch.compression_type
    name = _CODECS[packed] if packed < len(_CODECS) else str(packed)
    content = Unread()
    content.fault = (
        f"the records {'up to' if begin is None else f'from offset {begin} to'} {last} cannot be read: "
        f"{type(error).__name__}: {error} (a batch of {batch.size_in_bytes} bytes, compression {name})"
    )
    stamp = batch.max_timestamp if modern else -1
    return DefaultRecord(0, last, stamp, batch.timestamp_type, None, content, [])


def unpack_in_bounds() -> None:
    """Make Kafka's client do so, in this process. Once is enough, twice does no harm."""
    for module in (default_records, legacy_records, codec):  # the last for the format before 0.10
        module.gzip_decode, module.snappy_decode, module.lz4_decode = gunzip, unsnappy, unlz4
    default_records.zstd_decode = unzstd
    DefaultRecordBatch.__iter__ = _EACH
    LegacyRecordBatch.__iter__ = _EACH_LEGACY


_EACH: Final = _guarded(DefaultRecordBatch.__iter__)
_EACH_LEGACY: Final = _guarded(LegacyRecordBatch.__iter__)
