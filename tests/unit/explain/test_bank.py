"""The text banks that ship, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.captions import class_texts
from demo.scenes import ATTRIBUTES
from monitor.errors import SettingsError
from monitor.explain.bank import KINDS, MOST_PHRASES, parse_bank

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("file", ["monitor/explain/concepts.yaml", "demo/clip/concepts.yaml"])
def test_a_bank_that_ships_can_be_read(file: str) -> None:
    bank = parse_bank((ROOT / file).read_text(), file)
    assert {kind for kind, _ in bank} <= set(KINDS)
    assert sum(map(len, bank.values())) > 30


def test_the_demos_bank_holds_the_words_its_encoder_was_trained_on() -> None:
    bank = parse_bank((ROOT / "demo/clip/concepts.yaml").read_text(), "demo")
    assert bank == {("image", name): tuple(class_texts(name)) for name in ATTRIBUTES}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("image: [", "no YAML"),
        ("", "must be a table"),
        ("- a photo", "must be a table"),
        ("sound: {pitch: [high, low]}", "'sound' is none of"),
        ("image: [a, b]", "table of families"),
        ("image: {light: dark}", "image.light must be a list"),
        ("image: {light: [dark, 7]}", "image.light must be a list"),
        ("image: {light: [dark, dark]}", "list of different phrases"),
        ("image: {light: [dark]}", "two phrases"),
        ("image: {light: [dark, " + "x" * 300 + "]}", "200 characters"),
        ("image: {light: [" + ", ".join(f"p{n}" for n in range(MOST_PHRASES + 1)) + "]}", "more than"),
    ],
)
def test_a_wrong_bank_is_refused_with_the_place(content: str, fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        parse_bank(content, "my.yaml")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_bank("image: {light: [dark], view: 3}\nsound: {}", "my.yaml")
    assert len(refused.value.faults) == 3
