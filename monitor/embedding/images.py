"""Pictures as the encoder wants them, from bytes that nobody vouches for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from monitor.domain import events
from monitor.embedding.references import References
from monitor.embedding.refusals import Refusal, RefusedImage, shortened

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Only these of Pillow's plugins see foreign bytes; some others start programs (EPS) or are hardly ever tested."""
MAX_ASPECT = 100
"""Longer against shorter side. Preprocessing scales the shorter side up, so a thread of a picture would burst."""


class ImageOpener:
    """Opens the pictures that events point at. May be used by several threads.

    Args:
        roots: folders below which files may be opened; none: no file is.
        max_bytes: of the encoded picture.
        max_pixels: of the decoded one; beyond twice `PIL.Image.MAX_IMAGE_PIXELS` Pillow's own limit rules.

    Raises:
        SettingsError: a root is not a folder.
    """

    def __init__(self, roots: Iterable[Path], *, max_bytes: int, max_pixels: int) -> None:
        self._references = References(roots, max_bytes)
        self._max_pixels = max_pixels

    def __call__(self, image: events.Image) -> Image.Image:
        """The picture that `image.ref` names: upright, RGB, without metadata; of an animation its first frame.

        Raises:
            RefusedImage: with the reason.
        """
        reference = image.ref or ""
        content = self._references.read(reference)
        if image.sha256 and hashlib.sha256(content).hexdigest() != image.sha256:
            raise RefusedImage(
                Refusal.OTHER_CONTENT, f"{shortened(reference)} does not have the sha256 that the event gives"
            )
        return self._decode(content, shortened(reference))

    def _decode(self, content: bytes, name: str) -> Image.Image:
        try:
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                self._check_size(image, name)
                return _plain(_upright(image))
        except RefusedImage:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise RefusedImage(Refusal.TOO_LARGE, f"{name}: {error}") from None
        except Exception as error:  # noqa: BLE001 (decoders raise whatever their parsing trips over)
            raise RefusedImage(Refusal.UNREADABLE, f"{name}: {type(error).__name__}: {error}") from None

    def _check_size(self, image: Image.Image, name: str) -> None:
        """Before anything is decoded: the header tells the size."""
        width, height = image.size
        if width * height > self._max_pixels:
            raise RefusedImage(
                Refusal.TOO_LARGE, f"{name}: {width} x {height}, embedder.max_image_pixels is {self._max_pixels}"
            )
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise RefusedImage(
                Refusal.TOO_LARGE, f"{name}: {width} x {height}, one side is over {MAX_ASPECT} times the other"
            )


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; broken EXIF counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 (the parser raises whatever it trips over)
        return image


def _plain(image: Image.Image) -> Image.Image:
    """RGB and nothing else."""
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8 instead of scaling them
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    image = image.convert("RGB")
    image.info.clear()
    return image
