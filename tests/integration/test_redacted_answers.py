"""Answers of which something was removed are not compared: two numbers that are gone look the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.services.ingest import IngestService
from monitor.services.score_labels import score_labels

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RIGHT, WRONG = "415-555-0132", "415-555-0199"


@pytest.mark.parametrize(
    ("answer", "accepted", "verdict", "correct"),
    [
        (WRONG, RIGHT, None, None),
        (RIGHT, RIGHT, None, None),
        ("no number", RIGHT, None, None),
        (WRONG, "4155550132", None, None),
        (WRONG, RIGHT, "incorrect", False),
        (RIGHT, RIGHT, "correct", True),
        ("a mug", "a mug", None, True),
    ],
)
def test_only_what_the_annotator_says_in_so_many_words_counts(
    ingest: IngestService, engine: Engine, send: Callable[..., Any], prediction: Callable[..., Any],
    label: Callable[..., Any], rows: Callable[..., list[Any]], answer: str, accepted: str, verdict: str | None,
    correct: bool | None,
) -> None:  # fmt: skip
    ingest.write(send(prediction("r", output={"answer": answer}), label("r", verdict=verdict, answers=[accepted])), NOW)
    score_labels(engine)
    assert rows("SELECT correct FROM verdicts") == [correct]
