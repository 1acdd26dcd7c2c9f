"""Real answers of a language model to multiple-choice questions: their letters are read as published, or not at all.

Run with SNELLEN_REAL_DATA naming the folder that holds mmmu_pro_gpt4o.jsonl.gz.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from monitor.tasks.multiple_choice import choice

DATA = os.environ.get("SNELLEN_REAL_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="SNELLEN_REAL_DATA does not name the folder of real logs")


def test_letters_of_mmmu_pro_are_those_of_the_published_evaluation() -> None:
    """It took another letter in 97 answers, in nearly all a capital of the option's text, as E in "A. TRUE"."""
    assert DATA is not None
    with gzip.open(Path(DATA) / "mmmu_pro_gpt4o.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    letters = [(row["run"], choice(row["response"]).letter, row["pred"]) for row in rows]
    read = {
        run: [ours == theirs for one, ours, theirs in letters if one == run and ours]
        for run in {row["run"] for row in rows}
    }
    assert {run: (len(found), found.count(False)) for run, found in read.items()} == {
        "standard-direct": (1588, 94), "vision-direct": (1331, 3),
    }  # fmt: skip
