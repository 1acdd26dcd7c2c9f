"""Calls that no text answers: embeddings, rerank, moderation, classification; in the shapes of their documentation."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, FormatOptions, auto
from monitor.formats.decoder import Decoded

USAGE = {"prompt_tokens": 8, "total_tokens": 8}


def record(value: Any, **headers: str) -> Record:
    named = tuple((name, text.encode()) for name, text in headers.items())
    return Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode(), named)


def decoded(asked: Any, said: Any, name: str = "auto", **around: Any) -> list[Decoded]:
    call = {"id": "r1", "ts": 1763719200, "request": asked, "response": said, **around}
    return list(FORMATS[name](FormatOptions(model="m"))(record({k: v for k, v in call.items() if v is not None})))


def called(asked: Any, said: Any, name: str = "auto") -> list[Prediction]:
    found = decoded(asked, said, name)
    assert all(isinstance(one, Prediction) for one in found)
    return [one for one in found if isinstance(one, Prediction)]


def kserve(side: str, body: Any) -> list[Half]:
    headers = {"ce_type": f"org.kubeflow.serving.inference.{side}", "ce_id": "r1"}
    found = FORMATS["kserve"](FormatOptions(model="m"))(record(body, **headers))
    assert all(isinstance(one, Half) for one in found)
    return [one for one in found if isinstance(one, Half)]


def paired(asked: Any, said: Any) -> list[Prediction]:
    """The same, where KServe logs both sides apart."""
    questions, answers = kserve("request", asked), kserve("response", said)
    assert [one.pair_id for one in questions] == [one.pair_id for one in answers]
    return [join(question, answer) for question, answer in zip(questions, answers, strict=True)]


# ---- embeddings: OpenAI API reference, "Create embeddings" -----------------------------------------------------------


def vectors(count: int, vector: Any = (0.0023064255, -0.009327292)) -> dict[str, Any]:
    data = [{"object": "embedding", "embedding": vector, "index": index} for index in range(count)]
    return {"object": "list", "data": data, "model": "text-embedding-ada-002", "usage": USAGE}


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_each_text_that_is_embedded_is_a_prediction_of_its_own_task(name: str) -> None:
    asked = {"model": "text-embedding-ada-002", "input": ["a mug", "a jug"], "encoding_format": "float"}
    found = called(asked, vectors(2), name)
    assert [(one.request_id, one.task, one.status) for one in found] == [
        ("r1#0", "embedding", "ok"),
        ("r1#1", "embedding", "ok"),
    ]
    assert [(one.input.prompt, one.output.answer, one.tokens.input) for one in found] == [
        ("a mug", None, 8),
        ("a jug", None, 8),
    ]
    assert paired(asked, vectors(2))[1].task == "embedding"


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("The food was delicious", ["The food was delicious"]),
        ([1212, 318], [None]),
        ([[1212, 318], [257]], [None, None]),
        ([{"text": "a mug"}, {"image": "https://a/b.png"}], ["a mug", None]),
    ],
)
def test_what_is_embedded_may_be_one_text_its_tokens_or_pictures(given: Any, prompts: list[str | None]) -> None:
    asked = {"model": "e", "input": given, "encoding_format": "base64", "user": "u-1"}
    found = called(asked, vectors(len(prompts), "AACAPw=="))
    assert [one.input.prompt for one in found] == prompts
    assert {(one.task, one.extra["user_id"]) for one in found} == {("embedding", "u-1")}
    if not isinstance(given[0], dict):
        return
    assert found[1].input.image is not None
    assert found[1].input.image.ref == "https://a/b.png"


def test_a_text_that_may_be_a_question_is_told_by_its_response() -> None:
    """The Responses API is asked with the same members."""
    asked = {"model": "m", "input": "What is it?"}
    assert [one.task for one in called(asked, vectors(1))] == ["embedding"]
    response = {"object": "response", "status": "completed", "output": []}
    assert [one.task for one in called(asked, response)] == ["vqa"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "all-minilm", "input": "Why?"}, {"model": "all-minilm", "embeddings": [[0.01, -0.001]]}),
        ({"inputText": "Why?"}, {"embedding": [0.1, 0.2], "inputTextTokenCount": 3}),
        ({"content": {"parts": [{"text": "Why?"}]}}, {"embedding": {"values": [0.1, 0.2]}}),
    ],
    ids=["Ollama", "Titan", "Gemini"],
)
def test_vectors_of_other_apis_are_no_answer_of_the_topics_task(asked: Any, said: Any) -> None:
    (one,) = called(asked, said, "oip")
    assert (one.task, one.output.answer) == ("embedding", None)


def test_an_answer_beside_a_vector_is_an_answer() -> None:
    (one,) = called({"prompt": "q", "model": "m"}, {"label": "cat", "embedding": [0.1]}, "oip")
    assert (one.task, one.output.answer) == ("vqa", "cat")


def test_embeddings_that_failed_are_failures_of_their_task() -> None:
    asked = {"model": "e", "input": ["a", "b"], "encoding_format": "float"}
    found = called(asked, {"error": {"message": "too long", "type": "invalid_request_error"}}, "oip")
    assert [(one.task, one.status) for one in found] == [("embedding", "rejected")] * 2


# ---- rerank: Cohere API reference, "Rerank"; vLLM; Jina; Voyage; Text Embeddings Inference ---------------------------

DOCUMENTS = ["Carson City is in Nevada.", "Washington, D.C. is the capital.", "Capital punishment exists."]
ASKED = {"model": "rerank-v3.5", "query": "What is the capital?", "top_n": 2, "documents": DOCUMENTS}
RANKED = [{"index": 1, "relevance_score": 0.999071}, {"index": 0, "relevance_score": 0.32713068}]
COHERE = {
    "results": RANKED,
    "id": "07734bd2",
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
}


def ranking(one: Prediction) -> list[tuple[str, float | None]]:
    return [(each.answer, each.score) for each in one.output.candidates]


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_what_a_rerank_ranks_is_the_answer_of_a_retrieval(name: str) -> None:
    (one,) = called(ASKED, COHERE, name)
    assert (one.task, one.status, one.input.prompt) == ("retrieval", "ok", "What is the capital?")
    assert (one.output.answer, one.output.confidence) == (DOCUMENTS[1], None)
    assert ranking(one) == [(DOCUMENTS[1], 0.999071), (DOCUMENTS[0], 0.32713068)]


def test_documents_with_an_id_go_by_it() -> None:
    documents = [{"id": f"d-{index}", "text": text} for index, text in enumerate(DOCUMENTS)]
    (one,) = called({**ASKED, "documents": documents}, COHERE)
    assert ranking(one) == [("d-1", 0.999071), ("d-0", 0.32713068)]


def test_documents_that_the_response_repeats_are_known_from_it_alone() -> None:
    """vLLM, Jina and SGLang do so."""
    found = [{**one, "document": {"text": DOCUMENTS[one["index"]]}} for one in RANKED]
    said = {"id": "rerank-1", "model": "bge", "usage": {"total_tokens": 56}, "results": found[::-1]}
    (one,) = paired(ASKED, said)
    assert (one.task, one.tokens.input) == ("retrieval", 56)
    assert ranking(one) == [(DOCUMENTS[1], 0.999071), (DOCUMENTS[0], 0.32713068)]


def test_where_nobody_repeats_them_documents_go_by_their_place_in_halves() -> None:
    (one,) = paired(ASKED, COHERE)
    assert ranking(one) == [("1", 0.999071), ("0", 0.32713068)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"query": "q", "texts": DOCUMENTS, "raw_scores": False},
            [{"index": 1, "score": 0.9987}, {"index": 0, "score": 0.02}],
        ),
        (
            {"model": "rerank-2", "query": "q", "documents": DOCUMENTS},
            {"object": "list", "data": RANKED, "model": "rerank-2", "usage": {"total_tokens": 26}},
        ),
        (
            {"query": "q", "documents": DOCUMENTS},
            [{"score": 5.2, "document": DOCUMENTS[1], "index": 1, "meta_info": {"id": "x"}}],
        ),
    ],
    ids=["Text Embeddings Inference", "Voyage", "SGLang"],
)
def test_a_rerank_of_other_servers(asked: Any, said: Any) -> None:
    (one,) = called(asked, said, "oip")
    assert (one.task, one.output.answer) == ("retrieval", DOCUMENTS[1])


def test_the_least_that_a_rerank_says_is_one_apart_from_its_response_too() -> None:
    (one,) = paired({"model": "bge", "query": "q", "documents": DOCUMENTS}, COHERE)
    assert (one.task, ranking(one)) == ("retrieval", [("1", 0.999071), ("0", 0.32713068)])


def test_an_answer_refutes_that_documents_were_to_be_ranked() -> None:
    (one,) = called({"model": "rag", "query": "q", "documents": DOCUMENTS}, {"answer": "It is Washington."}, "oip")
    assert (one.task, one.output.answer) == ("vqa", "It is Washington.")


# ---- NVIDIA NeMo Retriever Reranking NIM, "Use the API"; vLLM, "Score API" -------------------------------------------

NIM_ASKED = {
    "model": "nvidia/llama-nemotron-rerank-vl-1b-v2",
    "query": {"text": "which way should i go?"},
    "passages": [{"text": one} for one in DOCUMENTS],
    "truncate": "END",
}
NIM = {
    "rankings": [{"index": 1, "logit": 0.7646484375}, {"index": 2, "logit": -1.109375}, {"index": 0, "logit": -2.5}],
    "usage": {"prompt_tokens": 56, "total_tokens": 56},
}


@pytest.mark.parametrize("name", ["auto", "openai_chat", "oip"])
def test_a_rerank_of_nim(name: str) -> None:
    (one,) = called(NIM_ASKED, NIM, name)
    assert (one.task, one.input.prompt, one.tokens.input) == ("retrieval", "which way should i go?", 56)
    assert ranking(one) == [(DOCUMENTS[1], 0.7646484375), (DOCUMENTS[2], -1.109375), (DOCUMENTS[0], -2.5)]
    assert one.model.name == "nvidia/llama-nemotron-rerank-vl-1b-v2"


def test_a_rerank_of_nim_in_halves() -> None:
    (one,) = paired(NIM_ASKED, NIM)
    assert (one.task, one.input.prompt) == ("retrieval", "which way should i go?")
    assert ranking(one)[0] == ("1", 0.7646484375)


def scores(*given: float) -> dict[str, Any]:
    data = [{"index": index, "object": "score", "score": score} for index, score in enumerate(given)]
    return {"id": "score-1", "object": "list", "created": 693447, "model": "bge", "data": data, "usage": USAGE}


@pytest.mark.parametrize("pair", [("text_1", "text_2"), ("queries", "documents"), ("data_1", "data_2")])
def test_a_score_of_one_question_ranks_the_documents(pair: tuple[str, str]) -> None:
    asked = {"model": "bge", pair[0]: "What is the capital?", pair[1]: DOCUMENTS}
    (one,) = called(asked, scores(0.1, 0.9, 0.2))
    assert (one.task, one.input.prompt, one.tokens.input) == ("retrieval", "What is the capital?", 8)
    assert ranking(one) == [(DOCUMENTS[1], 0.9), (DOCUMENTS[2], 0.2), (DOCUMENTS[0], 0.1)]
    (one,) = paired(asked, scores(0.1, 0.9, 0.2))
    assert (one.task, ranking(one)[0]) == ("retrieval", ("1", 0.9))


def test_a_score_of_pairs_is_as_many_items() -> None:
    asked = {"model": "bge", "text_1": ["q0", "q1"], "text_2": DOCUMENTS[:2]}
    found = called(asked, scores(0.1, 0.9), "oip")
    assert [(one.input.prompt, ranking(one)) for one in found] == [
        ("q0", [(DOCUMENTS[0], 0.1)]),
        ("q1", [(DOCUMENTS[1], 0.9)]),
    ]
    (one,) = called({"model": "bge", "text_1": "q", "text_2": "d"}, scores(1.0), "oip")
    assert ranking(one) == [("d", 1.0)]


def test_a_question_that_documents_are_to_answer_is_no_rerank() -> None:
    (one,) = called({"query": "q", "documents": DOCUMENTS, "top_k": 3}, {"answer": "It is Washington."}, "oip")
    assert (one.task, one.output.answer) == ("vqa", "It is Washington.")


@pytest.mark.parametrize("score", [float("inf"), float("nan"), 10**400, "0.9", None])
def test_a_score_that_is_no_number_is_refused(score: Any) -> None:
    with pytest.raises(InvalidEvent):
        decoded(ASKED, {"results": [{"index": 0, "relevance_score": score}]}, "oip")


def test_what_is_no_place_makes_no_ranking() -> None:
    (one,) = called(ASKED, {"results": [{"index": True, "relevance_score": 0.9}, *RANKED]}, "oip")
    assert one.output.answer is None


@pytest.mark.parametrize("place", [-1, 3, 10**30])
def test_a_place_where_no_document_is_stays_one(place: int) -> None:
    (one,) = called(ASKED, {"results": [{"index": place, "relevance_score": 0.5}]}, "oip")
    assert one.output.answer == str(place)


# ---- moderation: OpenAI API reference, "Moderations"; Mistral --------------------------------------------------------

FLAGS = {"sexual": False, "violence": True, "self-harm": False}
SCORES = {"sexual": 2.34e-07, "violence": 0.997, "self-harm": 1.1e-06}
MODERATED = {"flagged": True, "categories": FLAGS, "category_scores": SCORES}
SAFE = {"flagged": False, "categories": dict.fromkeys(FLAGS, False), "category_scores": SCORES}


def moderation(*results: Any) -> dict[str, Any]:
    return {"id": "modr-0d9740456c391e43c445bf0f010940c7", "model": "omni-moderation-latest", "results": [*results]}


def test_what_a_moderation_says_is_a_safety_verdict() -> None:
    asked = {"model": "omni-moderation-latest", "input": ["I will hurt them", "a mug"]}
    for found in (called(asked, moderation(MODERATED, SAFE)), paired(asked, moderation(MODERATED, SAFE))):
        assert [one.task for one in found] == ["moderation"] * 2
        said = [one.output.safety for one in found]
        assert [(one.flagged, list(one.categories)) for one in said if one] == [(True, ["violence"]), (False, [])]
        assert [one.input.prompt for one in found] == asked["input"]


def test_a_picture_beside_a_text_is_moderated_with_it() -> None:
    parts = [
        {"type": "text", "text": "...text to classify goes here..."},
        {"type": "image_url", "image_url": {"url": "https://example.com/image.png"}},
    ]
    (one,) = called({"model": "omni-moderation-latest", "input": parts}, moderation(SAFE))
    assert one.input.prompt == "...text to classify goes here..."
    assert one.input.image is not None
    assert one.input.image.ref == "https://example.com/image.png"


def test_a_moderation_without_a_verdict_is_flagged_by_its_categories() -> None:
    (one,) = called({"model": "m", "input": "a"}, moderation({"categories": FLAGS, "category_scores": SCORES}))
    assert one.output.safety is not None
    assert one.output.safety.flagged


# ---- classification: vLLM, "Classification API" ----------------------------------------------------------------------


def test_a_class_of_vllm_is_an_answer() -> None:
    data = [
        {"index": 0, "label": "Default", "probs": [0.565, 0.434], "num_classes": 2},
        {"index": 1, "label": "Spoiled", "probs": [0.26, 0.73], "num_classes": 2},
    ]
    said = {"id": "classify-7c87", "object": "list", "model": "qwen", "data": data, "usage": USAGE}
    found = called({"model": "qwen", "input": ["a", "b"]}, said, "oip")
    assert [(one.task, one.output.answer, one.output.confidence) for one in found] == [
        ("vqa", "Default", 0.565),
        ("vqa", "Spoiled", 0.73),
    ]


# ---- LiteLLM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call_type", "messages", "response", "task", "prompts"),
    [
        ("aembedding", ["a", "b"], vectors(2), "embedding", ["a", "b"]),
        ("embedding", "a", vectors(1), "embedding", ["a"]),
        ("arerank", "What is the capital?", COHERE, "retrieval", ["What is the capital?"]),
        ("amoderation", "a mug", moderation(SAFE), "moderation", ["a mug"]),
    ],
)
def test_such_calls_through_litellm(call_type: str, messages: Any, response: Any, task: str, prompts: Any) -> None:
    value = {
        "id": "l-1", "call_type": call_type, "status": "success", "model": "m", "messages": messages,
        "response": response, "startTime": 1763719205.0, "endTime": 1763719205.5, "prompt_tokens": 8,
        "completion_tokens": 0, "response_cost": 1e-06, "metadata": {},
    }  # fmt: skip
    assert auto.detected(record(value)) == "openai_chat"
    found = auto.decoder(FormatOptions())(record(value))
    said = [(one.task, one.status, one.input.prompt) for one in found if isinstance(one, Prediction)]
    assert said == [(task, "ok", prompt) for prompt in prompts]


@pytest.mark.parametrize("odd", [None, True, -1, 10**18, 1e300, "", "x", [], {}, [[]], [None], [{}]], ids=repr)
@pytest.mark.parametrize("place", ["index", "relevance_score", "document", "results", "data", "input", "documents"])
def test_what_is_odd_is_read_or_refused(place: str, odd: Any) -> None:
    for said in (
        {"results": [{"index": 0, "relevance_score": 0.5, place: odd}]},
        {"results": [{"categories": odd, "category_scores": {}}]},
        {"data": [{"embedding": odd, "label": odd, "probs": odd}], place: odd},
        [{"index": odd, "score": odd, place: odd}],
        {place: odd},
    ):
        for asked in ({"model": "m", "query": "q", "input": "a", place: odd}, {"model": "m", place: odd}):
            with suppress(InvalidEvent):
                decoded(asked, said, "oip")
