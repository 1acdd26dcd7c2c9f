"""Training data: scenes that are not held out, and fresh texts about them at every step."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demo.captions import Facts, answer_texts, ask, describe, question, some_facts
from demo.scenes import ATTRIBUTES, SIZE, Scene, render, sample_scene

NAMES: Final = tuple(ATTRIBUTES)
SILENT: Final = -1
"""Code of an attribute of which a text says nothing."""


@dataclass(frozen=True)
class Texts:
    """Texts and the facts they state: `codes` int64 [n, 6] holds value numbers, or `SILENT`."""

    texts: list[str]
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class Quiz:
    """Questions with a text for each answer, end to end: `sizes` says how many each has, `truths` which is right."""

    texts: list[str]
    sizes: list[int]
    truths: NDArray[np.int64]


class Scenes:
    """Rendered scenes: `pixels` uint8 [n, 64, 64, 3] and `codes` int64 [n, 6]."""

    def __init__(self, count: int, rng: np.random.Generator, *, held_out: bool = False) -> None:
        self.scenes: list[Scene] = [sample_scene(rng, held_out=held_out) for _ in range(count)]
        self.codes = np.stack([encode(scene.facts) for scene in self.scenes])
        self.pixels = np.empty((count, SIZE, SIZE, 3), dtype=np.uint8)
        for row, scene in enumerate(self.scenes):
            self.pixels[row] = render(scene)


def encode(facts: Facts) -> NDArray[np.int64]:
    """Number the values of some facts, int64 [6]."""
    return np.array([ATTRIBUTES[name].index(facts[name]) if name in facts else SILENT for name in NAMES])


def captions(scenes: list[Scene], rng: np.random.Generator) -> Texts:
    """One caption per scene."""
    facts = [some_facts(scene.facts, rng) for scene in scenes]
    return Texts([describe(each, rng) for each in facts], np.stack([encode(each) for each in facts]))


def questions(scenes: list[Scene], rng: np.random.Generator) -> Texts:
    """One question per scene, each about a random attribute; its codes are those of what it mentions."""
    asked = [NAMES[index] for index in rng.integers(len(NAMES), size=len(scenes))]
    facts = [_context(scene, name, rng) for scene, name in zip(scenes, asked, strict=True)]
    prompts = [ask(name, context, rng) for name, context in zip(asked, facts, strict=True)]
    return Texts(prompts, np.stack([encode(context) for context in facts]))


def quiz(scenes: list[Scene], rng: np.random.Generator) -> Quiz:
    """One question per scene with every answer to it."""
    texts, sizes, truths = [], [], []
    for scene in scenes:
        prompt, candidates, truth = question(scene, NAMES[rng.integers(len(NAMES))], rng)
        texts += answer_texts(prompt, candidates)
        sizes.append(len(candidates))
        truths.append(candidates.index(truth))
    return Quiz(texts, sizes, np.array(truths))


def _context(scene: Scene, asked: str, rng: np.random.Generator) -> dict[str, str]:
    return some_facts({name: value for name, value in scene.facts.items() if name != asked}, rng)


def agree(scenes: NDArray[np.int64], texts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which texts are true of which scenes: bool [scenes, texts] from their codes."""
    same = (scenes[:, None] == texts[None]) | (texts[None] == SILENT)
    agreement: NDArray[np.bool_] = same.all(axis=2)
    return agreement
