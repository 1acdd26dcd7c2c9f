"""Four cameras: what each sensor, and the firmware on it, makes of a scene before it is uploaded as JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A device with the small differences that real ones of one make have."""

    name: str
    share: float
    """Of the traffic, in (0, 1)."""
    gains: tuple[float, float, float]
    """White balance: factors on red, green and blue."""
    gamma: float
    noise: float
    """Standard deviation of the sensor's noise, in levels of 255."""
    quality: int
    """Of its JPEG encoder, 1 to 95."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the device's own software does to the picture: white balance on top of the sensor's, and smoothing."""

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    """Radius of a Gaussian blur, in pixels."""


CAMERAS: Final[dict[str, Camera]] = {
    camera.name: camera
    for camera in (
        Camera("camera-1", 0.26, (1.00, 1.00, 1.00), 1.00, 6.0, 75),
        Camera("camera-2", 0.22, (1.02, 1.00, 0.98), 0.98, 7.0, 72),
        Camera("camera-3", 0.30, (0.98, 1.00, 1.03), 1.03, 6.5, 75),
        Camera("camera-4", 0.22, (1.00, 0.99, 0.97), 1.00, 9.0, 64),
    )
}
FACTORY: Final = Firmware()


def photograph(pixels: Pixels, camera: Camera, firmware: Firmware, rng: np.random.Generator) -> Pixels:
    """The picture that the camera makes of a rendered scene."""
    levels = (pixels.astype(np.float32) / 255) ** np.float32(camera.gamma)
    gains = np.asarray(camera.gains, np.float32) * np.asarray(firmware.gains, np.float32)
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(camera.noise)
    taken: Pixels = (levels * gains * 255 + noise).clip(0, 255).astype(np.uint8)
    return _blurred(taken, firmware.blur) if firmware.blur else taken


def to_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode with full colour resolution: at 64 pixels, halving it would cost more than bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _blurred(pixels: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
