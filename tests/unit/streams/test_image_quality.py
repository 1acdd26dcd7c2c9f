"""Image quality against values that follow from the picture, and its answer to what happens to pictures."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from monitor.errors import NotEnoughData
from monitor.streams.image_quality import QUALITY_UNITS, Origin, quality, quality_vector


def measured(picture: Image.Image, size: int = 1000) -> dict[str, float]:
    pixels = np.asarray(picture.convert("RGB"))
    return quality(pixels, pixels, Origin(picture.width, picture.height, size))


@pytest.fixture
def photo() -> Image.Image:
    """Coarse and fine patches: every scale, no preferred colour."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(40, 216, (12, 16, 3), dtype=np.uint8)).resize((160, 120))
    fine = Image.fromarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))
    return Image.blend(coarse, fine, 0.15)


def test_plain_colours_have_the_values_of_the_definitions() -> None:
    red = measured(Image.new("RGB", (40, 20), (255, 0, 0)), size=100)
    assert red["brightness"] == pytest.approx(0.299)
    assert red["contrast"] == pytest.approx(0.0, abs=1e-6)
    assert red["red_green"] == pytest.approx(1.0)
    assert red["yellow_blue"] == pytest.approx(0.5)
    assert red["colourfulness"] == pytest.approx(math.hypot(1.0, 0.5))
    assert red["sharpness"] == pytest.approx(math.log(1e-6))
    assert red["aspect"] == pytest.approx(math.log(2))
    assert red["size"] == pytest.approx(math.log(800))
    assert red["compression"] == pytest.approx(math.log(1.0))


def test_half_black_half_white_has_the_contrast_and_laplacian_of_its_edge() -> None:
    pixels = np.zeros((8, 10, 3), dtype=np.uint8)
    pixels[:, 5:] = 255
    found = quality(pixels, pixels, Origin(10, 8, 10))
    assert found["contrast"] == pytest.approx(0.5)
    # Inside, each row reads 0 0 0 1 -1 0 0 0: variance 2 / 8.
    assert found["sharpness"] == pytest.approx(math.log(0.25), abs=1e-4)


def test_each_change_of_a_picture_moves_its_own_feature(photo: Image.Image) -> None:
    usual = measured(photo)

    def moved(picture: Image.Image, name: str) -> float:
        return (measured(picture)[name] - usual[name]) / QUALITY_UNITS[name]

    assert moved(ImageEnhance.Brightness(photo).enhance(0.6), "brightness") < -1
    assert moved(ImageEnhance.Contrast(photo).enhance(0.5), "contrast") < -0.5
    assert moved(photo.filter(ImageFilter.GaussianBlur(2)), "sharpness") < -1
    assert moved(ImageEnhance.Color(photo).enhance(0.2), "colourfulness") < -1
    assert moved(photo.resize((80, 60)), "size") == pytest.approx(-math.log(4))
    assert moved(photo.crop((0, 0, 80, 120)), "aspect") < -1
    blue = Image.merge(
        "RGB", [photo.getchannel("R"), photo.getchannel("G"), photo.getchannel("B").point(lambda v: 1.3 * v)]
    )
    assert moved(blue, "yellow_blue") < -1
    assert abs(moved(blue, "red_green")) < 0.1


def test_a_smaller_file_of_the_same_picture_is_more_compressed(photo: Image.Image) -> None:
    def encoded(level: int) -> int:
        buffer = BytesIO()
        photo.save(buffer, "JPEG", quality=level)
        return buffer.tell()

    fine, coarse = measured(photo, encoded(95)), measured(photo, encoded(20))
    assert coarse["compression"] < fine["compression"] - QUALITY_UNITS["compression"]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))],
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(NotEnoughData):
        quality(pixels, pixels, Origin(4, 4, 1))  # type: ignore[arg-type]


def test_a_picture_of_one_pixel_has_a_vector() -> None:
    one = np.zeros((1, 1, 3), dtype=np.uint8)
    assert np.isfinite(quality_vector(quality(one, one, Origin(1, 1, 1)))).all()
