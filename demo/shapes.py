"""Outlines of the eight objects: layers of polygons in the box [-1, 1] x [-1, 1], y pointing down."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Tone = Literal["body", "shade", "light", "detail"]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Shape:
    """One object.

    All layers share one array of points, float32 [n, 2], so that one matrix product moves them together;
    `layers` holds (tone, first row, row after the last), painted in this order.
    """

    points: NDArray[np.float32]
    layers: tuple[tuple[Tone, int, int], ...]


def _ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    angles = np.linspace(0.0, 2 * np.pi, 18)
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def _ring(x: float, y: float, outer: float, inner: float) -> Points:
    """A ring as one polygon: the even-odd rule leaves its hole unpainted."""
    return _ellipse(x, y, outer, outer) + _ellipse(x, y, inner, inner)[::-1]


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _star() -> Points:
    angles = np.radians(np.arange(10) * 36.0 - 90.0)
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)]


def _shape(*layers: tuple[Tone, Points]) -> Shape:
    ends = np.cumsum([len(points) for _, points in layers]).tolist()
    spans = zip([tone for tone, _ in layers], [0, *ends[:-1]], ends, strict=True)
    flat = [point for _, points in layers for point in points]
    return Shape(np.asarray(flat, dtype=np.float32), tuple(spans))


SHAPES: Final[dict[str, Shape]] = {
    "mug": _shape(
        ("shade", _ring(0.55, 0.05, 0.45, 0.24)),
        ("body", [(-0.85, -0.75), (0.5, -0.75), (0.42, 0.85), (-0.77, 0.85)]),
        ("light", _ellipse(-0.17, -0.75, 0.67, 0.17)),
    ),
    "car": _shape(
        (
            "body",
            [
                (-0.6, 0.0),
                (-0.38, -0.52),
                (0.3, -0.52),
                (0.6, 0.0),
                (1.0, 0.08),
                (1.0, 0.45),
                (-1.0, 0.45),
                (-1.0, 0.0),
            ],
        ),
        ("light", [(-0.42, -0.04), (-0.28, -0.38), (0.22, -0.38), (0.42, -0.04)]),
        ("detail", _ellipse(-0.52, 0.45, 0.25, 0.25)),
        ("detail", _ellipse(0.52, 0.45, 0.25, 0.25)),
    ),
    "fish": _shape(
        ("shade", [(0.4, 0.0), (1.0, -0.55), (0.85, 0.0), (1.0, 0.55)]),
        ("shade", [(-0.25, -0.4), (0.15, -0.75), (0.3, -0.3)]),
        ("body", _ellipse(-0.2, 0.0, 0.8, 0.46)),
        ("light", _ellipse(-0.62, -0.1, 0.14, 0.14)),
        ("detail", _ellipse(-0.64, -0.1, 0.07, 0.07)),
    ),
    "key": _shape(
        ("body", _box(-0.25, -0.13, 1.0, 0.13)),
        ("body", _box(0.52, 0.1, 0.68, 0.48)),
        ("body", _box(0.82, 0.1, 0.98, 0.42)),
        ("body", _ring(-0.56, 0.0, 0.44, 0.2)),
    ),
    "star": _shape(("body", _star())),
    "house": _shape(
        ("body", _box(-0.7, -0.15, 0.7, 0.9)),
        ("shade", [(-0.95, -0.1), (0.0, -0.95), (0.95, -0.1)]),
        ("detail", _box(-0.15, 0.3, 0.2, 0.9)),
        ("light", _box(0.34, 0.1, 0.58, 0.36)),
    ),
    "leaf": _shape(
        ("shade", [(-0.04, 0.5), (0.06, 0.5), (0.12, 1.0), (0.0, 1.0)]),
        (
            "body",
            [
                (0.0, -1.0),
                (0.34, -0.62),
                (0.55, -0.15),
                (0.48, 0.3),
                (0.0, 0.66),
                (-0.48, 0.3),
                (-0.55, -0.15),
                (-0.34, -0.62),
            ],
        ),
        ("shade", [(-0.04, 0.6), (0.0, -0.75), (0.04, 0.6)]),
        ("shade", [(0.0, 0.15), (0.38, -0.18), (0.0, 0.26)]),
        ("shade", [(0.0, -0.15), (-0.36, -0.45), (0.0, -0.04)]),
    ),
    "bottle": _shape(
        ("detail", _box(-0.17, -1.0, 0.17, -0.8)),
        (
            "body",
            [
                (-0.13, -0.82),
                (0.13, -0.82),
                (0.15, -0.4),
                (0.4, -0.1),
                (0.4, 1.0),
                (-0.4, 1.0),
                (-0.4, -0.1),
                (-0.15, -0.4),
            ],
        ),
        ("light", _box(-0.4, 0.2, 0.4, 0.62)),
    ),
}
