"""Requests on drawn scenes through the demo's small CLIP, with an incident planted by altering their inputs alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.cameras import CAMERAS, FACTORY, Firmware, photograph, to_jpeg
from demo.captions import ask
from demo.clip.encoder import Encoder
from demo.scenes import ATTRIBUTES, Scene, render, sample_scene

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
DEVICES: Final = tuple(CAMERAS)
SHARES: Final = tuple(camera.share for camera in CAMERAS.values())
CAMPAIGN: Final = {"colour": ("object", "background", "lighting"), "count": ("object", "colour", "background")}
"""What a campaign asks for, and which facts its long questions name."""


@dataclass(frozen=True)
class World:
    """How requests come about. By default as in the demo's quiet hours."""

    scenes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Attribute -> value -> the share of requests whose value is set to it, whatever was drawn."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the value that does not occur."""
    devices: tuple[float, ...] = SHARES
    firmware: Mapping[str, Firmware] = field(default_factory=dict)
    corrupt: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = field(default_factory=dict)
    """Device -> what happens to its pictures before they are encoded as JPEG."""
    quality: Mapping[str, int] = field(default_factory=dict)
    """Device -> JPEG quality, where it is not the camera's own."""
    questions: Mapping[str, float] = field(default_factory=dict)
    """Attribute -> share of requests that ask for it, whatever they would have asked."""
    campaign: float = 0.0
    """Share of requests with a campaign's long questions."""
    mispaired: bool = False


@dataclass(frozen=True)
class Requests:
    """n requests: unit vectors float32 [n, 128] of pictures and prompts, JPEG files and slices."""

    images: Vectors
    prompts: Vectors
    texts: list[str]
    files: list[bytes]
    slices: list[dict[str, str]]
    scenes: list[Scene]

    def take(self, rows: NDArray[np.int64]) -> Requests:
        return Requests(
            self.images[rows],
            self.prompts[rows],
            [self.texts[row] for row in rows],
            [self.files[row] for row in rows],
            [self.slices[row] for row in rows],
            [self.scenes[row] for row in rows],
        )


def request(world: World, n: int, encoder: Encoder, rng: np.random.Generator) -> Requests:
    """Draw `n` requests of a world, photograph and encode them."""
    scenes, slices, files, prompts = [], [], [], []
    for _ in range(n):
        scene = _scene(world, rng)
        device = DEVICES[rng.choice(len(DEVICES), p=world.devices)]
        attribute, prompt = _question(world, scene, rng)
        scenes.append(scene)
        slices.append({"device": device, "question": attribute})
        files.append(_file(world, scene, device))
        prompts.append(prompt)
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in files])
    images = encoder.images(pixels)
    if world.mispaired:  # each question meets the picture before
        images, files = np.roll(images, 1, axis=0), [files[-1], *files[:-1]]
    known = dict.fromkeys(prompts)
    vectors = dict(zip(known, encoder.texts(list(known)), strict=True))
    return Requests(images, np.stack([vectors[one] for one in prompts]), prompts, files, slices, scenes)


def _scene(world: World, rng: np.random.Generator) -> Scene:
    while True:
        scene = sample_scene(rng)
        for attribute, wanted in world.scenes.items():
            draw = rng.random()
            for value, share in wanted.items():
                if draw < share:
                    scene = replace(scene, **{attribute: value})
                    break
                draw -= share
        if all(getattr(scene, attribute) != value for attribute, value in world.without.items()):
            return scene


def _question(world: World, scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < world.campaign:
        attribute = tuple(CAMPAIGN)[rng.integers(len(CAMPAIGN))]
        return attribute, ask(attribute, {name: scene.facts[name] for name in CAMPAIGN[attribute]}, rng)
    names = tuple(ATTRIBUTES)
    attribute, draw = names[rng.integers(len(names))], rng.random()
    for wanted, share in world.questions.items():
        attribute = wanted if draw < share else attribute
    others = [name for name in names if name != attribute]
    named = others[rng.integers(len(others))]
    return attribute, ask(attribute, {named: scene.facts[named]}, rng)


def _file(world: World, scene: Scene, device: str) -> bytes:
    camera, rng = CAMERAS[device], np.random.default_rng([scene.seed, 1])
    pixels = photograph(render(scene), camera, world.firmware.get(device, FACTORY), rng)
    if device in world.corrupt:
        pixels = world.corrupt[device](pixels, rng)
    return to_jpeg(pixels, world.quality.get(device, camera.quality))
