"""Pictures inside prompts, as Text Generation Inference's `generate` takes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FormatOptions, oip
from tests.pace import cost

RABBIT = "https://huggingface.co/datasets/huggingface/documentation-images/resolve/main/transformers/rabbit.png"
INSIDE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"


def asked(inputs: str) -> tuple[str | None, str | None]:
    """Prompt and picture."""
    call: Any = {"id": "r1", "ts": 1763719200, "model": "idefics", "request": {"inputs": inputs, "parameters": {}}}
    raw = json.dumps(call | {"response": {"generated_text": "A rabbit"}}).encode()
    (one,) = oip.decoder(FormatOptions())(Record(Partition("c", "t", "id", 0), 0, 1763719205_000, raw))
    assert isinstance(one, Prediction)
    return one.input.prompt, one.input.image.ref if one.input.image else None


@pytest.mark.parametrize(
    ("inputs", "prompt", "picture"),
    [
        # Text Generation Inference, docs/source/basic_tutorials/visual_language_models.md
        (f"![]({RABBIT})What is this a picture of?\n\n", "What is this a picture of?", RABBIT),
        (f"![]({INSIDE})What is this?", "What is this?", INSIDE),
        (f"![]({RABBIT})\n![]({INSIDE}) Which is it?", "Which is it?", RABBIT),
        (f"![]({RABBIT})", None, RABBIT),
    ],
)
def test_pictures_that_a_prompt_begins_with_are_no_part_of_it(inputs: str, prompt: str | None, picture: str) -> None:
    assert asked(inputs) == (prompt, picture)


@pytest.mark.parametrize(
    "inputs",
    [
        "What is this?",
        f"What is ![]({RABBIT})?",
        f"![a rabbit]({RABBIT}) What is this?",
        f"![]({RABBIT} What is this",
        "![](rabbit.png)What is this?",
        "![]() is how Markdown writes what?",
    ],
)
def test_any_other_text_is_the_prompt_as_it_stands(inputs: str) -> None:
    assert asked(inputs) == (inputs, None)


@pytest.mark.parametrize("rest", ["![](" * 250_000, "![](data:" + "A" * 1_000_000, " " * 1_000_000 + "?"])
def test_megabytes_are_gone_over_once(rest: str) -> None:
    inputs = f"![]({RABBIT}){rest}"
    assert asked(inputs) == (rest.strip(), RABBIT)
    assert cost(lambda: asked(inputs)) < 5  # below 1; thousands if each picture began the search anew
