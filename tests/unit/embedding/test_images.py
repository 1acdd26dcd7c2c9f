from __future__ import annotations

import base64
import hashlib
import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from monitor.domain import events
from monitor.embedding.images import ImageOpener
from monitor.embedding.refusals import Refusal
from monitor.errors import ImageRefused

open_image = ImageOpener([], max_bytes=100_000, max_pixels=10_000)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def event(content: bytes, sha256: str | None = None) -> events.Image:
    return events.Image(ref="data:image/any;base64," + base64.b64encode(content).decode(), sha256=sha256)


def reason(content: bytes, opener: ImageOpener = open_image, sha256: str | None = None) -> Refusal:
    with pytest.raises(ImageRefused) as caught:
        opener(event(content, sha256))
    return caught.value.reason


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds hardly anything."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


MODES = {
    "PNG": "RGB L P RGBA 1 LA", "JPEG": "RGB L 1 CMYK", "WEBP": "RGB L P RGBA 1 CMYK LA", "GIF": "RGB L P RGBA 1 LA",
    "BMP": "RGB L P RGBA 1", "TIFF": "RGB L P RGBA 1 CMYK LA",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes.split()])
def test_every_format_and_mode_comes_out_as_rgb(kind: str, mode: str) -> None:
    content = encoded(Image.new("RGB", (20, 10), "white").convert(mode), kind)
    image = open_image(event(content))
    assert (image.mode, image.size) == ("RGB", (20, 10))
    assert np.asarray(image).min() >= 250


def test_pixels_are_those_of_the_file() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(open_image(event(encoded(Image.fromarray(pixels))))), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_then_dropped(orientation: int) -> None:
    image = Image.new("RGB", (40, 20), "blue")
    image.paste("red", (0, 0, 20, 10))
    turned = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }[orientation]  # fmt: skip
    stored = image
    for step in turned:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = open_image(event(encoded(stored, "PNG", exif=exif)))
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(image))
    assert not upright.info
    assert not upright.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_does_not_cost_the_picture(exif: bytes) -> None:
    assert open_image(event(encoded(Image.new("RGB", (20, 10)), "JPEG", exif=exif))).size == (20, 10)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    image = open_image(event(encoded(Image.fromarray(ramp))))
    np.testing.assert_array_equal(np.asarray(image)[:, :, 0], ramp >> 8)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(event(content)).getpixel((4, 4)) == (255, 0, 0)


def test_a_palette_with_transparency_makes_no_noise() -> None:
    image = Image.new("P", (8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(event(encoded(image, "PNG", transparency=b"\x00\x80"))).mode == "RGB"


@pytest.mark.parametrize(
    "size",
    [(101, 100), (50_000, 50_000), (2**31 - 1, 2**31 - 1), (12_000, 8_000)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_bombs_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    """12,000 x 8,000 lies where Pillow only warns: without our limit it would be decoded."""
    assert reason(png_header(*size)) == Refusal.TOO_LARGE


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_our_own_limit_rules_below_pillows() -> None:
    assert reason(png_header(12_000, 8_000)) == Refusal.TOO_LARGE


def test_a_thread_of_a_picture_is_refused_since_scaling_would_burst_it() -> None:
    opener = ImageOpener([], max_bytes=100_000, max_pixels=50_000_000)
    assert reason(encoded(Image.new("RGB", (5000, 1))), opener) == Refusal.TOO_LARGE
    assert opener(event(encoded(Image.new("RGB", (1, 100))))).size == (1, 100)


def test_the_hash_is_checked_where_it_is_given() -> None:
    content = encoded(Image.new("RGB", (8, 8)))
    assert open_image(event(content, hashlib.sha256(content).hexdigest())).size == (8, 8)
    assert reason(content, sha256="0" * 64) == Refusal.OTHER_CONTENT


def test_a_cut_picture_is_unreadable() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        content = encoded(Image.fromarray(noise), kind)
        assert reason(content[: len(content) // 2]) == Refusal.UNREADABLE, kind


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>"])
def test_what_is_no_picture_is_unreadable(content: bytes) -> None:
    assert reason(content) == Refusal.UNREADABLE
    with pytest.raises(ImageRefused, match=r"^[^<>]*: not a picture, or broken, or of another kind than JPEG, PNG"):
        open_image(event(content))


@settings(max_examples=300)
@pytest.mark.filterwarnings("ignore")
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]),
    edits=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_damaged_files_are_opened_or_refused_and_nothing_else(kind: str, edits: list[tuple[int, int]]) -> None:
    content = bytearray(encoded(Image.radial_gradient("L").resize((60, 50)), kind))
    for position, value in edits:
        content[position % len(content)] = value
    try:
        outcome = open_image(event(bytes(content))).mode
    except ImageRefused as refusal:
        outcome = refusal.reason
    assert outcome in ("RGB", Refusal.UNREADABLE, Refusal.TOO_LARGE)
