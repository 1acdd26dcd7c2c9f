"""Records out of files, to be looked at before a topic is read.

- `.jsonl`, `.ndjson`: the value of one record per line, or lines of `kcat -J`, with headers and times.
- `.json`: the value of one record, a list of values, or a sample: `{"headers": {...}, "value": text}` (`value_base64`).
- anything else: one record as it is, or several behind each other, each after its length: four bytes, big-endian (the
  file exporter of the OpenTelemetry Collector), or a varint (delimited Protocol Buffers).
- a folder: each of its files.

Each also as `.gz` or `.zst`. A byte order mark is no part of a text. Records without a time of their own get that of
their file.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import zstandard

from monitor.domain.records import Partition, Record
from monitor.domain.varints import varint
from monitor.errors import SettingsError

MAX_BYTES = 64 * 1024 * 1024
"""Of a line, and of a file that is read whole."""
_PACKED_BYTES = 1024
"""Read of a Zstandard file at once: unpacked these come to some 40 MB at most."""
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What unpackers say of a file that was cut off, as by a copy that did not end, or that is none of theirs."""


class Sample(NamedTuple):
    place: str
    """Where it stands, for people."""
    record: Record


def read_samples(path: Path, on_cut: Callable[[str], None] = lambda _: None) -> Iterator[Sample]:
    """Everything in a file or folder, in order.

    Args:
        on_cut: told of each file that is damaged behind what was read of it.

    Raises:
        SettingsError: it cannot be read, or is too large.
    """
    try:
        if path.is_dir():
            for file in sorted(one for one in path.iterdir() if one.is_file()):
                yield from _file(file, f"{file.name}: ", on_cut)
        else:
            yield from _file(path, "", on_cut)
    except (OSError, *_DAMAGED) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error


def _file(path: Path, prefix: str, on_cut: Callable[[str], None]) -> Iterator[Sample]:
    kind = Path(path.name.removesuffix(".gz").removesuffix(".zst")).suffix
    read = {".jsonl": _lines, ".ndjson": _lines, ".json": _document}.get(kind, _dump)
    written_ms = int(path.stat().st_mtime * 1000)
    place = ""
    with _open(path) as stream:
        try:
            for place, record in read(stream, path.name):
                dated = record if record.timestamp_ms >= 0 else replace(record, timestamp_ms=written_ms)
                yield Sample(f"{prefix}{place}", dated)
        except _DAMAGED as error:
            if not place:
                raise
            on_cut(f"{path}: damaged or cut off behind {place}: {error}")


def _open(path: Path) -> Any:
    if path.suffix == ".zst":
        return io.BufferedReader(_Frames(path.open("rb")))
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


class _Frames(io.RawIOBase):
    """Zstandard frames, unpacked. The library's own reader takes the end of a file for the end of a frame."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._left = packed, b""
        self._frame: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and (some := self._packed.read(_PACKED_BYTES)):
            self._left = b"".join(self._unpacked(some))
        if not self._left and self._frame is not None:
            raise EOFError("the file ends inside a Zstandard frame")
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            yield self._frame.decompress(packed)
            if not self._frame.eof:
                return
            packed, self._frame = self._frame.unused_data, None

    def close(self) -> None:
        self._packed.close()
        super().close()


def _without_mark(text: bytes) -> bytes:
    return text.removeprefix(BOM_UTF8)


def _lines(stream: IO[bytes], name: str) -> Iterator[Sample]:
    for number, read in enumerate(iter(lambda: stream.readline(MAX_BYTES), b""), start=1):
        line = _without_mark(read) if number == 1 else read
        if line.strip():
            yield Sample(f"line {number}", _of_kcat(line) or _record(line.rstrip(b"\r\n"), name, number))


def _document(stream: IO[bytes], name: str) -> Iterator[Sample]:
    whole = _without_mark(_whole(stream, name))
    try:
        content = msgspec.json.decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = None  # a record like any other: the format says what is wrong with it
    values = content if isinstance(content, list) else [content]
    for number, value in enumerate(values, start=1):
        as_sample = _of_sample(value, name) if isinstance(value, dict) else None
        raw = msgspec.json.encode(value) if isinstance(content, list) else whole
        yield Sample(f"record {number}", as_sample or _record(raw, name, number))


def _dump(stream: IO[bytes], name: str) -> Iterator[Sample]:
    whole = _whole(stream, name)
    pieces = _behind_lengths(whole, _four_bytes) or _behind_lengths(whole, varint) or [whole]
    for number, piece in enumerate(pieces, start=1):
        yield Sample(f"record {number}", _record(piece, name, number))


def _whole(stream: IO[bytes], name: str) -> bytes:
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{name}: larger than {MAX_BYTES} bytes; a part of it is enough, or one record per line")
    return content


def _of_sample(content: dict[str, Any], name: str) -> Record | None:
    """A record written down with its headers; None when this is a record itself."""
    text, encoded, headers = content.get("value"), content.get("value_base64"), content.get("headers")
    if not isinstance(headers, dict) or not isinstance(text if encoded is None else encoded, str):
        return None
    try:
        value = str(text).encode() if encoded is None else base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise SettingsError(f"{name}: value_base64 is no base64: {error}") from None
    pairs = tuple((str(key), str(one).encode()) for key, one in headers.items())
    topic, key = content.get("topic"), content.get("key")
    partition = Partition("file", topic if isinstance(topic, str) else name, "file", 0)
    return Record(partition, 0, -1, value, pairs, key.encode() if isinstance(key, str) else None)


def _of_kcat(line: bytes) -> Record | None:
    """A line of `kcat -J`: topic, partition, offset, ts, headers as one flat list, payload as text."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    match row:
        case {"topic": str(topic), "partition": int(number), "offset": int(offset), "payload": payload}:
            headers = [str(one).encode() for one in row.get("headers") or ()]
            pairs = tuple((key.decode(), one) for key, one in zip(headers[::2], headers[1::2], strict=False))
            stamp = row.get("ts")
            value = payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)
            partition = Partition("file", topic, "file", number)
            key = row.get("key")
            said = key.encode() if isinstance(key, str) else None
            return Record(partition, offset, stamp if isinstance(stamp, int) else -1, value, pairs, said)
    return None


def _record(value: bytes, name: str, number: int) -> Record:
    return Record(Partition("file", name, "file", 0), number, -1, value)


def _behind_lengths(whole: bytes, length: Any) -> list[bytes] | None:
    """The pieces, if lengths and pieces make up the whole exactly."""
    pieces: list[bytes] = []
    place = 0
    while place < len(whole):
        try:
            size, start = length(whole, place)
        except (ValueError, IndexError):
            return None
        if size <= 0 or start + size > len(whole):
            return None
        pieces.append(whole[start : start + size])
        place = start + size
    return pieces or None


def _four_bytes(whole: bytes, place: int) -> tuple[int, int]:
    return int.from_bytes(whole[place : place + 4], "big"), place + 4
