"""Bedrock's logs of invocations."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.domain.events import Prediction
from tests.unit.formats.cloud_logs import whole

ASKED = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"s3Uri": "s3://logs/data/81_input_media_00.png"}}},
                {"text": "How many boxes?"},
            ],
        }
    ]
}
SAID = {
    "output": {"message": {"role": "assistant", "content": [{"text": "7"}]}},
    "stopReason": "end_turn",
    "metrics": {"latencyMs": 3640},
    "usage": {"inputTokens": 35, "outputTokens": 4, "totalTokens": 39},
}
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
INVOCATION: dict[str, Any] = {
    "timestamp": "2026-08-10T21:12:39Z",
    "accountId": "111122223333",
    "region": "us-east-1",
    "requestId": "304a166e",
    "operation": "Converse",
    "modelId": PROFILE,
    "input": {"inputContentType": "application/json", "inputBodyJson": ASKED, "inputTokenCount": 35},
    "output": {"outputContentType": "application/json", "outputBodyJson": SAID, "outputTokenCount": 4},
    "identity": {"arn": "arn:aws:iam::111122223333:user/bedrock-test"},
    "requestMetadata": {"tenant": "north"},
    "schemaType": "ModelInvocationLog",
    "schemaVersion": "1.0",
}


def invoked(said: Any, asked: Any = ASKED, **more: Any) -> Prediction:
    return whole({**INVOCATION, "input": {"inputBodyJson": asked}, "output": {"outputBodyJson": said}, **more})


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_an_invocation_of_bedrock_is_a_call(name: str) -> None:
    one = whole(INVOCATION, name, slices={"tenant": "tenant"})
    assert (one.request_id, one.model.name) == ("304a166e", "us.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert (one.status, one.input.prompt, one.output.answer) == ("ok", "How many boxes?", "7")
    assert one.input.image is not None
    assert one.input.image.ref == "s3://logs/data/81_input_media_00.png"
    assert (one.latency_ms, one.tokens.input, one.tokens.output) == (3640, 35, 4)
    assert one.ts.isoformat() == "2026-08-10T21:12:39+00:00"
    assert one.slices == {"tenant": "north"}
    assert one.extra == {"operation": "Converse", "metadata": {"tenant": "north"}}


CLAUDE = [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "7"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " boxes"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
]
TIMED = {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"invocationLatency": 612, "inputTokenCount": 9}}
NOVA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "7"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": " boxes"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 3}}},
]
TITAN = [
    {"outputText": "7", "index": 0, "completionReason": None, "inputTextTokenCount": 9},
    {"outputText": " boxes", "index": 0, "completionReason": "FINISH", "totalOutputTextTokenCount": 3},
]
LLAMA = [
    {"generation": "7", "prompt_token_count": 9, "generation_token_count": 1, "stop_reason": None},
    {"generation": " boxes", "prompt_token_count": None, "generation_token_count": 3, "stop_reason": "stop"},
]


@pytest.mark.parametrize(
    "events",
    [CLAUDE, [*CLAUDE, "[DONE]"], [*CLAUDE, TIMED], NOVA, TITAN, LLAMA],
    ids=["claude", "done", "timed", "nova", "titan", "llama"],
)
def test_the_events_of_a_logged_stream_are_one_answer(events: list[Any]) -> None:
    one = invoked(events, operation="InvokeModelWithResponseStream")
    assert (one.status, one.output.answer, one.tokens.output) == ("ok", "7 boxes", 3)


def test_a_stream_of_bedrock_says_at_its_end_how_long_it_took() -> None:
    assert invoked([*CLAUDE, TIMED]).latency_ms == 612
    assert invoked(CLAUDE).latency_ms is None


@pytest.mark.parametrize("events", [CLAUDE[:-1], NOVA[:3], TITAN[:1], LLAMA[:1]], ids=["claude", "nova", "titan", "l"])
def test_a_logged_stream_that_ended_too_soon_is_cut(events: list[Any]) -> None:
    one = invoked(events)
    assert (one.status, one.error_code) == ("error", "stream_cut")


@pytest.mark.parametrize(
    ("asked", "said", "answer", "reason"),
    [
        (
            {"inputText": "How many?", "textGenerationConfig": {"topP": 0.9}},
            {"inputTextTokenCount": 9, "results": [{"tokenCount": 2, "outputText": "7", "completionReason": "LENGTH"}]},
            "7",
            "length",
        ),
        (
            {"prompt": "How many?", "max_gen_len": 2048},
            {"generation": "7", "prompt_token_count": 9, "generation_token_count": 2, "stop_reason": "length"},
            "7",
            "length",
        ),
        (
            {"prompt": "\n\nHuman: How many?\n\nAssistant:", "max_tokens_to_sample": 9},
            {"type": "completion", "completion": " 7", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
            " 7",
            None,
        ),
    ],
    ids=["titan", "llama", "claude-2"],
)
def test_models_of_bedrock_with_bodies_of_their_own(asked: Any, said: Any, answer: str, reason: str | None) -> None:
    one = invoked(said, asked)
    assert (one.status, one.output.answer) == ("ok", answer)
    assert "How many?" in (one.input.prompt or "")
    assert one.extra.get("finish_reason") == reason


BLOCKED = {"type": "text", "text": "Sorry, the model cannot answer this question."}


@pytest.mark.parametrize(
    "said",
    [
        {"type": "message", "role": "assistant", "content": [BLOCKED], "amazon-bedrock-guardrailAction": "INTERVENED"},
        [*CLAUDE, {"type": "message_stop", "amazon-bedrock-guardrailAction": "INTERVENED"}],
        {**SAID, "stopReason": "guardrail_intervened"},
    ],
)
def test_what_a_guardrail_wrote_is_a_refusal(said: Any) -> None:
    one = invoked(said)
    assert (one.status, one.output.refused) == ("ok", True)
    assert one.output.safety is not None
    assert one.output.safety.flagged


def test_words_about_a_guardrail_are_none() -> None:
    text = 'It says "amazon-bedrock-guardrailAction": "INTERVENED" then.'
    one = invoked({**SAID, "output": {"message": {"role": "assistant", "content": [{"text": text}]}}})
    assert (one.output.answer, one.output.refused) == (text, False)


def test_what_a_guardrail_looks_at_is_part_of_the_prompt() -> None:
    """Elastic's fixture of 2024-11-21."""
    guarded = [{"guardContent": {"text": {"text": one, "qualifiers": ["query"]}}} for one in ("The moon.", "Of what?")]
    picture = {"guardContent": {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}}
    one = invoked(SAID, {"messages": [{"role": "user", "content": [*guarded, picture]}]})
    assert one.input.prompt == "The moon.\nOf what?"
    assert one.input.image is not None
    assert one.input.image.ref == "data:image/png;base64,iVBORw0KGgo="


def test_a_body_that_lies_elsewhere_is_named_and_the_call_counts() -> None:
    """More than 100 KB, as any picture is."""
    one = whole(
        {
            **INVOCATION,
            "input": {"inputBodyS3Path": "s3://logs/data/304a166e_input.json.gz", "inputTokenCount": 1600},
            "output": {"outputBodyJson": SAID},
        }
    )
    assert (one.status, one.output.answer, one.tokens.input) == ("ok", "7", 35)
    assert one.extra["input_body"] == "s3://logs/data/304a166e_input.json.gz"
    silent = whole({**INVOCATION, "input": {"inputTokenCount": 1600}, "output": {"outputTokenCount": 4}})
    assert (silent.status, silent.output.answer, silent.tokens.input, silent.tokens.output) == ("ok", None, 1600, 4)


def test_an_invocation_that_failed_is_no_answer() -> None:
    one = whole({**INVOCATION, "errorCode": "ThrottlingException", "output": {}})
    assert (one.status, one.error_code, one.input.prompt) == ("rejected", "ThrottlingException", "How many boxes?")
