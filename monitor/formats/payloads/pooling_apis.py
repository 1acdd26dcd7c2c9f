"""Calls that no text answers: embeddings, rerank, moderation and classification, as OpenAI, Cohere, Jina, Voyage, vLLM
(its pooling models), SGLang and Text Embeddings Inference serve them.

What a rerank ranks is the answer of a retrieval, what a moderation says is a safety verdict; vectors answer nothing,
so that such calls have tasks of their own and count in no figure of another. OpenAI API reference, "Embeddings",
"Moderations"; Cohere API reference, "Rerank" (https://docs.cohere.com/reference/rerank); vLLM, "Pooling Models";
https://huggingface.github.io/text-embeddings-inference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.formats.payloads.answers import candidates, finite
from monitor.formats.payloads.chat_request import ChatRequest, Message, Part, from_request, user_of
from monitor.formats.payloads.framing import Read, word
from monitor.formats.payloads.rows import Fields, demand_few
from monitor.formats.payloads.values import text_of

EMBEDDING: Final = "embedding"
RETRIEVAL: Final = "retrieval"
MODERATION: Final = "moderation"
_OF_EMBEDDINGS: Final = frozenset({"encoding_format", "dimensions", "input_type", "embedding_types"})
_OF_RERANK: Final = frozenset(
    {"top_n", "return_documents", "rank_fields", "raw_scores", "return_text", "texts", "passages"}
)
_LEAST: Final = frozenset({"model", "query", "documents"})
_MORE: Final = frozenset({"top_k", "truncate", "truncation", "user", "max_tokens_per_doc", "max_chunks_per_doc"})
"""What a rerank says at the least, and what may stand beside it."""
_OF_RANKED: Final = frozenset(
    {"index", "score", "relevance_score", "relevanceScore", "logit", "text", "document", "meta_info", "object"}
)
_SCORES: Final = ("relevance_score", "relevanceScore", "score", "logit")
_PAIRS: Final = (("text_1", "text_2"), ("queries", "documents"), ("data_1", "data_2"))
"""What vLLM's score compares with what."""
_PARTS: Final = ("text", "image_url")
_OF_PAIRS: Final = frozenset({"text", "image"})
_LISTS: Final = frozenset({"data", "results", "rankings"})
_VECTORS: Final = ("embedding", "embeddings")


def read_request(body: Mapping[str, Any]) -> Read | None:
    """What a request asks, an item for each of its texts; None where it is of no such API, or may be of another: a text
    that is all of the `input` may as well be a question.

    Raises:
        InvalidEvent: there are more items than allowed.
    """
    if (scored := _scored(body)) is not None:
        return scored
    rows = _rows_in(body)
    return _asked(rows, body) if rows else None


def _scored(body: Mapping[str, Any]) -> Read | None:
    """What is to be ranked for a question, by names that no other API has: NVIDIA's NIM, and vLLM's score, whose
    several questions are as many items with one document each."""
    match body:
        case {"query": {"text": str(text)}, "passages": list(documents)}:
            return _ranking([text], documents, body)
    for first, second in _PAIRS:
        if first in body and second in body and isinstance(body.get("model"), str):
            asked, said = body[first], body[second]
            questions = asked if isinstance(asked, list) else [asked]
            return _ranking(_few(questions), said if isinstance(said, list) else [said], body)
    return None


def _ranking(questions: list[Any], documents: list[Any], body: Mapping[str, Any]) -> Read:
    read = _asked([_said(one if isinstance(one, str) else None) for one in questions], body)
    read.rows = [{**row, "task": RETRIEVAL} for row in read.rows]
    read.documents = [_name(one) or "" for one in documents]
    return read


def _rows_in(body: Mapping[str, Any]) -> list[Fields]:
    given, model = body.get("input"), body.get("model")
    if given is None and "input_type" in body:  # Cohere's
        given, model = body.get("texts"), ""
    if not given or not isinstance(model, str):
        return []
    if isinstance(given, str):
        return [_said(given)] if MODERATION in model or not _OF_EMBEDDINGS.isdisjoint(body) else []
    return _rows_of(given) if isinstance(given, list) else []


def _rows_of(items: list[Any]) -> list[Fields]:
    """The texts of a list (their tokens say nothing), the tokens of one text, pictures and texts, or a single message
    in parts, which only moderations take."""
    first = items[0]
    if isinstance(first, dict):
        if first.get("type") in _PARTS:
            return [{**_said([*map(_part, items)]), "task": MODERATION}]
        return [_pair(one) for one in _few(items)] if first and first.keys() <= _OF_PAIRS else []
    if isinstance(first, str | list):
        return [_said(one if isinstance(one, str) else None) for one in _few(items)]
    return [_said(None)] if isinstance(first, int) else []


def documents_in(body: Mapping[str, Any]) -> list[str]:
    """What a request wants to have ranked, each by its name; nothing where it asks something else."""
    found = body.get("documents", body.get("texts")) if isinstance(body.get("query"), str) else None
    return [_name(one) or "" for one in found] if isinstance(found, list) else []


def is_rerank(body: Mapping[str, Any]) -> bool:
    """Does a request with documents want them ranked, not a question answered by them?"""
    return not _OF_RERANK.isdisjoint(body) or says_the_least(body)


def says_the_least(body: Mapping[str, Any]) -> bool:
    """Nothing but what a rerank must say: whoever answers questions by documents may ask so too, but hardly does."""
    return body.keys() >= _LEAST and body.keys() <= _LEAST | _MORE


def read_response(body: Any) -> Read | None:
    """What a response says, an item for each text; None where it is of no such API.

    Raises:
        InvalidEvent: a score is no finite number, or there are more items than allowed.
    """
    if isinstance(body, list):
        return _ranked(body, {})
    return _of_object(body) if not _LISTS.isdisjoint(body) else None


def _of_object(body: Mapping[str, Any]) -> Read | None:
    match body:
        case (
            {"results": [{"index": int()}, *_] as found}
            | {"data": [{"index": int(), "relevance_score": _}, *_] as found}  # Voyage's
            | {"rankings": [{"index": int()}, *_] as found}  # NVIDIA's
        ):
            return _ranked(found, body)
        case {"data": [{"index": int(), "score": _}, *_] as found}:
            return _compared(found, body)
        case {"results": [{"categories": dict(), "category_scores": dict()}, *_] as found}:
            return _answered([_moderated(one) for one in _few(found)], body)
        case {"data": [{"label": _, "probs": list()}, *_] as found}:
            return _answered([_classified(one) for one in _few(found)], body)
        case {"data": [{"embedding": list() | str() | dict()}, *_] as found}:
            return _answered([{"task": EMBEDDING, "output": {}}] * len(_few(found)), body)
    return None


def is_vector(body: Mapping[str, Any]) -> bool:
    """Does an object that says nothing else hold vectors, as those of Ollama, Cohere, Gemini, SGLang and Titan do?"""
    return any(isinstance(body.get(name), list | dict) for name in _VECTORS)


def with_documents(rows: Sequence[Fields], documents: Sequence[str]) -> list[Fields]:
    """Rows whose candidates are places among the documents that were to be ranked, with these in their stead."""
    return [{**row, "output": _named(row["output"], documents)} if "output" in row else row for row in rows]


def _asked(rows: list[Fields], body: Mapping[str, Any]) -> Read:
    model = word(body.get("model"))
    task = MODERATION if MODERATION in model else "" if _OF_EMBEDDINGS.isdisjoint(body) else EMBEDDING
    told: Fields = {"task": task} if task else {}
    if user := user_of(body.get("user"), body.get("safety_identifier"), body.get("metadata")):
        told["extra"] = {"user_id": user}
    metadata = body.get("metadata")
    return Read([told | row for row in rows], model=model, metadata=metadata if isinstance(metadata, dict) else {})


def _answered(rows: list[Fields], body: Mapping[str, Any]) -> Read:
    told: Fields = {"status": "ok"}
    match body.get("usage") or body.get("meta"):
        case {"prompt_tokens": int(count)} | {"total_tokens": int(count)} | {"tokens": {"input_tokens": int(count)}}:
            told["tokens"] = {"in": count}
    return Read([told | row for row in rows], answer_id=word(body.get("id")), model=word(body.get("model")))


def _said(content: str | list[Part] | None) -> Fields:
    return from_request(ChatRequest(), [Message(content=content)])


def _pair(item: Any) -> Fields:
    """Jina's: a text or a picture."""
    told = item if isinstance(item, dict) else {}
    text = told.get("text")
    return from_request(
        ChatRequest(), [Message(content=text if isinstance(text, str) else None, images=[told.get("image")])]
    )


def _part(item: Any) -> Part:
    match item:
        case {"type": "text", "text": str(text)}:
            return Part("text", text)
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return Part("image_url", image_url=url)
    return Part()


def _few(items: list[Any]) -> list[Any]:
    demand_few(len(items))
    return items


def _ranked(found: Sequence[Any], body: Mapping[str, Any]) -> Read | None:
    """The documents by their score, the best first; by their place where they are not told."""
    if not found or not all(map(_is_ranked, found)):
        return None
    names = [_name(one.get("document", one.get("text"))) for one in found]
    by_place = None in names
    scores = [next(one[name] for name in _SCORES if name in one) for one in found]
    best = candidates([one["index"] for one in found] if by_place else names, scores)
    read = _answered([{"task": RETRIEVAL, "output": {"answer": best[0]["answer"], "candidates": best}}], body)
    read.by_place = by_place
    return read


def _compared(found: Sequence[Any], body: Mapping[str, Any]) -> Read | None:
    """vLLM's score: of one question with all documents, or of as many questions with the document of each."""
    whole = _ranked(found, body)
    if whole is None or len(found) == 1:
        return whole
    each = [_ranked([one], body) for one in _few(list(found))]
    whole.otherwise = [row for one in each if one is not None for row in one.rows]
    return whole


def _is_ranked(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and type(item.get("index")) is int  # true is one, too
        and item.keys() <= _OF_RANKED
        and not item.keys().isdisjoint(_SCORES)
    )


def _name(document: Any) -> str | None:
    """Its id, else its text or address."""
    match document:
        case {"id": str() | int() as name} | {"text": str(name)} | {"url": str(name)} | {"image": str(name)}:
            return str(name)
        case str():
            return document
    return None


def _named(output: Fields, documents: Sequence[str]) -> Fields:
    places = [int(one["answer"]) for one in output.get("candidates", ())]
    if not places or not all(0 <= one < len(documents) and documents[one] for one in places):
        return output
    found = [{**one, "answer": documents[at]} for one, at in zip(output["candidates"], places, strict=True)]
    return {**output, "answer": found[0]["answer"], "candidates": found}


def _moderated(result: Any) -> Fields:
    match result:
        case {"categories": {**categories}, **more}:
            found = [str(name) for name, is_so in categories.items() if is_so is True]
            flagged = more.get("flagged")
            safety = {"flagged": flagged if isinstance(flagged, bool) else bool(found), "categories": found}
            return {"task": MODERATION, "output": {"safety": safety}}
    return {"output": {}}


def _classified(result: Any) -> Fields:
    """vLLM's: the name of the likeliest class, and the probabilities of all."""
    output: Fields = {}
    match result:
        case {"label": label, "probs": [_, *_] as shares}:
            if (answer := text_of(label)) is not None:
                output["answer"] = answer
            sure = max(finite(one, "probs") for one in shares)
            if 0 <= sure <= 1:
                output["confidence"] = sure
    return {"output": output}
