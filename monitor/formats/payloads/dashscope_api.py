"""Alibaba Cloud's DashScope, in whose own API Qwen's models are served: a chat inside an object of its own.

Model Studio, "DashScope API reference" (https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-dashscope). A
picture is its address alone, `{"image": ...}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.formats.payloads.chat_request import ChatRequest, Message
from monitor.formats.payloads.chat_response import Answer, ChatResponse, Choice, PromptDetails, Usage


def request_of(body: Mapping[str, Any]) -> ChatRequest | None:
    """The chat request that asks the same; None where this is none.

    Raises:
        msgspec.ValidationError: a message is none.
    """
    match body:
        case {"model": str(model), "input": {"messages": [*given]}}:
            messages = msgspec.convert(given, list[Message])
        case {"model": str(model), "input": {"prompt": str(prompt)}}:
            messages = [Message(content=prompt)]
        case _:
            return None
    parameters = body.get("parameters")
    told = parameters if isinstance(parameters, dict) else {}
    return ChatRequest(
        model=model,
        messages=messages,
        temperature=told.get("temperature"),
        top_p=told.get("top_p"),
        max_tokens=told.get("max_tokens"),
        seed=told.get("seed"),
    )


def as_chat(body: Mapping[str, Any]) -> ChatResponse | None:
    """The chat completion that says the same; None where this is no such response.

    Raises:
        msgspec.ValidationError: a choice is none.
    """
    match body:
        case {"output": {"choices": [_, *_] as given}, "usage": dict(usage)}:
            choices = msgspec.convert(given, list[Choice])
        case {"output": {"text": str(text), "finish_reason": reason}, "usage": dict(usage)}:
            choices = [Choice(message=Answer(text), finish_reason=reason if isinstance(reason, str) else None)]
        case _:
            return None
    for choice in choices:
        if choice.finish_reason == "null":  # so it says that an answer has not ended
            choice.finish_reason = None
    return ChatResponse(id=body.get("request_id"), choices=choices, usage=_usage(usage))


def _usage(usage: Mapping[Any, Any]) -> Usage:
    read, written, pictures = (
        count if type(count := usage.get(name)) is int else None
        for name in ("input_tokens", "output_tokens", "image_tokens")
    )
    return Usage(read, written, PromptDetails(pictures) if pictures is not None else None)
