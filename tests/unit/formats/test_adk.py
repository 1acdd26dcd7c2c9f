"""Spans of Google's Agent Development Kit: two around each call, of which one counts.

After google/adk-python, tests/unittests/telemetry/functional_goldens/agent/*.json.
"""

from __future__ import annotations

import json
from typing import Any

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Record
from monitor.formats import FormatOptions, otlp_joined
from tests.unit.formats.spans import PARTITION, decode, in_json

REQUEST = {
    "model": "gemini-2.5-flash",
    "config": {"system_instruction": "Be brief.", "http_options": {}},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "What is it?"},
                {"file_data": {"file_uri": "gs://a/b.png", "mime_type": "image/png"}},
            ],
        }
    ],
}
RESPONSE = {"content": {"role": "model", "parts": [{"text": "A mug."}]}, "finish_reason": "STOP"}
EVENT = {"gcp.vertex.agent.event_id": "e-1", "gcp.vertex.agent.invocation_id": "i-1"}
CALL_LLM: dict[str, Any] = EVENT | {
    "gen_ai.system": "gcp.vertex.agent",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gcp.vertex.agent.session_id": "s-1",
    "gcp.vertex.agent.llm_request": json.dumps(REQUEST),
    "gcp.vertex.agent.llm_response": json.dumps(RESPONSE),
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 25,
    "gen_ai.response.finish_reasons": ["stop"],
}
GENERATE: dict[str, Any] = EVENT | {
    "gen_ai.system": "gemini",
    "gen_ai.operation.name": "generate_content",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.agent.name": "some_root_agent",
    "gen_ai.usage.input_tokens": 100,
}
TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "some_tool",
    "gcp.vertex.agent.llm_request": "{}",
    "gcp.vertex.agent.llm_response": "{}",
}
TRACE = [{"spanId": str(n) * 16, "attributes": one} for n, one in enumerate((GENERATE, TOOL, CALL_LLM), 1)]


def test_each_call_counts_once_with_what_the_outer_span_says() -> None:
    (event,) = decode(in_json(*TRACE))
    assert event.request_id.endswith("3" * 16)
    assert (event.input.prompt, event.input.context, event.output.answer) == ("What is it?", "Be brief.", "A mug.")
    assert event.input.image.ref == "gs://a/b.png"
    assert (event.tokens.input, event.extra["gen_ai.conversation.id"]) == (100, "s-1")


def test_where_content_is_not_captured_it_counts_all_the_same() -> None:
    empty = {"gcp.vertex.agent.llm_request": "{}", "gcp.vertex.agent.llm_response": "{}"}
    (event,) = decode(in_json({"attributes": CALL_LLM | empty}))
    assert (event.input.prompt, event.output.answer, event.tokens.output) == (None, None, 25)


def test_of_a_call_that_failed_only_the_inner_span_names_a_model() -> None:
    status = {"code": 2}
    spans = [{"attributes": GENERATE | {"error.type": "429"}, "status": status}, {"attributes": {"error.type": "429"}}]
    (event,) = decode(in_json(*spans))
    assert (event.model.name, event.status, event.error_code) == ("gemini-2.5-flash", "rejected", "429")


def test_beside_its_messages_the_inner_span_is_the_call() -> None:
    (half,) = otlp_joined.decoder(FormatOptions())(Record(PARTITION, 0, -1, in_json(*TRACE)))
    assert isinstance(half, Half)
    assert (half.side, half.pair_id.endswith("1" * 16)) == ("request", True)


def test_spans_of_other_instrumentations_of_gemini_stay_calls() -> None:
    others = {name: value for name, value in GENERATE.items() if name not in EVENT}
    (event,) = decode(in_json({"attributes": others}))
    assert isinstance(event, Prediction)
