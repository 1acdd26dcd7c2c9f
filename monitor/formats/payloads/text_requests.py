"""Requests of servers and models that have an API of their own for texts: SGLang's `generate`, llama.cpp's `completion`
and Cohere's first Chat API, which Bedrock still takes. Of most others the prompt goes by a name that is known.

SGLang, "Sampling Parameters" (https://docs.sglang.io/basic_usage/sampling_params.html); llama.cpp, "POST /completion"
(https://github.com/ggml-org/llama.cpp/tree/master/tools/server); Cohere API reference, "Chat API v1".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor.formats.payloads.chat_request import ChatRequest, Message
from monitor.formats.payloads.rows import MAX_ROWS, demand_few

_OF_SGLANG: Final = frozenset(
    {
        "text", "sampling_params", "image_data", "video_data", "audio_data", "rid", "stream", "return_logprob",
        "logprob_start_len", "top_logprobs_num", "token_ids_logprob", "return_text_in_logprobs", "lora_path",
    }
)  # fmt: skip
"""All that clients of SGLang's `generate` send; a text beside anything else may be some other API's."""
_OF_COHERE: Final = frozenset({"chat_history", "preamble"})


def requests_in(body: Mapping[str, Any]) -> list[ChatRequest]:
    """The chat requests that ask what this body asks, one for each answer that will come; none where it is of no such
    API.

    Raises:
        InvalidEvent: there are more than allowed.
    """
    match body:
        case {"text": str() | list() as texts} if "sampling_params" in body or body.keys() <= _OF_SGLANG:
            return _of_sglang(body, texts)
        case {"input_ids": [*tokens], "sampling_params": _}:
            return _of_sglang(body, [None] * len(tokens) if tokens and isinstance(tokens[0], list) else [None])
        case {"message": str(text), **more} if not _OF_COHERE.isdisjoint(more):
            preamble = more.get("preamble")
            return [ChatRequest(messages=[Message(content=text)], system=preamble, temperature=more.get("temperature"))]
        case {"prompt": dict() as prompt}:
            return _each(body, [prompt])
        case {"prompt": [str() | dict(), *_] as prompts}:
            return _each(body, prompts)
    return _of_azure(body)


def _of_azure(body: Mapping[str, Any]) -> list[ChatRequest]:
    """Azure Machine Learning's language models take the messages of a chat, or texts of which each is an item."""
    match body.get("input_data"):
        case {"input_string": [*given], **more}:
            told = more.get("parameters")
        case _:
            return []
    options = told if isinstance(told, dict) else {}
    names = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_new_tokens"}
    limits = {ours: options.get(name) for ours, name in names.items()}
    if given and all(isinstance(one, dict) for one in given):
        return [ChatRequest(messages=msgspec.convert(given, list[Message]), **limits)]
    demand_few(len(given))
    return [ChatRequest(messages=[Message(content=one if isinstance(one, str) else None)], **limits) for one in given]


def _of_sglang(body: Mapping[str, Any], texts: str | list[Any]) -> list[ChatRequest]:
    """A picture, or a list of them, belongs to the text of the same place; of one text all pictures are."""
    prompts: list[Any] = [texts] if isinstance(texts, str) else texts
    given = body.get("image_data")
    pictures: list[Any] = given if isinstance(given, list) and len(prompts) > 1 else [given]
    settings = body.get("sampling_params")
    options: list[Any] = settings if isinstance(settings, list) else [settings]
    asked = []
    for place, prompt in enumerate(prompts):
        picture, option = (_at(those, place) for those in (pictures, options))
        told = option if isinstance(option, dict) else {}
        parts = picture if isinstance(picture, list) else [picture]
        message = Message(content=prompt if isinstance(prompt, str) else None, images=list(map(_address, parts)))
        request = ChatRequest(
            messages=[message],
            stream=body.get("stream"),
            temperature=told.get("temperature"),
            top_p=told.get("top_p"),
            max_tokens=told.get("max_new_tokens"),
        )
        count = told.get("n")
        asked += [request] * (count if isinstance(count, int) and 1 < count <= MAX_ROWS + 1 else 1)
        demand_few(len(asked))
    return asked


def _at(given: list[Any], place: int) -> Any:
    """What belongs to the text of this place; what is given once is for all."""
    if len(given) == 1:
        return given[0]
    return given[place] if place < len(given) else None


def _address(picture: Any) -> Any:
    """Of a picture that is an object with its address, as newer versions take it."""
    return picture.get("url") if isinstance(picture, dict) else picture


def _each(body: Mapping[str, Any], prompts: list[Any]) -> list[ChatRequest]:
    """llama.cpp's: texts, or objects with a text and pictures in base64."""
    demand_few(len(prompts))
    return [
        ChatRequest(
            messages=[_message(one)],
            stream=body.get("stream"),
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            max_tokens=body.get("n_predict", body.get("max_tokens")),
            seed=body.get("seed"),
        )
        for one in prompts
    ]


def _message(prompt: Any) -> Message:
    match prompt:
        case {"prompt_string": str(text), **more}:
            return Message(content=text, images=more.get("multimodal_data"))
        case str(text):
            return Message(content=text)
    return Message()
