"""Pictures as the encoder wants them, from bytes that nobody vouches for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from monitor.domain import events
from monitor.embedding.fetching import Fetcher
from monitor.embedding.references import References
from monitor.embedding.refusals import Refusal, shortened
from monitor.errors import ImageRefused

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Only these of Pillow's plugins see foreign bytes; some others start programs (EPS) or are hardly ever tested."""
MAX_ASPECT = 100
"""Longer against shorter side. Preprocessing scales the shorter side up, so a thread of a picture would burst."""

MAX_SCANS = 100
"""Of a JPEG. Progressive encoders make about ten."""
END_OF_IMAGE, START_OF_SCAN = b"\xd9", b"\xda"
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""Not what stands alone: stuffed bytes, restarts, start of image, fill bytes."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""EXIF orientation -> what undoes it (CIPA DC-008, tag 0x0112)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture, and how many bytes it came in."""

    picture: Image.Image
    encoded_bytes: int


class ImageOpener:
    """Opens the pictures that events point at. May be used by several threads.

    Args:
        roots: folders below which files may be opened; none: no file is.
        max_bytes: of the encoded picture.
        max_pixels: of the decoded one; beyond twice `PIL.Image.MAX_IMAGE_PIXELS` Pillow's own limit rules.
        fetcher: of pictures that lie elsewhere; None: none is fetched.

    Raises:
        SettingsError: a root is not a folder.
    """

    def __init__(
        self, roots: Iterable[Path], *, max_bytes: int, max_pixels: int, fetcher: Fetcher | None = None
    ) -> None:
        self._references = References(roots, max_bytes, fetcher)
        self._max_pixels = max_pixels

    def __call__(self, image: events.Image) -> Image.Image:
        """The picture that `image.ref` names: upright, RGB, without metadata; of an animation its first frame.

        Raises:
            ImageRefused: with the reason.
        """
        return self.open(image).picture

    def open(self, image: events.Image) -> Opened:
        """The same, with the size of its file.

        Raises:
            ImageRefused: with the reason.
        """
        reference = image.ref or ""
        content = self._references.read(reference)
        if image.sha256 and hashlib.sha256(content).hexdigest() != image.sha256:
            raise ImageRefused(
                Refusal.OTHER_CONTENT, f"{shortened(reference)} does not have the sha256 that the event gives"
            )
        return Opened(self._decode(content, shortened(reference)), len(content))

    def _decode(self, content: bytes, name: str) -> Image.Image:
        try:
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                self._check_size(image.size, name)
                self._check_tiles(image, name)
                _check_scans(image, content, name)
                return _plain(_upright(image))
        except ImageRefused:
            raise
        except UnidentifiedImageError:  # Pillow's own words name our buffer
            raise ImageRefused(
                Refusal.UNREADABLE, f"{name}: not a picture, or broken, or of another kind than {', '.join(FORMATS)}"
            ) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageRefused(Refusal.TOO_LARGE, f"{name}: {error}") from None
        except Exception as error:  # noqa: BLE001 (decoders raise whatever their parsing trips over)
            raise ImageRefused(Refusal.UNREADABLE, f"{name}: {type(error).__name__}: {error}") from None

    def _check_size(self, size: tuple[int, int], name: str) -> None:
        """Before anything is decoded: the header tells the size."""
        width, height = size
        if width * height > self._max_pixels:
            raise ImageRefused(
                Refusal.TOO_LARGE, f"{name}: {width} x {height}, embedder.max_image_pixels is {self._max_pixels}"
            )
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ImageRefused(
                Refusal.TOO_LARGE, f"{name}: {width} x {height}, one side is over {MAX_ASPECT} times the other"
            )

    def _check_tiles(self, image: Image.Image, name: str) -> None:
        """A small TIFF may be cut from one enormous tile, which is decoded as a whole."""
        if isinstance(image, TiffImageFile):
            width, height = (image.tag_v2.get(tag, 1) for tag in (TILEWIDTH, TILELENGTH))
            if width * height > self._max_pixels:
                raise ImageRefused(
                    Refusal.TOO_LARGE,
                    f"{name}: a tile of {width} x {height}, embedder.max_image_pixels is {self._max_pixels}",
                )


def _check_scans(image: Image.Image, content: bytes, name: str) -> None:
    """A progressive JPEG of some kilobytes may go over its picture ten thousands of times."""
    if isinstance(image, JpegImageFile) and (scans := count_scans(content)) > MAX_SCANS:
        raise ImageRefused(Refusal.TOO_LARGE, f"{name}: a JPEG of {scans} scans, {MAX_SCANS} are decoded at most")


def count_scans(content: bytes) -> int:
    """How often the first picture of a JPEG stream is gone over: its start-of-scan markers (ITU-T T.81, B.1.1)."""
    scans, position = 0, 2
    while (marker := _MARKER.search(content, position)) is not None:
        position = marker.end()
        kind = marker[1]
        if kind == END_OF_IMAGE:
            break
        scans += kind == START_OF_SCAN
        position += int.from_bytes(content[position : position + 2], "big")
    return scans


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; broken EXIF counts as none."""
    image.load()  # some formats turn themselves when they are loaded
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 (the parser raises whatever it trips over)
        return image
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    """RGB and nothing else."""
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8 instead of scaling them
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    image = image.convert("RGB")
    image.info.clear()
    return image
