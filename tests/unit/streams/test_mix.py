"""A mix counts the reference's frequent categories by name, and the rest together."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.streams import Observed
from monitor.streams.mix import ANSWER_MIX, MAX_CATEGORIES, METADATA
from monitor.streams.scalars import CONFIDENCE, MARGIN


def answered(answer: str | None) -> Observed:
    return Observed("vqa", {}, answer=answer)


def test_frequent_answers_come_first_and_case_and_space_do_not_count() -> None:
    rows = [*[answered("Yes")] * 5, *[answered(" yes ")] * 2, *[answered("no")] * 4, answered(None)]
    assert ANSWER_MIX.learn(rows) == ("yes", "no")


def test_a_category_needs_its_share_and_there_are_only_so_many() -> None:
    rows = [answered(f"a{number}") for number in range(60) for _ in range(10)] + [answered("rare")] * 2
    found = ANSWER_MIX.learn(rows)
    assert len(found) == MAX_CATEGORIES
    assert "rare" not in ANSWER_MIX.learn(rows[:300] + [answered("rare")] * 2)


def test_the_mean_of_a_window_is_the_share_of_each_answer() -> None:
    categories = ("yes", "no")
    rows = [*[answered("yes")] * 6, *[answered("No")] * 3, answered("perhaps")]
    vectors = [ANSWER_MIX.vector(row, categories) for row in rows]
    mean = np.mean([vector for vector in vectors if vector is not None], axis=0)
    assert mean[:2] == pytest.approx([0.6, 0.3])
    assert mean[-1] == pytest.approx(0.1)
    assert mean.sum() == pytest.approx(1.0)


def test_metadata_are_the_task_and_all_slices() -> None:
    row = Observed("vqa", {"device": "cam-1", "locale": "de"})
    assert METADATA.learn([row, row]) == ("device=cam-1", "locale=de", "task=vqa")
    vector = METADATA.vector(
        Observed("vqa", {"device": "cam-9", "locale": "de"}), ("device=cam-1", "locale=de", "task=vqa")
    )
    assert vector is not None
    assert vector[:3].tolist() == [0.0, 1.0, 1.0]
    assert vector[-1] == pytest.approx(1 / 3)


def test_margin_is_between_the_two_best_in_any_order() -> None:
    found = MARGIN.vector(Observed("vqa", {}, scores=(0.1, 0.6, 0.3)), ())
    assert found is not None
    assert found[0] == pytest.approx(0.3)
    assert MARGIN.vector(Observed("vqa", {}, scores=(0.9,)), ()) is None
    assert MARGIN.vector(Observed("vqa", {}, scores=(float("inf"), 1.0)), ()) is None
    masked = float(np.finfo(np.float32).min)
    assert MARGIN.vector(Observed("vqa", {}, scores=(2.5, masked)), ()) is None
    assert MARGIN.vector(Observed("vqa", {}, scores=(2.5, -1e30)), ()) is None
    assert MARGIN.vector(Observed("vqa", {}, scores=(2.5, -1e300)), ()) is None
    assert MARGIN.vector(Observed("vqa", {}, scores=(2.5, masked, 1.5)), ()) == pytest.approx([1.0])
    assert MARGIN.vector(Observed("vqa", {}, scores=(2.5, float("nan"))), ()) is None
    assert CONFIDENCE.vector(Observed("vqa", {}, confidence=0.25), ()) == pytest.approx([0.25])
