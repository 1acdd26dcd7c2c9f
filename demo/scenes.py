"""Pictures whose truth is known: which object, what colour, how many, where, in what light, seen how.

The combinations (object, colour, count) for which `is_held_out` is true are never trained on, so accuracy
on them shows that attributes were learnt rather than pictures remembered.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demo.backgrounds import BACKGROUNDS, SIDE, texture
from demo.shapes import SHAPES, Tone

SIZE: Final = 64
"""Pixels along an edge of a rendered scene."""

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (214, 36, 40),
    "orange": (242, 128, 18),
    "yellow": (246, 218, 44),
    "green": (34, 144, 56),
    "blue": (38, 76, 212),
    "purple": (134, 50, 172),
    "white": (246, 246, 246),
    "black": (34, 34, 38),
}
LIGHTINGS: Final[dict[str, tuple[float, float, float]]] = {
    "bright": (1.10, 1.10, 1.10),
    "dim": (0.46, 0.46, 0.48),
    "warm": (1.06, 0.82, 0.54),
}
VIEWPOINTS: Final[dict[str, tuple[int, int, int, int]]] = {
    "close": (39, 31, 27, 25),
    "wide": (19, 18, 17, 17),
    "tilted": (27, 25, 23, 21),
}
"""Radius of an object in supersampled pixels, by how many there are: nearness must not betray the count."""

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "object": tuple(SHAPES),
        "colour": tuple(COLOURS),
        "count": ("one", "two", "three", "four"),
        "background": tuple(BACKGROUNDS),
        "lighting": tuple(LIGHTINGS),
        "viewpoint": tuple(VIEWPOINTS),
    }
)
"""Every attribute of a scene with its possible values, which are also the answers to questions about it."""

_CANVAS: Final = 2 * SIZE
_SKY: Final = (188, 206, 222)
_NOISE: Final = 4.0
"""Standard deviation of the sensor noise, in levels of 255."""
_LAYOUTS: Final = 48
"""Random placements to choose from; with so many, four objects nearly always fit without touching."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows; `seed` fixes all that has no name (places, sizes, turns, noise)."""

    object: str
    colour: str
    count: str
    background: str
    lighting: str
    viewpoint: str
    seed: int

    @property
    def facts(self) -> dict[str, str]:
        """Value of every attribute, keyed as in `ATTRIBUTES`."""
        return {name: getattr(self, name) for name in ATTRIBUTES}


def is_held_out(scene: Scene) -> bool:
    """Whether the scene's (object, colour, count) is kept from training: 1 in 6, spread evenly."""
    kind, colour, count = (ATTRIBUTES[name].index(getattr(scene, name)) for name in ("object", "colour", "count"))
    return (kind - colour + count) % 6 == 0


def sample_scene(
    rng: np.random.Generator, *, held_out: bool | None = None, fixed: Mapping[str, str] = MappingProxyType({})
) -> Scene:
    """Draw a scene with every attribute uniform, except those `fixed`.

    `held_out` True or False keeps to that side of `is_held_out`; None draws from both.
    """
    while True:
        facts = {name: values[rng.integers(len(values))] for name, values in ATTRIBUTES.items()}
        scene = Scene(**{**facts, **fixed}, seed=int(rng.integers(2**32)))
        if held_out is None or is_held_out(scene) == held_out:
            return scene


def render(scene: Scene) -> NDArray[np.uint8]:
    """Paint a scene: uint8 [64, 64, 3], RGB; the same scene always gives the same pixels."""
    rng = np.random.default_rng(scene.seed)
    tilt = float(rng.choice([-1, 1]) * rng.uniform(14, 26)) if scene.viewpoint == "tilted" else 0.0
    horizon = 0.0 if scene.viewpoint == "close" else float(rng.uniform(20, 34))
    canvas = _ground(scene, rng)
    draw = ImageDraw.Draw(canvas)
    if horizon:
        _paint_sky(draw, horizon, tilt, rng)
    _paint_objects(draw, scene, horizon, tilt, rng)
    return _expose(canvas.reduce(_CANVAS // SIZE), scene.lighting, rng)


def _ground(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Crop the background's texture; near the ground its grain looks coarser."""
    side = _CANVAS // 2 if scene.viewpoint == "close" else _CANVAS
    top, left = rng.integers(SIDE - side, size=2).tolist()
    crop = Image.fromarray(texture(scene.background)[top : top + side, left : left + side])
    return crop if side == _CANVAS else crop.resize((_CANVAS, _CANVAS), Image.Resampling.BILINEAR)


def _paint_sky(draw: ImageDraw.ImageDraw, horizon: float, tilt: float, rng: np.random.Generator) -> None:
    rise = math.tan(math.radians(tilt)) * _CANVAS / 2
    sky = tuple((np.asarray(_SKY) + rng.integers(-14, 15)).tolist())
    draw.polygon([(0, 0), (_CANVAS, 0), (_CANVAS, horizon + rise), (0, horizon - rise)], fill=sky)


def _paint_objects(
    draw: ImageDraw.ImageDraw, scene: Scene, horizon: float, tilt: float, rng: np.random.Generator
) -> None:
    count = ATTRIBUTES["count"].index(scene.count) + 1
    radius = VIEWPOINTS[scene.viewpoint][count - 1] * rng.uniform(0.92, 1.08)
    shape, tones = SHAPES[scene.object], _tones(scene.colour, rng)
    for centre in _places(count, radius, horizon * 0.7, rng):
        points = (shape.points @ _pose(radius, tilt, rng) + centre).tolist()
        for tone, start, stop in shape.layers:
            outline = tones["shade"] if tone == "body" else None
            draw.polygon([tuple(point) for point in points[start:stop]], fill=tones[tone], outline=outline, width=2)


def _places(count: int, radius: float, top: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres [count, 2] of objects that do not cover each other: the first layout that fits, or the widest."""
    margin = radius * 0.92
    layouts = rng.uniform([margin, margin + top], _CANVAS - margin, (_LAYOUTS, count, 2))
    apart = np.linalg.norm(layouts[:, :, None] - layouts[:, None], axis=-1)
    nearest = np.where(apart == 0, np.inf, apart).min(axis=(1, 2))
    chosen: NDArray[np.float64] = layouts[np.argmax(np.minimum(nearest, 2 * radius))]
    return chosen


def _pose(radius: float, tilt: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Matrix [2, 2] for row vectors: mirror, stretch, turn and scale one object."""
    angle = math.radians(tilt + rng.uniform(-22, 22))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    stretch = rng.uniform(0.92, 1.08)
    scale = np.array([rng.choice([-1.0, 1.0]) * radius * stretch, radius / stretch])
    pose: NDArray[np.float64] = scale[:, None] * turn
    return pose


def _tones(colour: str, rng: np.random.Generator) -> dict[Tone, tuple[int, int, int]]:
    """The paints of one scene's objects: the colour, darker and lighter versions, and a dark for small parts."""
    base = np.clip(np.asarray(COLOURS[colour]) + rng.integers(-12, 13, 3), 0, 255)
    paints = {"body": base, "shade": base * 0.68, "light": base * 0.55 + 115, "detail": base * 0.2 + 18}
    return {tone: tuple(paint.astype(int).tolist()) for tone, paint in paints.items()}  # type: ignore[misc]


def _expose(image: Image.Image, lighting: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Tint and brighten by the light, then add the sensor's noise."""
    gain = np.asarray(LIGHTINGS[lighting], dtype=np.float32) * np.float32(rng.uniform(0.92, 1.08))
    noise = rng.standard_normal((SIZE, SIZE, 3), dtype=np.float32) * np.float32(_NOISE)
    levels: NDArray[np.float32] = np.asarray(image, dtype=np.float32) * gain + noise
    return levels.clip(0, 255).astype(np.uint8)
