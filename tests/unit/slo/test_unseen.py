"""Which name of an SLO nothing stored has, said with those that there are."""

from __future__ import annotations

import pytest

from monitor.domain.slices import OTHER, Slice
from monitor.slo.objective import Selector
from monitor.slo.unseen import Kind, Seen, unseen

SEEN = Seen(
    kinds=[Kind("exam", "1", "stable"), Kind("exam", "2", "canary"), Kind("ocr", "1", "stable")],
    tasks=[("exam", "vqa"), ("ocr", "reading")],
    streams=[("exam", "image"), ("exam", "prompt")],
    slices=[Slice("device", "a"), Slice("device", "b"), Slice("client", "web")],
)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"model": "exma"}, "no event of model 'exma' is stored; models seen: 'exam', 'ocr'"),
        (
            {"model": "ocr", "version": "2"},
            "no event of model 'ocr', version '2' is stored; versions seen: '1'",
        ),
        (
            {"model": "exam", "version": "1", "variant": "canary"},
            "no event of model 'exam', version '1', variant 'canary' is stored; variants seen: 'stable'",
        ),
        ({"version": "3"}, "no event of version '3' is stored; versions seen: '1', '2'"),
        (
            {"model": "exam", "task": "reading"},
            "no event of task 'reading' in the last 7 days is stored; tasks seen: 'vqa'",
        ),
        ({"stream": "imgae"}, "no event of stream 'imgae' is stored; streams seen: 'image', 'prompt'"),
        (
            {"slice": Slice("devcie", "a")},
            "no event of slice dimension 'devcie' is stored; dimensions seen: 'client', 'device'",
        ),
        ({"slice": Slice("device", "c")}, "no event of device 'c' is stored; values of device seen: 'a', 'b'"),
        ({"model": "a\x1b[2J"}, "no event of model 'a\\x1b[2J' is stored; models seen: "),
    ],
)
def test_the_first_name_that_nothing_has_is_told(chosen: dict[str, object], said: str) -> None:
    assert unseen(Selector(**chosen), SEEN).startswith(said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "selector",
    [
        Selector(),
        Selector("exam", "2", "canary", "vqa", Slice("device", "b")),
        Selector(slice=Slice("device", OTHER)),
        Selector(model="ocr", stream="image"),
    ],
    ids=["all traffic", "all names", "folded values", "a model without references yet"],
)
def test_names_that_are_known_are_not_to_blame(selector: Selector) -> None:
    assert unseen(selector, SEEN) == ""


def test_nothing_is_said_while_nothing_is_stored() -> None:
    assert unseen(Selector(model="exam"), Seen([], [], [], [])) == ""


def test_of_many_names_the_nearest_are_shown() -> None:
    kinds = [Kind(f"model-{number:03}", "1", "stable") for number in range(200)]
    said = unseen(Selector(model="model-17x"), Seen(kinds, [], [], []))
    assert said.endswith(" and 190 more")
    assert "'model-175'" in said
