"""Pictures that are small to send and enormous to open, made here, opened in a process of its own that is watched."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO

import msgspec
import pytest
from PIL import Image

from monitor.embedding.images import count_scans
from monitor.embedding.refusals import Refusal

MAX_BYTES, MAX_PIXELS = 4_000_000, 1_000_000
MEMORY_MB = 64
"""A million pixels take 4 MB in Pillow, and the largest reference here 5 MB, a few times over."""
COST = 100
"""See `pace.cost`."""


@cache
def zeros(megabytes: int) -> bytes:
    """A zlib stream of that many zero bytes."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, size: tuple[int, int] = (8, 8), depth: int = 8, data: bytes | None = None) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", data or zlib.compress(bytes((size[0] + 1) * size[1])))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def vast(kind: str, **options: object) -> Callable[[], bytes]:
    """Drawn for real: 12,000 x 12,000 of one colour."""
    return lambda: saved(Image.new("L", (12_000, 12_000)), kind, **options)


def frames(kind: str, count: int, **options: object) -> bytes:
    pictures = [Image.new("P", (700, 700), index % 250) for index in range(count)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def gif_beyond_its_screen() -> bytes:
    """A screen of 1 x 1 with a frame of 30,000 x 30,000."""
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 30_000, 30_000, 0)
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame + b"\x02\x02\x4c\x01\x00\x3b"


def tiff_of_one_tile() -> bytes:
    """16 x 16 pixels, cut from a tile of 20,000 x 20,000, which deflate makes small."""
    packed = zeros(400)
    tags = [
        (256, 3, 16), (257, 3, 16), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, 20_000), (323, 4, 20_000), (324, 4, 8 + 2 + 10 * 12 + 4), (325, 4, len(packed)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + packed


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG within the limits whose last scan is repeated ten thousand times."""
    whole = saved(Image.radial_gradient("L").resize((1000, 1000)), "JPEG", progressive=True, quality=30)
    last = whole.rindex(b"\xff\xda")
    head_end = last + 2 + int.from_bytes(whole[last + 2 : last + 4], "big")
    scan = whole[last:head_end] + b"\x00"
    return whole[:-2] + scan * 10_000 + b"\xff\xd9"


def text_chunk(kind: bytes, prefix: bytes) -> Callable[[], bytes]:
    return lambda: png(chunk(kind, prefix + zeros(1000)))


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG of 12,000 x 12,000": vast("PNG"),
    "JPEG of 12,000 x 12,000": vast("JPEG"),
    "progressive JPEG of 12,000 x 12,000": vast("JPEG", progressive=True),
    "GIF of 12,000 x 12,000": vast("GIF"),
    "WebP of 5,000 x 5,000": lambda: saved(Image.new("L", (5000, 5000)), "WEBP", lossless=True, method=0),
    "TIFF of 12,000 x 12,000": vast("TIFF", compression="tiff_deflate"),
    "PNG of 100,000 x 100,000": lambda: png(size=(100_000, 100_000), data=zeros(1)),
    "GIF with a frame beyond its screen": gif_beyond_its_screen,
    "TIFF of one tile": tiff_of_one_tile,
    "JPEG of ten thousand scans": jpeg_of_many_scans,
    "PNG with a gigabyte of zTXt": text_chunk(b"zTXt", b"Comment\0\0"),
    "PNG with a gigabyte of iTXt": text_chunk(b"iTXt", b"Comment\0\x01\0\0\0"),
    "PNG with a gigabyte of colour profile": text_chunk(b"iCCP", b"icc\0\0"),
    "PNG with a hundred megabytes in many texts": lambda: png(*[chunk(b"zTXt", b"Comment\0\0" + zeros(1))] * 100),
}
HARMLESS: dict[str, Callable[[], bytes]] = {
    "PNG whose data go on for a gigabyte": lambda: png(data=zeros(1000)),
    "GIF of 300 frames": lambda: frames("GIF", 300),
    "animated PNG of 300 frames": lambda: frames("PNG", 300),
    "animated WebP of 60 frames": lambda: frames("WEBP", 60, lossless=True, method=0),
    "TIFF of 300 pages": lambda: frames("TIFF", 300, compression="tiff_deflate"),
    "JPEG with 3 MB of colour profile": lambda: saved(Image.new("L", (8, 8)), "JPEG", icc_profile=bytes(3_000_000)),
    "JPEG of 1,000 x 1,000, progressive": lambda: saved(Image.new("RGB", (1000, 1000)), "JPEG", progressive=True),
}
CHILD = """
import json, sys
from pathlib import Path
from monitor.domain import events
from monitor.embedding.images import ImageOpener
from monitor.errors import ImageRefused
from tests.pace import cost

def peak():  # not ru_maxrss, which a child inherits
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

opener = ImageOpener([], max_bytes=int(sys.argv[1]), max_pixels=int(sys.argv[2]))
reference = sys.stdin.read()
outcomes = []

def opened():
    try:
        return list(opener(events.Image(ref=reference)).size)
    except ImageRefused as refused:
        return refused.reason

before = peak()
taken = cost(lambda: outcomes.append(opened()), attempts=1)
print(json.dumps({"outcome": outcomes[0], "mb": peak() - before, "cost": taken}))
"""


class Opened(msgspec.Struct):
    outcome: list[int] | str
    mb: float
    cost: float


def opened(content: bytes, max_pixels: int = MAX_PIXELS) -> Opened:
    """What became of it, by how much the process grew at its peak, and what it cost."""
    assert len(content) < MAX_BYTES, "not small to send"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, str(MAX_BYTES), str(max_pixels)],
        input="data:image/any;base64," + base64.b64encode(content).decode(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return msgspec.json.decode(done.stdout, type=Opened)


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_in_bounded_memory_and_time(make: Callable[[], bytes]) -> None:
    found = opened(make())
    assert found.outcome in (Refusal.TOO_LARGE, Refusal.UNREADABLE)
    assert found.mb < MEMORY_MB
    assert found.cost < COST


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_only_the_first_picture_is_decoded_in_bounded_memory_and_time(make: Callable[[], bytes]) -> None:
    found = opened(make())
    assert isinstance(found.outcome, list)
    assert found.mb < MEMORY_MB
    assert found.cost < COST


def test_these_are_bombs_where_the_limit_is_high() -> None:
    """The watch sees what they would take."""
    assert opened(BOMBS["PNG of 12,000 x 12,000"](), max_pixels=10**9).mb > 100
    assert opened(BOMBS["TIFF of one tile"](), max_pixels=10**9).mb > 300


def test_scans_are_counted_in_the_picture_only() -> None:
    picture = Image.radial_gradient("L")
    assert count_scans(saved(picture, "JPEG")) == 1
    usual = count_scans(saved(picture.convert("RGB"), "JPEG", progressive=True))
    assert 1 < usual < 20
    noise = saved(picture, "JPEG", comment=b"\xff\xda\x00\x02" * 1000) + b"\xff\xda\x00\x02" * 1000
    assert count_scans(noise) == 1
    assert count_scans(jpeg_of_many_scans()) > 10_000
    assert count_scans(b"\xff\xd8\xff") == count_scans(b"") == 0
