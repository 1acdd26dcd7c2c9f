"""Ollama's own API: responses of `/api/chat` and `/api/generate`, said as a chat completion says it.

Ollama, "API" (https://github.com/ollama/ollama/blob/main/docs/api.md).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, Usage
from monitor.formats.payloads.confidence import Token
from monitor.formats.payloads.logprobs import Logprobs


class Response(Struct, gc=False):
    model: Any = None
    message: Answer | None = None
    response: str | None = None
    """What `/api/generate` has instead of a message."""
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[Token] | None = None


to_response = msgspec.json.Decoder(Response).decode


def as_chat(response: Response) -> ChatResponse:
    """The chat completion that says the same."""
    choice = Choice(
        message=response.message or Answer(response.response),
        finish_reason=response.done_reason,
        logprobs=Logprobs(response.logprobs),
    )
    usage = Usage(response.prompt_eval_count, response.eval_count)
    return ChatResponse(model=response.model, choices=[choice], usage=usage)
