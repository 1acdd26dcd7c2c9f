"""Incidents planted into drawn requests, through the small CLIP and its text bank: the first cause names them.

`benchmarks/explanation.py` does the same for many more, at random strengths.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.explanation import bank, rows
from benchmarks.planted_incidents import noise
from benchmarks.planted_scenes import World, request
from demo.cameras import CAMERAS, Firmware
from demo.clip.encoder import Encoder
from monitor.explain import Family, Rows, explain

SEED, BEFORE, NOW = 77, 500, 200
DARK = Firmware(gains=(0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def families(encoder: Encoder) -> list[Family]:
    return bank(encoder)


@pytest.fixture(scope="module")
def reference(encoder: Encoder) -> Rows:
    return rows(request(World(), BEFORE, encoder, np.random.default_rng(SEED)))


@pytest.mark.parametrize(
    ("world", "kind", "name"),
    [
        (World(firmware=dict.fromkeys(CAMERAS, DARK)), "feature", "brightness"),
        (World(scenes={"object": {"fish": 0.5}}), "concept", "a photo of a fish"),
        (World(devices=(0.7, 0.1, 0.1, 0.1)), "slice", "camera-1"),
        (World(mispaired=True), "pairing", "image-text agreement"),
    ],
    ids=["dark", "fish", "device", "mispaired"],
)
def test_the_first_cause_names_the_incident(
    encoder: Encoder, families: list[Family], reference: Rows, world: World, kind: str, name: str
) -> None:
    current = rows(request(world, NOW, encoder, np.random.default_rng(SEED + 1)))
    found = explain(reference, current, families).first
    assert found is not None
    assert (found.kind, found.name) == (kind, name)


def test_planted_incidents_are_drawn_anew_by_each_seed() -> None:
    one, other = noise(np.random.default_rng(0)), noise(np.random.default_rng(1))
    assert one.what != other.what
