"""Texts about scenes: captions, questions, answers and class names.

Every text states some facts, a mapping from attribute to value such as `{"colour": "red", "count": "two"}`;
it is true of exactly those scenes that agree with all of them. Training builds on that, and it tells a test
whether a picture and a text belong together.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from demo.scenes import ATTRIBUTES, Scene

Facts = Mapping[str, str]

_PLURALS: Final = {
    "mug": "mugs",
    "car": "cars",
    "fish": "fish",
    "key": "keys",
    "star": "stars",
    "house": "houses",
    "leaf": "leaves",
    "bottle": "bottles",
    "object": "objects",
}


class Question(NamedTuple):
    """A question about a picture, the answers to choose from, and the right one."""

    prompt: str
    candidates: tuple[str, ...]
    truth: str


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Say some or all of what a scene shows, e.g. "a dim photo of three red mugs on the grass"."""
    return describe(some_facts(scene.facts, rng), rng)


def question(scene: Scene, attribute: str, rng: np.random.Generator) -> Question:
    """Ask for one attribute, naming some of the others and never the answer."""
    others = {name: value for name, value in scene.facts.items() if name != attribute}
    prompt = ask(attribute, some_facts(others, rng), rng)
    return Question(prompt, ATTRIBUTES[attribute], scene.facts[attribute])


def answer_texts(prompt: str, candidates: Sequence[str]) -> list[str]:
    """Join a question with each candidate; the text nearest to the picture holds the model's answer."""
    return [f"question: {prompt} answer: {candidate}" for candidate in candidates]


def class_texts(attribute: str) -> list[str]:
    """One text per value of an attribute, in the order of `ATTRIBUTES`, for zero-shot classification."""
    return [_phrase("a photo", {attribute: value}, plural=False) for value in ATTRIBUTES[attribute]]


def some_facts(facts: Facts, rng: np.random.Generator) -> dict[str, str]:
    """Keep a random, non-empty part of the facts; how much is kept differs from text to text."""
    keep = rng.random(len(facts)) < rng.choice([0.25, 0.5, 0.8])
    keep[rng.integers(len(facts))] = True
    return {name: value for (name, value), kept in zip(facts.items(), keep.tolist(), strict=True) if kept}


def describe(facts: Facts, rng: np.random.Generator) -> str:
    """Put facts into words and add none: a plural or "a" says nothing about a count that is not among them."""
    rest = dict(facts)
    adjectives = [rest.pop(name) for name in ("lighting", "viewpoint") if name in rest and rng.integers(2)]
    opening = " ".join(["a", *adjectives, ("photo", "picture")[rng.integers(2)]])
    bare = not adjectives and bool(rng.integers(2))
    return _phrase("" if bare else opening, rest, plural=bool(rng.integers(2)))


def ask(attribute: str, context: Facts, rng: np.random.Generator) -> str:
    """Ask for `attribute` of what `context` describes; `context` must not hold `attribute` itself."""
    plural = attribute == "count" or _is_plural(context, otherwise=bool(rng.integers(2)))
    noun, where, verb = _noun(context, plural=plural), _circumstances(context), "are" if plural else "is"
    forms = {
        "object": (f"What {verb} the {noun}{where}?", f"Name the {noun}{where}."),
        "colour": (f"What colour {verb} the {noun}{where}?", f"Which colour {verb} the {noun}{where}?"),
        "count": (f"How many {noun} are there{where}?", f"Count the {noun}{where}."),
        "background": (f"Where {verb} the {noun}{where}?", f"What is under the {noun}{where}?"),
        "lighting": (f"How is the light on the {noun}{where}?", f"What light {verb} the {noun}{where} in?"),
        "viewpoint": (f"How is the view of the {noun}{where}?", f"What view of the {noun}{where} is this?"),
    }
    return forms[attribute][rng.integers(2)]


def _phrase(opening: str, facts: Facts, *, plural: bool) -> str:
    """An opening such as "a photo" (or none) followed by what the facts say."""
    if not opening or not facts.keys().isdisjoint({"object", "colour", "count"}):
        noun = _noun(facts, plural=_is_plural(facts, otherwise=plural))
        article = "" if plural or "count" in facts else "an " if noun.startswith("o") else "a "
        opening += (" of " if opening else "") + article + noun
    return opening + _circumstances(facts)


def _is_plural(facts: Facts, *, otherwise: bool) -> bool:
    return facts["count"] != "one" if "count" in facts else otherwise


def _noun(facts: Facts, *, plural: bool) -> str:
    """Count, colour and object, e.g. "three red mugs"; an unnamed object is an "object"."""
    kind = facts.get("object", "object")
    words = (facts.get("count"), facts.get("colour"), _PLURALS[kind] if plural else kind)
    return " ".join(word for word in words if word)


def _circumstances(facts: Facts) -> str:
    """Place, light and view, each with a space before it, e.g. " on the grass in dim light"."""
    place = f" on the {facts['background']}" if "background" in facts else ""
    light = f" in {facts['lighting']} light" if "lighting" in facts else ""
    view = f" in a {facts['viewpoint']} view" if "viewpoint" in facts else ""
    return place + light + view
