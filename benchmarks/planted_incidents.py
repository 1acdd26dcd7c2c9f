"""Incidents to plant into drawn traffic, each with the names under which an explanation would be right.

Each kind draws its strength, its place and its values at random; only inputs are altered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.planted_scenes import DEVICES, Pixels, World
from demo.cameras import Firmware
from demo.captions import class_texts
from demo.scenes import ATTRIBUTES

Name = tuple[str, str]
"""Kind and name of a cause."""


@dataclass(frozen=True)
class Planted:
    """An incident, and which causes name it."""

    kind: str
    what: str
    before: World
    after: World
    right: frozenset[Name]
    within: str | None = None
    """The device whose pictures alone were altered."""


def _feature(*names: str) -> set[Name]:
    return {("feature", name) for name in names}


def _place(rng: np.random.Generator) -> tuple[str | None, tuple[str, ...]]:
    """One device, or all of them."""
    device = DEVICES[rng.integers(len(DEVICES))] if rng.random() < 0.5 else None
    return device, (device,) if device else DEVICES


def _firmware(kind: str, what: str, firmware: Firmware, right: set[Name], rng: np.random.Generator) -> Planted:
    device, altered = _place(rng)
    return Planted(kind, what, World(), World(firmware=dict.fromkeys(altered, firmware)), frozenset(right), device)


def blur(rng: np.random.Generator) -> Planted:
    radius = float(rng.uniform(0.8, 2.0))
    return _firmware("blur", f"radius {radius:.1f}", Firmware(blur=radius), _feature("sharpness", "compression"), rng)


def colour_cast(rng: np.random.Generator) -> Planted:
    strength = float(rng.uniform(0.2, 0.45)) * (1 if rng.random() < 0.5 else -1)
    gains = (1.0 - strength, 1.0, 1.0 + strength)
    right = _feature("red_green", "yellow_blue")
    return _firmware("colour cast", f"{strength:+.2f} towards blue", Firmware(gains), right, rng)


def exposure(rng: np.random.Generator) -> Planted:
    gain = float(rng.choice([rng.uniform(0.35, 0.65), rng.uniform(1.4, 1.9)]))
    return _firmware("exposure", f"gain {gain:.2f}", Firmware((gain,) * 3), _feature("brightness"), rng)


def noise(rng: np.random.Generator) -> Planted:
    deviation = float(rng.uniform(15, 40))

    def corrupt(pixels: Pixels, draw: np.random.Generator) -> Pixels:
        noisy: Pixels = (pixels + draw.normal(0, deviation, pixels.shape)).clip(0, 255).astype(np.uint8)
        return noisy

    device, altered = _place(rng)
    after = World(corrupt=dict.fromkeys(altered, corrupt))
    right = frozenset(_feature("sharpness", "compression"))
    return Planted("noise", f"deviation {deviation:.0f}", World(), after, right, device)


def jpeg(rng: np.random.Generator) -> Planted:
    quality = int(rng.integers(8, 30))
    device, altered = _place(rng)
    after = World(quality=dict.fromkeys(altered, quality))
    right = frozenset(_feature("compression"))
    return Planted("jpeg", f"quality {quality}", World(), after, right, device)


def zoom(rng: np.random.Generator) -> Planted:
    """A crop that is enlarged again shows things nearer, and softer."""
    part = float(rng.uniform(0.45, 0.65))

    def corrupt(pixels: Pixels, draw: np.random.Generator) -> Pixels:
        side = int(part * pixels.shape[0])
        left, top = draw.integers(pixels.shape[0] - side, size=2).tolist()
        crop = Image.fromarray(pixels[top : top + side, left : left + side])
        return np.asarray(crop.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))

    device, altered = _place(rng)
    after = World(corrupt=dict.fromkeys(altered, corrupt))
    right = {*_feature("sharpness", "compression"), ("concept", class_texts("viewpoint")[0])}
    return Planted("zoom", f"to {part:.2f}", World(), after, frozenset(right), device)


def scene_share(attribute: str) -> Callable[[np.random.Generator], Planted]:
    """One value of an attribute is seen far more often."""

    def plant(rng: np.random.Generator) -> Planted:
        index, share = int(rng.integers(len(ATTRIBUTES[attribute]))), float(rng.uniform(0.3, 0.6))
        value = ATTRIBUTES[attribute][index]
        right: set[Name] = {("concept", class_texts(attribute)[index])}
        right |= _feature("brightness", "contrast") if value in {"dim", "bright"} else set()
        right |= _feature("red_green", "yellow_blue") if value == "warm" else set()
        after = World(scenes={attribute: {value: share}})
        return Planted(f"more {attribute}", f"{value}, +{share:.0%}", World(), after, frozenset(right))

    return plant


def new_object(rng: np.random.Generator) -> Planted:
    """Something that the reference never showed."""
    index, share = int(rng.integers(len(ATTRIBUTES["object"]))), float(rng.uniform(0.15, 0.4))
    value = ATTRIBUTES["object"][index]
    right = frozenset({("concept", class_texts("object")[index])})
    before, after = World(without={"object": value}), World(scenes={"object": {value: share}})
    return Planted("new object", f"{value}, {share:.0%}", before, after, right)


def device_share(rng: np.random.Generator) -> Planted:
    index, share = int(rng.integers(len(DEVICES))), float(rng.uniform(0.25, 0.6))
    shares = [(1 - share) * one for one in World().devices]
    shares[index] += share
    after = World(devices=tuple(shares))
    return Planted(
        "more of a device", f"{DEVICES[index]}, +{share:.0%}", World(), after, frozenset({("slice", DEVICES[index])})
    )


def question_share(rng: np.random.Generator) -> Planted:
    names = tuple(ATTRIBUTES)
    value, share = names[rng.integers(len(names))], float(rng.uniform(0.25, 0.6))
    after = World(questions={value: share})
    return Planted("more of a question", f"{value}, +{share:.0%}", World(), after, frozenset({("slice", value)}))


def campaign(rng: np.random.Generator) -> Planted:
    share = float(rng.uniform(0.25, 0.6))
    right = {("slice", "count"), ("slice", "colour"), ("feature", "prompt words"), ("feature", "prompt characters")}
    return Planted("campaign", f"{share:.0%}", World(), World(campaign=share), frozenset(right))


def mispairing(rng: np.random.Generator) -> Planted:
    right = frozenset({("pairing", "image-text agreement")})
    return Planted("mis-pairing", "the picture before", World(), World(mispaired=True), right)


INCIDENTS: Final[tuple[Callable[[np.random.Generator], Planted], ...]] = (
    blur, colour_cast, exposure, noise, jpeg, zoom, *(scene_share(one) for one in ATTRIBUTES), new_object, device_share,
    question_share, campaign, mispairing,
)  # fmt: skip
"""They take turns."""
