"""Answers of servers and models that have an API of their own for texts, said as text completions: `generate` of
SGLang, LMDeploy and Text Generation Inference, llama.cpp's `completion`, and what models of Amazon (Titan), Meta,
Cohere and Anthropic (before the Messages API) answer through Bedrock.

SGLang, "Native APIs" (https://docs.sglang.io/docs/basic_usage/native_api); Text Generation Inference,
`docs/openapi.json`; llama.cpp, "POST /completion" (https://github.com/ggml-org/llama.cpp/tree/master/tools/server);
Amazon Bedrock user guide, "Inference request parameters and response fields for foundation models"; IBM watsonx.ai API,
"Infer text".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.formats.payloads.chat_response import TEXTS, Answer, ChatResponse, Choice, Function, ToolCall, Usage
from monitor.formats.payloads.confidence import UNKNOWN, Token, TopToken
from monitor.formats.payloads.framing import word
from monitor.formats.payloads.logprobs import Logprobs

_OF_LLAMA_CPP: Final = frozenset({"stop", "stop_type", "tokens_predicted", "tokens_evaluated", "timings"})
_REASONS: Final = {
    **dict.fromkeys(("eos", "eos_token", "word", "stop_sequence", "stop_criteria_met"), "stop"),
    **dict.fromkeys(("complete", "finish", "finished"), "stop"),
    **dict.fromkeys(("limit", "max_tokens"), "length"),
    "content_filtered": "content_filter",
    "none": "",
}
"""What they call the end of a text, in lower case -> what a chat completion calls it."""


def answers_in(bodies: Sequence[Any]) -> list[ChatResponse]:
    """The text completions that say what these bodies say, each of one text; none where one of them is of no such
    API."""
    found: list[ChatResponse] = []
    for body in bodies:
        if (said := answer_of(body)) is None:
            return []
        found.append(said)
    return found


def answer_of(body: Any) -> ChatResponse | None:
    """The same of one body, or of a piece of a stream."""
    if not isinstance(body, dict):
        return None
    return _of_server(body) or _through_bedrock(body) or _of_other_clouds(body)


def _of_server(body: dict[str, Any]) -> ChatResponse | None:
    match body:
        case {"text": str(text), "meta_info": {**told}}:
            return of_sglang(text, told)
        case {"generated_text": str(text), "details": {"finish_reason": reason, **told}}:
            read = told.get("prefill")
            counts = Usage(len(read) if isinstance(read, list) and read else None, _count(told, "generated_tokens"))
            return _completion(text, reason, counts, own_tokens(told.get("tokens")))
        case {"text": str(text), "tokens": int(), "input_tokens": int(), "history_tokens": int()}:
            counts = Usage(_count(body, "input_tokens"), _count(body, "tokens"))
            return _completion(text, body.get("finish_reason"), counts)
        case {"content": str(text)} if not _OF_LLAMA_CPP.isdisjoint(body):
            return _llama_cpp(text, body)
    return None


def _through_bedrock(body: dict[str, Any]) -> ChatResponse | None:
    match body:
        case {"results": [{"outputText": str()} as result, *_]} | ({"outputText": str()} as result):
            read, written = (
                _count(body, "inputTextTokenCount"),
                _count(result, "tokenCount", "totalOutputTextTokenCount"),
            )
            return _completion(result["outputText"], result.get("completionReason"), Usage(read, written))
        case {"generation": str(text), "generation_token_count": _}:
            counts = Usage(_count(body, "prompt_token_count"), _count(body, "generation_token_count"))
            return _completion(text, body.get("stop_reason"), counts)
        case {"text": str(text), "generation_id": _, **more}:
            return _cohere(text, more)
        case {"completion": str(text), "stop_reason": reason}:
            return _completion(text, reason)
    return None


def _of_other_clouds(body: dict[str, Any]) -> ChatResponse | None:
    """IBM's watsonx.ai, and chats of Llama on SageMaker."""
    match body:
        case {"results": [{"generated_text": str(text), "generated_token_count": _, **told} as result, *_]}:
            counts = Usage(_count(told, "input_token_count"), _count(result, "generated_token_count"))
            return _completion(text, told.get("stop_reason"), counts)
        case {"generation": {"role": _, "content": str(text)}}:
            return _completion(text, None)
    return None


def _cohere(text: str, told: Mapping[Any, Any]) -> ChatResponse:
    """Of its first Chat API; through Bedrock it counts no tokens."""
    calls = calls_of_cohere(told.get("tool_calls"))
    meta = told.get("meta")
    counts = meta.get("tokens", meta.get("billed_units")) if isinstance(meta, dict) else None
    chat = _completion(text, told.get("finish_reason"))
    if isinstance(counts, dict):
        chat.usage = Usage(_count(counts, "input_tokens"), _count(counts, "output_tokens"))
    if calls:
        chat.object, (choice,) = None, chat.choices or [Choice()]
        chat.choices = [Choice(message=Answer(text or None, tool_calls=calls), finish_reason=choice.finish_reason)]
    return chat


def calls_of_cohere(given: Any) -> list[ToolCall]:
    """Calls of tools as Cohere's first Chat API has them."""
    named = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return [ToolCall(Function(word(one.get("name")), one.get("parameters"))) for one in named]


def of_sglang(text: str | None, told: Mapping[Any, Any]) -> ChatResponse:
    """What one of SGLang's texts says, with what stands beside it (`meta_info`). Without a text only its tokens are
    known."""
    reason = told.get("finish_reason")
    ended = reason if isinstance(reason, dict) else {"type": reason}
    chat = _completion(
        text,
        ended.get("type"),
        Usage(_count(told, "prompt_tokens"), _count(told, "completion_tokens")),
        _tokens(told.get("output_token_logprobs")),
    )
    chat.id = told.get("id")
    if ended.get("type") == "abort":
        chat.choices = [Choice(text=text or None, error=_aborted(ended))]
    return chat


def _aborted(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": ended.get("message"), "type": ended.get("err_type") or "abort", "code": ended.get("status_code")}


def _tokens(given: Any) -> list[Token]:
    """Log-probability, id and text of each. Without its text (`return_text_in_logprobs`) nobody can tell a token of the
    answer from one that ends it."""
    tokens: list[Token] = []
    for one in given if isinstance(given, list) else ():
        match one:
            case [int() | float() as logprob, _, str(token), *_]:
                tokens.append(Token(token, logprob))
            case _:
                return []
    return tokens


def own_tokens(given: Any) -> list[Token]:
    """Of Text Generation Inference, but for those that only end the text."""
    tokens: list[Token] = []
    for one in given if isinstance(given, list) else ():
        match one:
            case {"special": True}:
                continue
            case {"text": str(text), "logprob": int() | float() as logprob}:
                tokens.append(Token(text, logprob))
            case _:
                return []
    return tokens


def _llama_cpp(text: str, body: Mapping[str, Any]) -> ChatResponse:
    ended = "limit" if body.get("stopped_limit") is True else "eos" if body.get("stop") is True else None
    reason = body.get("stop_type") or ended  # older versions have a flag for each
    counts = Usage(_count(body, "tokens_evaluated"), _count(body, "tokens_predicted"))
    given = body.get("completion_probabilities")
    tokens = [_token(one) for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    chat = _completion(text, reason, counts, tokens)
    chat.model = word(body.get("model"))
    return chat


def _token(told: Mapping[str, Any]) -> Token:
    """A token with its log-probability or, after sampling (`post_sampling_probs`), its probability; older versions list
    the probabilities alone, among which that of the token itself is."""
    text = told.get("token", told.get("content"))
    found = next((told[name] for name in ("top_logprobs", "top_probs", "probs") if name in told), None)
    tops = [_top(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    own = _top(told).logprob
    if own is None:
        own = next((one.logprob for one in tops if one.token == text), None)
    return Token(text if isinstance(text, str) else "", own, tops)


def _top(told: Mapping[str, Any]) -> TopToken:
    text = told.get("token", told.get("tok_str"))
    logprob, share = told.get("logprob"), told.get("prob")
    if logprob is None and isinstance(share, int | float):
        logprob = math.log(share) if 0 < share <= 1 else UNKNOWN
    return TopToken(text if isinstance(text, str) else "", logprob if isinstance(logprob, int | float) else None)


def _completion(
    text: str | None, reason: Any, counts: Usage | None = None, tokens: list[Token] | None = None
) -> ChatResponse:
    ended = str(reason or "").lower()
    choice = Choice(
        text=text,
        finish_reason=_REASONS.get(ended, ended) or None,
        logprobs=Logprobs(tokens) if tokens else None,
    )
    return ChatResponse(object=TEXTS, choices=[choice], usage=counts)


def _count(told: Mapping[Any, Any], *names: str) -> int | None:
    return next((told[name] for name in names if type(told.get(name)) is int), None)
