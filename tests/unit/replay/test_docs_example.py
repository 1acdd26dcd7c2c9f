"""The example of docs/replay.md is a mapping that works on the row beside it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.domain.events import Candidate, Label, Prediction
from monitor.mapping import Row, load_mapping

PAGE = Path(__file__).parents[3] / "docs" / "replay.md"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return str(found)


def test_the_documented_mapping_maps_the_documented_row(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(block("yaml"))
    prediction, label = load_mapping(file).events(Row(1, json.loads(block("json"))))
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    assert prediction.request_id == label.request_id == "a/7"
    assert prediction.ts == datetime(2025, 11, 21, 10, tzinfo=UTC)
    assert (prediction.model.version, prediction.status) == ("1", "ok")
    assert (prediction.input.prompt, prediction.output.answer) == ("What is it?", "a mug")
    assert prediction.output.candidates == (Candidate("a mug", 0.8), Candidate("a cup", 0.2))
    assert prediction.slices == {"device": "north", "hour": "10"}
    assert label.ts - prediction.ts == timedelta(seconds=1)
    assert label.answers == ("mug",)
