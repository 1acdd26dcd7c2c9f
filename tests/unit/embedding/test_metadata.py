"""Who, where and with what a picture was taken does not go on, neither to the encoder nor to the dashboard."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from dashboards.data import pictures
from monitor.domain import events
from monitor.embedding.images import ImageOpener
from monitor.settings import Embedder, Settings

SECRET = b"48.8584N 2.2945E by Jane Roe"
TEXT = SECRET.decode()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>' + SECRET + b"</a></x:xmpmeta>"


def exif() -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Artist] = tags[ExifTags.Base.ImageDescription] = TEXT
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = SECRET
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = SECRET
    return tags.tobytes()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + SECRET


def png_texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", TEXT)
    texts.add_text("Zipped", TEXT, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", TEXT)
    return texts


CARRIERS: dict[str, dict[str, object]] = {
    "JPEG": {"exif": exif(), "comment": SECRET, "xmp": XMP, "icc_profile": profile()},
    "PNG": {"exif": exif(), "pnginfo": png_texts(), "icc_profile": profile()},
    "WEBP": {"exif": exif(), "xmp": XMP, "icc_profile": profile()},
    "TIFF": {"exif": exif(), "description": TEXT, "artist": TEXT, "icc_profile": profile()},
    "GIF": {"comment": SECRET, "xmp": XMP},
}


def carrier(kind: str) -> bytes:
    buffer = BytesIO()
    Image.radial_gradient("L").convert("RGB").save(buffer, kind, **CARRIERS[kind])
    assert SECRET in buffer.getvalue()
    return buffer.getvalue()


def again(image: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", CARRIERS)
def test_no_metadata_goes_on(kind: str) -> None:
    opener = ImageOpener([], max_bytes=1_000_000, max_pixels=1_000_000)
    picture = opener(events.Image(ref="data:image/any;base64," + base64.b64encode(carrier(kind)).decode()))
    assert type(picture) is Image.Image
    assert not picture.info
    assert not picture.getexif()
    assert not any(SECRET in repr(value).encode() for value in vars(picture).values())
    for other in CARRIERS:
        written = again(picture, other)
        assert SECRET not in written
        assert not set(Image.open(BytesIO(written)).info) & {"exif", "xmp", "icc_profile", "comment", "Author"}


@pytest.mark.parametrize("kind", CARRIERS)
def test_the_dashboard_shows_bare_pixels(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(carrier(kind))
    shown: Callable[[], Settings] = lambda: Settings(embedder=Embedder(image_roots=(tmp_path,)))  # noqa: E731
    monkeypatch.setattr(pictures, "config", shown)
    pictures._image_opener.clear()
    png = pictures.thumbnail(f"{tmp_path}/a", None)
    assert isinstance(png, bytes)
    assert SECRET not in png
    assert not any(chunk in png for chunk in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"iCCP"))
