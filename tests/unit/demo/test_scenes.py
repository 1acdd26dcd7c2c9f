"""The drawn scenes: the same scene is the same picture, and what is said of it is true."""

from dataclasses import replace

import numpy as np
import pytest

from demo.captions import answer_texts, ask, caption, class_texts, describe, question, some_facts
from demo.clip.batches import Scenes
from demo.scenes import ATTRIBUTES, SIZE, Scene, is_held_out, render, sample_scene


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def scenes(rng: np.random.Generator, count: int) -> list[Scene]:
    return [sample_scene(rng) for _ in range(count)]


def mentioned(text: str) -> dict[str, str]:
    """Facts that a reader finds in a text, by the values' own words."""
    words = text.rstrip("?.").replace("leaves", "leaf").replace("what light", "").split()
    singular = [word.removesuffix("s") if word.removesuffix("s") in ATTRIBUTES["object"] else word for word in words]
    return {name: word for name, values in ATTRIBUTES.items() for word in singular if word in values}


def test_same_scene_gives_the_same_pixels(rng: np.random.Generator) -> None:
    for scene in scenes(rng, 20):
        first = render(scene)
        assert first.shape == (SIZE, SIZE, 3)
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, render(scene))


def test_same_seed_draws_the_same_scenes() -> None:
    assert scenes(np.random.default_rng(3), 50) == scenes(np.random.default_rng(3), 50)


def test_seed_changes_the_picture_but_not_the_facts(rng: np.random.Generator) -> None:
    scene = sample_scene(rng)
    other = replace(scene, seed=scene.seed + 1)
    assert scene.facts == other.facts
    assert (render(scene) != render(other)).any()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_value_of_an_attribute_looks_different(name: str, rng: np.random.Generator) -> None:
    scene = sample_scene(rng)
    pictures = {render(Scene(**{**scene.facts, name: value}, seed=scene.seed)).tobytes() for value in ATTRIBUTES[name]}
    assert len(pictures) == len(ATTRIBUTES[name])


def test_fixed_attributes_are_kept(rng: np.random.Generator) -> None:
    drawn = [sample_scene(rng, fixed={"lighting": "dim"}) for _ in range(50)]
    assert {scene.lighting for scene in drawn} == {"dim"}
    assert {scene.background for scene in drawn} == set(ATTRIBUTES["background"])


def test_held_out_share_is_a_sixth(rng: np.random.Generator) -> None:
    share = np.mean([is_held_out(scene) for scene in scenes(rng, 6000)])
    assert share == pytest.approx(1 / 6, abs=0.02)


def test_training_scenes_share_no_combination_with_held_out_ones(rng: np.random.Generator) -> None:
    def combinations(*, held_out: bool) -> set[tuple[str, str, str]]:
        drawn = Scenes(1500, rng, held_out=held_out).scenes
        return {(scene.object, scene.colour, scene.count) for scene in drawn}

    trained, held_out = combinations(held_out=False), combinations(held_out=True)
    assert trained.isdisjoint(held_out)
    assert len(trained | held_out) > 250  # of 256: nothing is left out of both


def test_captions_state_their_facts_and_nothing_else(rng: np.random.Generator) -> None:
    for scene in scenes(rng, 1000):
        facts = some_facts(scene.facts, rng)
        assert mentioned(describe(facts, rng)) == facts


def test_caption_agrees_with_the_scene(rng: np.random.Generator) -> None:
    for scene in scenes(rng, 500):
        found = mentioned(caption(scene, rng))
        assert found
        assert found.items() <= scene.facts.items()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_question_does_not_give_its_answer_away(attribute: str, rng: np.random.Generator) -> None:
    for scene in scenes(rng, 300):
        prompt, candidates, truth = question(scene, attribute, rng)
        found = mentioned(prompt)
        assert candidates == ATTRIBUTES[attribute]
        assert truth == scene.facts[attribute]
        assert attribute not in found
        assert found
        assert found.items() <= scene.facts.items()


def test_question_about_a_count_is_always_plural(rng: np.random.Generator) -> None:
    assert "mugs" in ask("count", {"object": "mug"}, rng)


def test_answer_texts_hold_question_and_candidate() -> None:
    assert answer_texts("What colour is the mug?", ["red", "blue"]) == [
        "question: What colour is the mug? answer: red",
        "question: What colour is the mug? answer: blue",
    ]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_class_texts_follow_the_values(attribute: str) -> None:
    assert [mentioned(text) for text in class_texts(attribute)] == [{attribute: v} for v in ATTRIBUTES[attribute]]
