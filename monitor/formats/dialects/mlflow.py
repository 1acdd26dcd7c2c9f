"""Spans of MLflow's tracing, which keep what went into a call and came out of it as JSON.

https://mlflow.org/docs/latest/genai/tracing. Every value is JSON, also a text. Only spans of the kinds `CHAT_MODEL` and
`LLM` are calls of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor.formats.spans import Span, with_attributes

KIND: Final = "mlflow.spanType"
"""The attribute that all spans of MLflow have."""
_CALLS: Final = frozenset({"CHAT_MODEL", "LLM"})


def translated(span: Span) -> Span:
    """The span with the attributes that the conventions have for what it says."""
    said = span.attributes
    kind = str(_plain(said[KIND]))
    if kind not in _CALLS:
        return with_attributes(span, {"gen_ai.operation.name": kind.lower()})
    asked, usage, cost = (
        _object(said.get(name)) for name in ("mlflow.spanInputs", "mlflow.chat.tokenUsage", "mlflow.llm.cost")
    )
    answered = _plain(said.get("mlflow.spanOutputs"))
    more = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": _plain(said.get("mlflow.llm.model")) or asked.get("model"),
        "gen_ai.provider.name": _plain(said.get("mlflow.llm.provider")),
        "gen_ai.input.messages": _messages(asked.get("input"), "user") or said.get("mlflow.spanInputs"),
        "gen_ai.output.messages": _messages(answered, "assistant") or said.get("mlflow.spanOutputs"),
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.cost": cost.get("total_cost"),
    }
    return with_attributes(span, {name: value for name, value in more.items() if value is not None})


def _messages(said: Any, role: str) -> list[dict[str, str]]:
    """A text by itself: none of any other value, which is the body of some API."""
    return [{"role": role, "content": said}] if isinstance(said, str) else []


def _plain(value: Any) -> Any:
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value


def _object(value: Any) -> Mapping[str, Any]:
    found = _plain(value)
    return found if isinstance(found, dict) else {}
