"""Rows that Vertex AI logs of requests and responses."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FormatOptions, auto
from tests.unit.formats.cloud_logs import whole

ROW: dict[str, Any] = {
    "api_method": "GenerateContent",
    "full_request": {
        "contents": [{"role": "user", "parts": [{"text": "Hello world!"}]}],
        "model": "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro",
    },
    "full_response": {
        "candidates": [
            {
                "avg_logprobs": -3.6485929817988954,
                "finish_reason": "MAX_TOKENS",
                "content": {"role": "model", "parts": [{"text": "Hello there!"}]},
            }
        ],
        "model_version": "gemini-2.5-pro",
        "response_id": "y0S_aMGPArCYqsMPntGNyA4",
        "usage_metadata": {"candidates_token_count": 29, "prompt_token_count": 3, "thoughts_token_count": 901},
    },
    "logging_time": "2025-09-08T21:04:22.248Z",
    "metadata": {"request_latency": 11225.994},
    "model": "publishers/google/models/gemini-2.5-pro",
    "model_version": "default",
    "request_id": "5374205265901353984",
}
"""Elastic's `sample_event.json` of its integration for Vertex AI, shortened."""


@pytest.mark.parametrize("as_text", [False, True])
def test_a_row_of_vertex_is_a_call(as_text: bool) -> None:
    columns = ("full_request", "full_response", "metadata")
    row = {**ROW, **({name: json.dumps(ROW[name]) for name in columns} if as_text else {})}
    one = whole(row)
    assert (one.request_id, one.model.name, one.model.version) == ("5374205265901353984", "gemini-2.5-pro", "")
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "Hello world!", "Hello there!")
    assert (one.latency_ms, one.tokens.input, one.tokens.output) == (11225.994, 3, 29)
    assert one.ts.isoformat() == "2025-09-08T21:04:22.248000+00:00"
    assert one.extra == {"finish_reason": "length"}


def test_the_mean_log_probability_of_gemini_is_a_confidence_unless_it_thought() -> None:
    assert whole(ROW).output.confidence is None
    usage = {"candidates_token_count": 29, "prompt_token_count": 3}
    plain = whole({**ROW, "full_response": {**ROW["full_response"], "usage_metadata": usage}})
    assert plain.output.confidence == pytest.approx(math.exp(-3.6485929817988954))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (['{"prompt": "What?"}'], ['"A mug"']),
        (['{"instances": [{"prompt": "What?"}]}'], ['{"predictions": ["A mug"]}']),
        (['{"messages": [{"role": "user", "content": "What?"}]}'], ['{"choices": [{"text": "A mug"}]}']),
    ],
)
def test_a_row_of_an_endpoint_of_ones_own_is_a_call(asked: list[str], said: list[str]) -> None:
    row = {"endpoint": "1", "deployed_model_id": "9", "logging_time": "2025-09-08 21:04:22.248 UTC", "request_id": 77}
    one = whole({**row, "request_payload": asked, "response_payload": said}, model="store-vqa")
    assert one.ts.isoformat() == "2025-09-08T21:04:22.248000+00:00"
    assert (one.request_id, one.input.prompt, one.output.answer) == ("77", "What?", "A mug")


def test_several_instances_of_a_row_are_as_many_items() -> None:
    row = {"logging_time": 1757365462, "request_id": "9", "request_payload": ['"a"', '"b"']}
    value = {**row, "response_payload": ['{"label": "x"}', '{"label": "y"}']}
    record = Record(Partition("c", "t", "id", 0), 0, 0, json.dumps(value).encode())
    found = auto.decoder(FormatOptions(model="m"))(record)
    assert [(one.request_id, one.output.answer) for one in found if isinstance(one, Prediction)] == [
        ("9#0", "x"),
        ("9#1", "y"),
    ]
