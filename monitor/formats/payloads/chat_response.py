"""Responses of OpenAI's chat completions, whole or put together from a stream.

OpenAI API reference, "The chat completion object" (https://platform.openai.com/docs/api-reference/chat/object); Azure's
`content_filter_results`; vLLM's error bodies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent
from monitor.formats.payloads.chat_request import Part, text_in
from monitor.formats.payloads.confidence import Token, alternatives, answer_tokens, confidence, spelling
from monitor.formats.payloads.failures import from_error
from monitor.formats.payloads.framing import Read, word
from monitor.formats.payloads.logprobs import Logprobs, tokens_of_text
from monitor.formats.payloads.rows import Fields, demand_few, over
from monitor.formats.payloads.thoughts import HINT, thinks, without_thoughts

CUT: Fields = {"status": "error", "error_code": "stream_cut"}
"""What is said of a stream that ended before its answer did; what had come of the answer stays beside it."""
TEXTS: Final = "text_completion"
"""What a text completion calls its object."""
MAX_CHOICES = 128
MAX_TOOL_CALLS = 64


class Function(Struct, gc=False):
    name: str | None = None
    arguments: Any = None
    """A text that holds JSON; some servers write the object itself."""


class ToolCall(Struct, gc=False):
    function: Function | None = None
    index: int | None = None
    """Of a piece in a stream; not all servers number them (chat_stream)."""
    id: Any = None


class Answer(Struct, gc=False):
    """`message` of a choice, or `delta` of a chunk's."""

    content: str | list[Part] | None = None
    """Some servers answer in parts, as requests ask."""
    refusal: str | None = None
    tool_calls: list[ToolCall] | ToolCall | None = None
    """Text Generation Inference streams one without a list."""
    function_call: Function | None = None
    """What came before `tool_calls`."""
    audio: Any = None
    """Spoken answers have their text as its `transcript`."""
    reasoning_content: Any = None
    """What the model thought before it answered, as DeepSeek, SGLang and vLLM call it."""
    reasoning: Any = None
    """The same of newer vLLM and of OpenRouter."""
    thinking: Any = None
    """The same of Ollama."""


class Filtered(Struct, gc=False):
    filtered: bool = False


class Choice(Struct, gc=False):
    index: int = 0
    message: Answer | None = None
    delta: Answer | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | float | bool | str | list[Any] | None = None
    """The API has an object. Other forms (Together's streams have a number) say nothing to us."""
    content_filter_results: dict[str, Raw] | None = None
    error: Any = None
    """OpenRouter's, of this choice."""


class PromptDetails(Struct, gc=False):
    image_tokens: int | None = None


class Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class ChatResponse(Struct, gc=False):
    id: Any = None
    model: Any = None
    created: Any = None
    choices: list[Choice] | None = []
    """None, not absent, is what openai-python dumps of an error: `ChatCompletion(id=None, choices=None, error=...)`."""
    usage: Usage | None = None
    system_fingerprint: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    type: Any = None
    code: Any = None
    """The last four make up vLLM's older error body, `{"object": "error", ...}`."""
    error_type: Any = None
    """Text Generation Inference's, beside the message in `error`."""


_to_filtered = msgspec.json.Decoder(Filtered).decode


def from_response(response: ChatResponse) -> list[Fields]:
    """`status`, `output`, `tokens` and `extra` of each item that a response answers.

    Of a chat that is one: the answer is the choice of lowest index; several choices, or what else a one-token answer
    could have been, become candidates. Of a text completion each choice is one, see `chat_request.from_texts`.

    Raises:
        InvalidEvent: there are more choices than allowed, or neither choices nor an error.
    """
    if (error := error_of(response)) is not None:
        return [from_error(error)]
    choices = response.choices
    if not choices:
        raise InvalidEvent(Rejection.INVALID, "choices: none, and no error either")
    if len(choices) == 1:  # mostly
        return [_from_choices(choices, response)]
    choices = sorted(choices, key=_index)
    if response.object == TEXTS or (choices[0].message is None and choices[0].text is not None):
        demand_few(len(choices))
        return [_from_choices((one,), response) for one in choices]
    if len(choices) > MAX_CHOICES:
        raise InvalidEvent(Rejection.INVALID, f"choices: {len(choices)} of them; {MAX_CHOICES} are allowed")
    return [_from_choices(choices, response)]


def _from_choices(choices: Sequence[Choice], response: ChatResponse) -> Fields:
    """What the first of them answers. Where it ended in an error, what had come of it stays beside it."""
    first = choices[0]
    extra: Fields = {}
    fields: Fields = {"status": "ok", "output": _output(first, choices, extra)}
    if response.usage is not None:
        fields["tokens"] = _tokens(response.usage)
    if isinstance(response.system_fingerprint, str):
        extra["system_fingerprint"] = response.system_fingerprint
    if extra:
        fields["extra"] = extra
    if first.error is not None or first.finish_reason == "error":
        return over(fields, from_error(first.error))
    return fields


def error_of(response: ChatResponse) -> Any:
    """What failed, as `failures.from_error` takes it; None where nothing did."""
    if response.error is None and response.object == "error":
        return {"message": response.message, "type": response.type, "code": response.code}
    if isinstance(response.error, str) and response.error_type is not None:
        return {"message": response.error, "type": response.error_type}
    return response.error


def read_chat(response: ChatResponse, *, cut: bool = False) -> Read:
    """The same as what a body says.

    Args:
        cut: its stream ended before it did.

    Raises:
        InvalidEvent: as `from_response`.
    """
    if cut and response.error is None:
        rows = [{**row, **CUT} for row in (from_response(response) if response.choices else [{}])]
    else:
        rows = from_response(response)
    return Read(rows, answer_id=word(response.id), model=word(response.model), created=response.created)


def _output(first: Choice, choices: Sequence[Choice], extra: Fields) -> Fields:
    said = first.message or Answer()
    output: Fields = {}
    answer = _answer_of(first)
    if answer is not None:
        output["answer"] = answer
    if said.refusal or first.finish_reason == "content_filter":
        output["refused"] = True
    if categories := _categories(first):
        output["safety"] = {"flagged": True, "categories": categories}
    if first.finish_reason not in ("stop", None):
        extra["finish_reason"] = first.finish_reason
    if said.tool_calls or said.function_call:
        extra["tool_calls"] = [_called(one) for one in calls_of(said)[:MAX_TOOL_CALLS]]
    tokens = _answer_tokens(first) if answer else ()  # a call of a tool alone has tokens, but no answer
    sure = confidence(tokens)
    if sure is not None:
        output["confidence"] = sure
    if len(choices) > 1:
        output["candidates"] = _candidates(choices)
    elif len(tokens) == 1 and (others := alternatives(tokens[0])):
        output["candidates"] = others
    return output


def _candidates(choices: Sequence[Choice]) -> list[Fields]:
    """The distinct answers, each with its confidence; where log-probabilities are missing, its share of the choices."""
    answers = [_answer_of(one) for one in choices]
    sure = [confidence(_answer_tokens(one)) for one in choices]
    given = [(answer, score) for answer, score in zip(answers, sure, strict=True) if answer is not None]
    scores: dict[str, float] = {}
    if all(score is not None for _, score in given):
        for answer, score in given:
            scores[answer] = max(scores.get(answer, 0.0), score or 0.0)
    else:
        counts = Counter(answer for answer, _ in given)
        scores = {answer: count / len(given) for answer, count in counts.items()}
    ordered = sorted(scores.items(), key=lambda one: -one[1])
    return [{"answer": answer, "score": score} for answer, score in ordered]


def _answer_of(choice: Choice) -> str | None:
    if choice.message is None:
        said = choice.text
    elif (said := said_in(choice.message)) is None:
        said = choice.message.refusal
    return without_thoughts(said) if said is not None and HINT in said else said


def said_in(answer: Answer) -> str | None:
    """What it says in writing, else in speech."""
    content = answer.content if isinstance(answer.content, str) else text_in(answer.content)
    if content or answer.audio is None:  # mostly
        return content
    match answer.audio:
        case {"transcript": str(spoken)}:
            return spoken
    return content


def _answer_tokens(choice: Choice) -> Sequence[Token]:
    """Those of the answer alone: reasoning and calls of tools that were taken out of its text may still stand among
    them."""
    given = choice.logprobs
    if not isinstance(given, Logprobs):
        return ()
    tokens = answer_tokens(given.content or given.refusal or tokens_of_text(given))
    said = choice.message
    if said is not None and (said.tool_calls or said.function_call or reasoned(said)):
        return spelling(_answer_of(choice) or "", tokens)
    text = choice.text if said is None else said.content
    if isinstance(text, str) and HINT in text and thinks(text):
        return spelling(_answer_of(choice) or "", tokens)
    return tokens


def reasoned(answer: Answer) -> bool:
    """Does it say, apart from the answer, what the model thought before?"""
    return bool(answer.reasoning_content or answer.reasoning or answer.thinking)


def _categories(choice: Choice) -> list[str]:
    """What a content filter found; Azure says which category, others only that it did."""
    results = choice.content_filter_results
    found = [name for name, result in results.items() if _is_filtered(result)] if results else []
    return found or (["content_filter"] if choice.finish_reason == "content_filter" else [])


def _is_filtered(result: Raw) -> bool:
    return bytes(result).startswith(b"{") and _to_filtered(result).filtered


def calls_of(answer: Answer) -> list[ToolCall]:
    """Of one that calls any."""
    given = answer.tool_calls or ToolCall(answer.function_call)
    return [given] if isinstance(given, ToolCall) else given


def _called(call: ToolCall) -> Fields:
    function = call.function or Function()
    return {"name": function.name, "arguments": text_of_arguments(function)}


def text_of_arguments(function: Function) -> str | None:
    """Arguments of a call as the JSON text that the API has."""
    given = function.arguments
    return given if given is None or isinstance(given, str) else msgspec.json.encode(given).decode()


def _tokens(usage: Usage) -> Fields:
    details = usage.prompt_tokens_details
    counted = {
        "in": usage.prompt_tokens,
        "out": usage.completion_tokens,
        "image": details.image_tokens if details is not None else None,
    }
    return {name: count for name, count in counted.items() if count is not None}


def _index(choice: Choice) -> int:
    return choice.index
