"""Models that think before they answer: how sure they were of the answer, not of what they thought."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.formats.payloads.confidence import Token, answer_tokens, spelling
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.streams import read_stream

Said = list[tuple[str, float]]
THOUGHT: Said = [("Hmm", -2.3), (",", -0.4), (" France", -1.6), (".", -0.3), ("</think>", -0.01), ("\n\n", 0.0)]
ANSWER: Said = [("Paris", -0.001), ("<|im_end|>", 0.0)]


def logprobs(said: Said) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": one, "bytes": None, "top_logprobs": []} for text, one in said]}


def choice(said: Said, **message: Any) -> dict[str, Any]:
    given = {"role": "assistant", "content": "Paris", **message}
    return {"index": 0, "message": given, "logprobs": logprobs(said), "finish_reason": "stop"}


def output(*choices: dict[str, Any]) -> Fields:
    body = {"id": "1", "object": "chat.completion", "model": "glm-5", "choices": choices}
    (row,) = read_response(json.dumps(body).encode(), Roles({}), 100_000, "").rows
    said: Fields = row["output"]
    return said


def streamed(*pieces: tuple[dict[str, Any], Said]) -> Fields:
    chunks: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "logprobs": logprobs(said) if said else None, "finish_reason": None}
        for delta, said in pieces
    ]
    chunks.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
    lines = [f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [one]})}\n\n" for one in chunks]
    (row,) = read_stream(("".join(lines) + "data: [DONE]\n\n").encode()).rows
    said: Fields = row["output"]
    return said


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_the_tokens_of_the_reasoning_do_not_count(name: str) -> None:
    """sgl-project/sglang, issue 25055 (`reasoning_content`); vLLM, whose newer versions say `reasoning`."""
    said = output(choice(THOUGHT + ANSWER, **{name: "Hmm, France."}))
    assert said["answer"] == "Paris"
    assert said["confidence"] == pytest.approx(math.exp(-0.001))


def test_the_tokens_of_the_answer_alone_count_all() -> None:
    """DeepSeek's API has those of the reasoning apart, as `logprobs.reasoning_content`."""
    assert output(choice(ANSWER, reasoning_content="Hmm"))["confidence"] == pytest.approx(math.exp(-0.001))


def test_channels_of_gpt_oss() -> None:
    """openai/harmony: reasoning and answer are messages of one text."""
    marks = ["<|channel|>", "analysis", "<|message|>", "Paris", "<|end|>", "<|start|>", "assistant", "<|channel|>"]
    said: Said = [(text, -1.0) for text in [*marks, "final", "<|message|>"]]
    found = output(choice([*said, ("Pa", -0.2), ("ris", -0.4), ("<|return|>", -3.0)], reasoning_content="Paris"))
    assert found["confidence"] == pytest.approx(math.exp(-0.3))


def test_without_reasoning_all_tokens_count() -> None:
    said = output(choice(THOUGHT + ANSWER, reasoning_content=None, reasoning=""))
    logs = [one for _, one in THOUGHT + ANSWER[:1]]
    assert said["confidence"] == pytest.approx(math.exp(sum(logs) / len(logs)))


def test_where_no_tokens_spell_the_answer_nothing_is_known() -> None:
    assert "confidence" not in output(choice([*THOUGHT, ("Lyon", -0.1)], reasoning_content="Hmm"))
    assert "confidence" not in output(choice(THOUGHT, reasoning_content="Hmm"))
    assert "confidence" not in output(choice(THOUGHT, content=None, reasoning_content="Hmm, France."))
    assert "confidence" not in output(choice(THOUGHT, content=" ", reasoning_content="Hmm, France."))


def test_the_alternatives_of_a_one_token_answer_are_those_of_its_token() -> None:
    given = choice(THOUGHT + ANSWER, reasoning_content="Hmm, France.")
    given["logprobs"]["content"][6]["top_logprobs"] = [
        {"token": "Paris", "logprob": -0.001},
        {"token": "Lyon", "logprob": -7.0},
    ]
    assert [one["answer"] for one in output(given)["candidates"]] == ["Paris", "Lyon"]


def test_candidates_are_scored_by_their_answers() -> None:
    lyon = choice([*THOUGHT, ("Lyon", -0.7)], content="Lyon", reasoning_content="Hmm, France.") | {"index": 1}
    found = output(choice(THOUGHT + ANSWER, reasoning_content="Hmm, France."), lyon)["candidates"]
    assert [(one["answer"], round(one["score"], 3)) for one in found] == [("Paris", 0.999), ("Lyon", 0.497)]


def test_what_ollama_thought_does_not_count() -> None:
    """ollama/ollama, server/routes.go: the parser takes `thinking` out of the content, not out of the logprobs."""
    body = {
        "model": "deepseek-r1",
        "created_at": "2025-11-21T10:00:05Z",
        "message": {"role": "assistant", "content": "Paris", "thinking": "Hmm, France."},
        "done": True,
        "done_reason": "stop",
        "logprobs": logprobs(THOUGHT + ANSWER[:1])["content"],
    }
    (row,) = read_response(json.dumps(body).encode(), Roles({}), 100_000, "").rows
    assert row["output"]["confidence"] == pytest.approx(math.exp(-0.001))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_stream_says_the_same(name: str) -> None:
    thought = [({name: text, "content": None}, [(text, one)]) for text, one in THOUGHT]
    said = streamed(({"role": "assistant", "content": ""}, []), *thought, ({"content": "Paris"}, ANSWER))
    assert said == {"answer": "Paris", "confidence": pytest.approx(math.exp(-0.001))}


def test_a_stream_whose_reasoning_comes_without_its_tokens() -> None:
    """sgl-project/sglang, issue 26778: they come, if at all, with a later piece."""
    said = streamed(({"reasoning_content": "Hmm, France."}, []), ({"content": "Paris"}, THOUGHT[-2:] + ANSWER))
    assert said["confidence"] == pytest.approx(math.exp(-0.001))


def test_a_stream_of_one_piece() -> None:
    """As gateways make one of a whole response."""
    said = streamed(({"reasoning_content": "Hmm, France.", "content": "Paris"}, THOUGHT + ANSWER))
    assert said["confidence"] == pytest.approx(math.exp(-0.001))


def test_a_stream_without_reasoning_counts_all_its_tokens() -> None:
    said = streamed(({"content": "It", "reasoning_content": None}, [("It", -0.2)]), ({"content": "!"}, [("!", -0.4)]))
    assert said["confidence"] == pytest.approx(math.exp(-0.3))


@pytest.mark.parametrize(
    ("answer", "texts", "found"),
    [
        ("a mug", ["</think>", "\n\n", "a", " mug"], ["a", " mug"]),
        ("\n\na mug\n", ["</think>", "\n\n", "a", " mug\n\n\n"], ["a", " mug\n\n\n"]),
        ("a mug", ["\n\na", " mug"], ["\n\na", " mug"]),
        ("mug", ["mug", " mug"], [" mug"]),
        ("mug", ["", "mug", ""], ["mug", ""]),
        ("mug", ["smug"], []),
        ("mug", ["m", "u"], []),
        ("mug", [], []),
        ("", ["mug"], []),
    ],
)
def test_the_fewest_tokens_that_spell_the_answer(answer: str, texts: list[str], found: list[str]) -> None:
    assert [one.token for one in spelling(answer, [Token(text) for text in texts])] == found


words = st.text(st.sampled_from("ab \n"), max_size=3)


@given(before=st.lists(words, max_size=8), answer=st.lists(words, max_size=8))
def test_an_answer_at_the_end_is_always_found(before: list[str], answer: list[str]) -> None:
    tokens = answer_tokens([Token(text) for text in [*before, "</think>", *answer]])
    said = "".join(answer)
    found = spelling(said, tokens)
    assert "".join(one.token for one in found).strip() == said.strip()
    assert list(found) == list(tokens[len(tokens) - len(found) :])
