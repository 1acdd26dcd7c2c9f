"""A real change of serving configuration, seen by the streams that it must move and by no other.

1,730 questions were answered by one model twice: once with the question as text, once with it inside the picture. The
questions are the same; the answers are worded differently. SNELLEN_REAL_DATA names the folder that holds
mmmu_pro_gpt4o.jsonl.gz.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monitor.drift.compare import compare
from monitor.drift.reference import build, fitting_windows
from monitor.drift.sketch import sketch
from monitor.streams import FIELD_STREAMS, FieldStream, Observed

DATA = os.environ.get("SNELLEN_REAL_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="SNELLEN_REAL_DATA does not name the folder of real logs")

WINDOWS, ROWS = 16, 75
LOOKS = 7


def answered(run: str) -> list[Observed]:
    with gzip.open(Path(DATA or "") / "mmmu_pro_gpt4o.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    slices = ("subject", "difficulty")
    return [
        Observed("mc", {name: row[name] for name in slices}, prompt=row["question"], answer=str(row["response"]))
        for row in rows
        if row["run"] == run
    ]


def p_values(
    stream: FieldStream, before: Sequence[Observed], after: Sequence[Observed], seed: int
) -> list[list[float]]:
    """Of unchanged windows, and of changed ones, under a reference of other rows."""
    rng = np.random.default_rng(seed)
    shuffled = [before[place] for place in rng.permutation(len(before)).tolist()]
    others = [after[place] for place in rng.permutation(len(after)).tolist()]
    rows, rest = shuffled[: WINDOWS * ROWS], shuffled[WINDOWS * ROWS :]
    numbers = np.repeat(np.arange(WINDOWS), ROWS)
    fits = np.isin(numbers, fitting_windows(numbers)).tolist()
    categories = stream.learn([row for row, is_fit in zip(rows, fits, strict=True) if is_fit])

    def vectors(some: Sequence[Observed]) -> np.ndarray:
        return np.stack([vector for row in some if (vector := stream.vector(row, categories)) is not None])

    built = build(vectors(rows), numbers, "real")
    windows = (
        [rest[ROWS * look :][:ROWS] for look in range(LOOKS)],
        [others[ROWS * look :][:ROWS] for look in range(LOOKS)],
    )
    return [
        [
            compare(built.fit, built.baseline, sketch(vectors(window), built.fit), built.dispersion).p_value or 0.0
            for window in side
        ]
        for side in windows
    ]


@pytest.mark.parametrize("name", ["answer_text", "prompt_text", "answer_mix", "metadata"])
def test_only_the_wording_of_the_answers_moved(name: str) -> None:
    before, after = answered("standard-direct"), answered("vision-direct")
    looks = [p_values(FIELD_STREAMS[name], before, after, seed) for seed in range(4)]
    unchanged = np.array([p for same, _ in looks for p in same])
    changed = np.array([p for _, other in looks for p in other])
    assert np.mean(unchanged < 0.01) <= 0.1  # 28 looks: three alarms where 0.3 are expected have a chance of 0.3%
    if name == "answer_text":
        assert np.mean(changed < 0.01) == 1.0
    if name in ("prompt_text", "metadata"):
        assert np.mean(changed < 0.01) <= 0.1
