"""Failures as servers and gateways say them, also where HTTP says that all is well."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions, openai_chat
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

TGI = {"error": "Input validation error: `inputs` must have less than 4096 tokens.", "error_type": "validation"}
GEMINI = [{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}]
PARTIAL = {"index": 0, "message": {"content": '{"events": ['}, "finish_reason": "error"}


def answered(body: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (row,) = read_response(raw, Roles({}), 100_000, "m").rows
    return row


def logged(response: Any = None, **envelope: Any) -> Prediction:
    request = {"model": "m", "messages": [{"role": "user", "content": "What?"}]}
    call = {"id": "r1", "ts": 1763719200, "request": request, **envelope}
    if response is not None:
        call["response"] = response
    record = Record(Partition("cluster", "t", "id", 0), 0, 1763719205_000, json.dumps(call).encode())
    (prediction,) = openai_chat.decoder(FormatOptions())(record)
    assert isinstance(prediction, Prediction)
    return prediction


def test_an_answer_that_ended_in_an_error_is_one_that_keeps_what_had_come() -> None:
    """OpenRouter, HTTP 200 (maximhq/bifrost, issue 5425)."""
    assert answered({"object": "chat.completion", "choices": [PARTIAL]}) == {
        "status": "error",
        "error_code": "error",
        "output": {"answer": '{"events": ['},
        "extra": {"finish_reason": "error"},
    }


@pytest.mark.parametrize("key", ["message", "delta"])
def test_the_error_of_a_choice_says_what_went_wrong(key: str) -> None:
    """OpenRouter's reference, "Errors", whole and streamed."""
    said = {key: {"content": "a mu"}, "finish_reason": "error", "error": {"code": 502, "message": "Provider"}}
    body = json.dumps({"choices": [{"index": 0, **said}]})
    row = answered(f"data: {body}\n\n".encode() if key == "delta" else body.encode())
    assert (row["status"], row["error_code"], row["output"]) == ("error", "502", {"answer": "a mu"})
    assert row["extra"]["error_message"] == "Provider"


@pytest.mark.parametrize("envelope", [{}, {"status_code": 400}])
def test_an_error_in_a_list_of_one_is_an_error(envelope: dict[str, Any]) -> None:
    """Gemini's chat completions (google-gemini/gemini-cli, issue 12823)."""
    prediction = logged(GEMINI, **envelope)
    assert (prediction.status, prediction.error_code, prediction.output.answer) == ("rejected", "400", None)
    assert prediction.extra["error_message"] == "bad"


def test_an_error_in_the_place_of_a_prediction_is_that_items() -> None:
    body = {"predictions": [{"error": "no picture"}, "cat", {"error": 0.02}, {"error": "none", "label": "dog"}]}
    read = read_response(json.dumps(body).encode(), Roles({}), 100_000, "m").rows
    assert [row["status"] for row in read] == ["error", "ok", "ok", "ok"]


@pytest.mark.parametrize("envelope", [{}, {"status_code": 422}])
def test_the_type_beside_an_error_is_its_code(envelope: dict[str, Any]) -> None:
    """Text Generation Inference."""
    prediction = logged(TGI, **envelope)
    assert (prediction.status, prediction.error_code) == ("rejected", "validation")
    assert prediction.extra["error_message"] == TGI["error"]


def test_so_it_is_inside_a_stream() -> None:
    error = {"error": "Request failed during generation", "error_type": "generation"}
    row = answered(
        b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\ndata: %b\n\n' % json.dumps(error).encode()
    )
    assert (row["status"], row["error_code"]) == ("error", "generation")


def test_an_error_without_a_code_has_that_of_http() -> None:
    assert logged({"error": "no such model"}, status_code=404).error_code == "404"
    assert logged({"error": "no such model"}).error_code == "error"
    assert logged({"error": {"code": "gone"}}, status_code=404).error_code == "gone"
    assert logged({"error": "down"}, error={"type": "upstream"}).error_code == "upstream"


@pytest.mark.parametrize(
    "kind", ["ResponseValidationError", "overloaded_error", "ServiceUnavailableException", "UNAVAILABLE"]
)
def test_an_error_that_is_not_the_requests_is_an_error(kind: str) -> None:
    """The second is Anthropic's 529, the third Bedrock's 503, the last gRPC's."""
    assert answered({"error": {"type": kind}})["status"] == "error"


@pytest.mark.parametrize(
    "kind",
    [
        *("ThrottlingException", "ValidationException", "AccessDeniedException", "ServiceQuotaExceededException"),
        *("TooManyRequestsException", "RESOURCE_EXHAUSTED", "ResourceExhausted", "PERMISSION_DENIED"),
        *("UNAUTHENTICATED", "FAILED_PRECONDITION", "insufficient_quota", "ConflictError", "request_too_large"),
        *("billing_error", "PayloadTooLargeError"),
    ],
)
def test_names_of_what_http_calls_4xx_are_the_fault_of_the_request(kind: str) -> None:
    """Bedrock's, gRPC's with Google's exceptions, OpenAI's, Anthropic's."""
    assert answered({"error": {"type": kind, "message": "m"}})["status"] == "rejected"


@pytest.mark.parametrize("kind", ["DEADLINE_EXCEEDED", "DeadlineExceeded", "timeout_error", "504", "408"])
def test_names_and_numbers_of_time_outs_are_time_outs(kind: str) -> None:
    row = answered({"error": {"type": kind, "message": "m"}})
    assert (row["status"], row["error_code"]) == ("timeout", kind)


@pytest.mark.parametrize("error", [{"type": "429"}, {"code": 429, "status": "RESOURCE_EXHAUSTED"}, {"code": "429"}])
def test_a_status_of_http_is_one_wherever_it_stands(error: dict[str, Any]) -> None:
    row = answered({"error": error})
    assert (row["status"], row["error_code"]) == ("rejected", "429")


# ---- of OpenAI's chat completions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"status_code": 503}, "error", "503"),
        ({"status_code": 504}, "timeout", "504"),
        (
            {"status_code": 400, "response": {"error": {"message": "m", "code": "invalid_image"}}},
            "rejected",
            "invalid_image",
        ),
        ({"response": {"error": {"message": "m", "type": "server_error", "code": None}}}, "error", "server_error"),
        ({"response": {"error": {"type": "invalid_request_error"}}}, "rejected", "invalid_request_error"),
        ({"error": "Connection timed out"}, "error", "error"),
        ({"error": {"type": "TimeoutError"}}, "timeout", "TimeoutError"),
    ],
)
def test_a_call_that_failed_says_whose_fault_it_was(fields: dict[str, Any], status: str, code: str) -> None:
    prediction = logged(**fields)
    assert (prediction.status, prediction.error_code) == (status, code)
    assert prediction.input.prompt == "What?"


DUMPED: dict[str, Any] = dict.fromkeys(
    ("id", "choices", "created", "model", "object", "service_tier", "system_fingerprint", "usage")
)
"""What openai-python makes of a body without any member that it knows: `ChatCompletion(id=None, choices=None, ...)`."""


@pytest.mark.parametrize(
    ("said", "status", "code", "message"),
    [
        ({"error": {"message": "error code: 524\n", "code": 504}}, "timeout", "504", "error code: 524\n"),
        (
            {
                "id": "gen-1789864459-MWopRke8EAYfUP7veir4",
                "error": {"message": "Upstream error from Nvidia: Service temporarily overloaded", "code": 503},
            },
            "error",
            "503",
            "Upstream error from Nvidia: Service temporarily overloaded",
        ),
        (
            {
                "error": {
                    "code": "model_not_found",
                    "message": "No available channel for model qwen-vl-max-2025-04-08",
                    "type": "new_api_error",
                }
            },
            "rejected",
            "model_not_found",
            "No available channel for model qwen-vl-max-2025-04-08",
        ),
        (
            {
                "object": "error",
                "message": "The model does not support Chat Completions API",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
            "rejected",
            "400",
            "The model does not support Chat Completions API",
        ),
    ],
    ids=["OpenRouter", "OpenRouter, with an id", "new-api", "vLLM"],
)
def test_a_failure_that_openai_python_took_for_a_completion(
    said: dict[str, Any], status: str, code: str, message: str
) -> None:
    prediction = logged({**DUMPED, **said})
    assert (prediction.status, prediction.error_code) == (status, code)
    assert prediction.extra["error_message"] == message
    assert prediction == logged(said)


def test_what_it_took_for_a_completion_without_an_error_is_refused() -> None:
    """No answer of ours: Azure API Management may answer `{"response": "Yes, ..."}`."""
    with pytest.raises(InvalidEvent, match="choices") as caught:
        logged({**DUMPED, "response": "Yes, Azure OpenAI supports customer managed keys."})
    assert caught.value.reason == Rejection.INVALID


def test_azure_rejects_a_prompt_that_its_filter_flags() -> None:
    error = {"code": "content_filter", "message": "filtered", "type": None}
    prediction = logged({"error": error}, status_code=400)
    assert (prediction.status, prediction.output.refused) == ("rejected", True)
    assert prediction.output.safety is not None
    assert prediction.output.safety.flagged
