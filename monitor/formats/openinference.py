"""OpenInference: the conventions of Arize Phoenix, on OTLP spans, and spans that Phoenix, Arize and SDKs write as JSON.

https://github.com/Arize-ai/openinference/tree/main/spec. As a format of its own it reads one span per record, as
Phoenix's API gives it (`context`, `start_time`, `status_code`, `attributes`), or as a row of its data frame
(`context.span_id`, `attributes.llm.model_name`); one without a kind by the GenAI conventions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.domain.events import Event, Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import evaluations, genai
from monitor.formats.calls import served_version
from monitor.formats.chats import Message, answered, asked, read_json, read_messages
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.exported_spans import looks_exported, read_exported
from monitor.formats.options import FormatOptions
from monitor.formats.parts import is_hidden
from monitor.formats.payloads.rows import Fields, with_ids
from monitor.formats.predictions import call_fields, known_tokens, prediction
from monitor.formats.retrievals import ranked
from monitor.formats.spans import OPENINFERENCE_KIND, Attributes, Span, with_attributes
from monitor.formats.trees import at, children, tree

_OF_MASTRA = "mastra.span.type"
"""What Mastra says of all its spans. Steps and chunks of a call are of the kind LLM too, but name no model."""
_KEPT = ("session.id", "user.id", "tag.tags", "metadata", "llm.provider", "llm.system")


def decoder(options: FormatOptions) -> Decoder:
    """Uses `task`, `model`, `slices` and `subject` (names of attributes, or `metadata.NAME`)."""

    def decode(record: Record) -> Sequence[Decoded]:
        try:
            span = read_exported(record.value)
            convention = decoded if OPENINFERENCE_KIND in span.attributes else genai.decoded
            return list(convention(span, options))
        except RecursionError:
            raise InvalidEvent(Rejection.INVALID, "the span's attributes are nested too deep") from None

    return decode


def recognises(record: Record) -> bool:
    """Does this look like an exported span?"""
    return looks_exported(record.value)


def decoded(span: Span, options: FormatOptions) -> Iterator[Event]:
    """The predictions of a span of these conventions, and the labels that are put on it.

    Raises:
        InvalidEvent: they do not allow what it says.
    """
    rows = list(_rows(span, options))
    for suffix, fields in with_ids("x", rows, OPENINFERENCE_KIND, options.max_record_bytes) if rows else ():
        yield prediction(span, fields, suffix.removeprefix("x"))
    yield from evaluations.of_span(span)


def _rows(span: Span, options: FormatOptions) -> Iterator[Fields]:
    read = _READERS.get(str(span.attributes.get(OPENINFERENCE_KIND, "")).upper())
    if read is None or (_OF_MASTRA in span.attributes and not _model(span.attributes).get("name")):
        return
    metadata = read_json(span.attributes.get("metadata"))
    if isinstance(metadata, dict):
        more = {f"metadata.{name}": value for name, value in metadata.items() if not isinstance(value, dict | list)}
        span = with_attributes(span, {**more, "metadata": metadata})
    attributes = span.attributes
    for said in read(attributes, tree(attributes)):
        if isinstance(metadata, dict) and "confidence" in metadata:
            said["output"] = {"confidence": metadata["confidence"], **said.get("output", {})}
        said["extra"] = {name: attributes.get(name) for name in _KEPT if not is_hidden(attributes.get(name))}
        if isinstance(metadata, dict):
            said["extra"]["metadata"] = metadata
        yield call_fields(span, said, options)


def _llm(attributes: Attributes, nested: Mapping[str, Any]) -> Iterator[Fields]:
    llm = nested.get("llm", {})
    questions = _messages(at(llm, "input_messages")) or _texts(at(llm, "prompts"), "prompt")
    answers = _messages(at(llm, "output_messages")) or _texts(at(llm, "choices"), "completion")
    if not questions:
        questions = _value(attributes, "input")
    if not answers:
        answers = _value(attributes, "output")
    reason = attributes.get("llm.finish_reason")
    yield {
        "model": _model(attributes),
        "input": asked(questions),
        "output": answered(answers, [reason] if reason else []),
        "tokens": _tokens(attributes),
        "cost_usd": attributes.get("llm.cost.total"),
    }


def _embedding(attributes: Attributes, nested: Mapping[str, Any]) -> Iterator[Fields]:
    """One prediction for each text: that is what an embedder answers."""
    name = attributes.get("embedding.model_name")
    for one in children(at(nested, "embedding", "embeddings")):
        vector, text = at(one, "embedding", "vector"), at(one, "embedding", "text")
        said: Fields = {"task": "embedding", "model": {"name": name}}
        if isinstance(text, str) and not is_hidden(text):
            said["input"] = {"prompt": text}
        if isinstance(vector, list):
            data = _float32(vector)
            said["embeddings"] = [{"kind": "prompt", "embedder": str(name), "dtype": "f4", "data": data}]
        yield said


def _retriever(attributes: Attributes, nested: Mapping[str, Any]) -> Iterator[Fields]:
    documents = children(at(nested, "retrieval", "documents")) or children(at(nested, "reranker", "output_documents"))
    found = [at(one, "document") for one in documents]
    rows = [one for one in found if isinstance(one, dict)]
    questions = _value(attributes, "input")
    query = attributes.get("reranker.query")
    yield {
        "task": "retrieval",
        "model": {"name": attributes.get("reranker.model_name")},
        "input": {"prompt": query} if query else asked(questions),
        "output": ranked((one.get("id", one.get("content")), one.get("score")) for one in rows),
    }


def _classifier(attributes: Attributes, nested: Mapping[str, Any]) -> Iterator[Fields]:
    """One prediction for each classification of the call (a proposal of the specification: classifier_spans.md)."""
    content = attributes.get("classifier.input.value")
    for one in children(at(nested, "classifier", "classifications")):
        said = at(one, "classification")
        if isinstance(said, dict):
            yield {
                "task": "classification",
                "model": {"name": attributes.get("classifier.model_name")},
                "input": {"prompt": content} if isinstance(content, str) and not is_hidden(content) else {},
                "output": _classified(said),
                "slices": {"classification": str(said.get("name", ""))},
            }


def _classified(said: Mapping[str, Any]) -> Fields:
    """A binary one answers true from one half upwards."""
    classes = [one for one in (at(item, "class") for item in children(said.get("classes"))) if isinstance(one, dict)]
    found: dict[str, float] = {}
    for one in classes:
        if isinstance(one.get("probability"), int | float):
            found[str(one.get("label"))] = one["probability"]
    probability = said.get("probability")
    if isinstance(probability, int | float):
        found |= {"true": probability, "false": 1 - probability}
    ordered = sorted(found.items(), key=lambda one: -one[1])
    answer = said.get("label", ordered[0][0] if ordered else None)
    confidence = said.get("confidence", found.get(str(answer)))
    candidates = [{"answer": name, "score": score} for name, score in ordered]
    return {"answer": answer, "candidates": candidates} | ({} if confidence is None else {"confidence": confidence})


_READERS = {
    "LLM": _llm,
    "EMBEDDING": _embedding,
    "RETRIEVER": _retriever,
    "RERANKER": _retriever,
    "CLASSIFIER": _classifier,
}
"""Kinds of spans that are model calls. Chains, agents, tools, guardrails and evaluators are not."""


def _messages(value: Any) -> list[Message]:
    """`message.contents.<j>.message_content.*`, or `message.content` where a message is plain text."""
    found = []
    for one in children(value):
        message = at(one, "message")
        if isinstance(message, dict):
            parts = [_part(at(item, "message_content")) for item in children(message.get("contents"))]
            parts = parts or [{"type": "text", "text": message.get("content")}]
            found += read_messages([{"role": message.get("role", ""), "parts": parts}], "llm messages")
    return found


def _texts(value: Any, kind: str) -> list[Message]:
    """Text completions: `prompts.<i>.prompt.text`, `choices.<i>.completion.text`."""
    found = [at(one, kind, "text") for one in children(value)]
    return [Message("user", [text]) for text in found if isinstance(text, str) and text and not is_hidden(text)]


def _model(attributes: Attributes) -> Fields:
    """What was asked for is the name; what answered, where it is called otherwise, says the version."""
    name = _first(attributes, "llm.request.model_name", "llm.model_name", "gen_ai.request.model")
    answering = _first(attributes, "llm.response.model_name", "gen_ai.response.model")
    if not answering:
        return {"name": name}
    return {"name": name or answering, "version": served_version(str(name or answering), str(answering))}


def _part(content: Any) -> Fields:
    match content:
        case {"image": {"image": {"url": str(url)}} | {"url": str(url)}}:
            return {"type": "image_url", "image_url": url}
        case {"text": str(text)}:
            return {"type": content.get("type", "text"), "text": text}
    return {"type": "other"}


def _value(attributes: Attributes, side: str) -> list[Message]:
    """`input.value` or `output.value`, where it is plain text: JSON is the body of some API, not a message."""
    value = attributes.get(f"{side}.value")
    plain = attributes.get(f"{side}.mime_type", "text/plain") == "text/plain"
    return [Message("user", [value])] if isinstance(value, str) and plain and value and not is_hidden(value) else []


def _tokens(attributes: Attributes) -> Fields:
    return known_tokens(
        {
            "in": _first(attributes, "llm.token_count.prompt", "gen_ai.usage.input_tokens"),
            "out": _first(attributes, "llm.token_count.completion", "gen_ai.usage.output_tokens"),
        }
    )


def _first(attributes: Attributes, *names: str) -> Any:
    """What the first of them says: spans of both conventions may say some of it in the words of the other."""
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _float32(vector: list[Any]) -> bytes:
    """Little-endian."""
    try:
        return struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError):
        raise InvalidEvent(
            Rejection.INVALID, "embedding.vector: not all of it are numbers of single precision"
        ) from None
