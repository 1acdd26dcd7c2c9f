"""Replicate's predictions, as its documentation shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions
from tests.unit.formats.cloud_logs import decoded, whole

MADE = {
    "id": "gm3qorzdhgbfurvjtvhg6dckhu", "model": "replicate/hello-world",
    "version": "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa", "input": {"text": "Alice"},
    "logs": "", "output": "hello Alice", "error": None, "status": "succeeded",
    "created_at": "2023-09-08T16:19:34.765994Z", "data_removed": False, "started_at": "2023-09-08T16:19:34.779176Z",
    "completed_at": "2023-09-08T16:19:34.791859Z", "metrics": {"predict_time": 0.012683, "total_time": 0.025366},
    "urls": {"get": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu"},
}  # fmt: skip


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_the_documented_prediction_is_a_call(name: str) -> None:
    found = whole(MADE, name)
    assert (found.request_id, found.model.name, found.input.prompt, found.output.answer) == (
        "gm3qorzdhgbfurvjtvhg6dckhu", "replicate/hello-world", "Alice", "hello Alice",
    )  # fmt: skip
    assert found.model.version == MADE["version"]
    assert found.latency_ms == pytest.approx(25.865)
    assert found.status == "ok"


def test_pieces_of_a_language_model_are_one_answer() -> None:
    asked = {"image": "https://x/y.png", "prompt": "What is this?", "max_tokens": 100}
    counts = {"input_token_count": 20, "output_token_count": 4}
    found = whole({**MADE, "input": asked, "output": ["A ", "red ", "mug"], "metrics": counts})
    assert (found.input.prompt, found.output.answer) == ("What is this?", "A red mug")
    assert found.input.image is not None
    assert found.input.image.ref == "https://x/y.png"
    assert found.tokens is not None
    assert (found.tokens.input, found.tokens.output) == (20, 4)


@pytest.mark.parametrize(("status", "code"), [("failed", "error"), ("canceled", "canceled")])
def test_a_prediction_that_failed(status: str, code: str) -> None:
    found = whole({**MADE, "status": status, "output": None, "error": "CUDA out of memory"})
    assert (found.status, found.error_code) == ("error", code)
    assert found.extra["error_message"] == "CUDA out of memory"


def test_a_model_behind_its_version() -> None:
    found = whole({**MADE, "model": None, "version": "owner/name:abc"})
    assert (found.model.name, found.model.version) == ("owner/name", "abc")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"status": "processing", "output": None, "completed_at": None}, "no answer yet"),
        ({"output": ["https://replicate.delivery/pbxt/a.png"]}, "pictures that were made"),
        ({"created_at": "yesterday"}, "no time"),
    ],
)
def test_what_is_no_call_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidEvent, match=words):
        whole({**MADE, **more})


def test_responses_that_say_when_they_were_completed_are_none() -> None:
    """OpenAI's say so in seconds."""
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "here"}]}
    said = {"id": "resp_1", "object": "response", "status": "completed", "created_at": 1763719200}
    body = {**said, "completed_at": 1763719201, "model": "m", "output": [message], "urls": [1]}
    record = Record(
        Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(body).encode(), (("x-request-id", b"c"),)
    )
    (half,) = FORMATS["auto"](FormatOptions(model="m"))(record)
    assert isinstance(half, Half)
    assert (half.pair_id, half.fields["output"]) == ("c", {"answer": "here"})
    for name in ("openai_chat", "oip"):
        assert decoded({"id": "c", "response": body}, name).fields["output"] == {"answer": "here"}


@pytest.mark.parametrize("output", [None, 1, {}, {"label": "cat", "score": 0.5}, [], [1], [["a"]]])
def test_other_outputs_are_read(output: Any) -> None:
    found = whole({**MADE, "output": output})
    assert found.status == "ok"
    if output == {"label": "cat", "score": 0.5}:
        assert (found.output.answer, found.output.confidence) == ("cat", 0.5)
