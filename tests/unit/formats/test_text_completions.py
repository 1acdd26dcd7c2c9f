"""Text completions: a prompt is a text, several, the tokens of one, or a list of those; each answer is an item.

OpenAI API reference, "Create completion" (https://platform.openai.com/docs/api-reference/completions/create).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, Decoded, FormatOptions
from monitor.formats.payloads.rows import MAX_ROWS

REQUEST: dict[str, Any] = {"model": "m", "max_tokens": 7, "user": "u1"}


def answers(*texts: str, **more: Any) -> dict[str, Any]:
    choices = [{"text": text, "index": index, "finish_reason": "stop"} for index, text in enumerate(texts)]
    return {"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": choices, **more}


def decoded(name: str, value: Any, **headers: str) -> list[Decoded]:
    named = tuple((key, text.encode()) for key, text in headers.items())
    record = Record(Partition("c", "t", "i", 0), 0, 1763719205_000, json.dumps(value).encode(), named)
    return list(FORMATS[name](FormatOptions())(record))


def read(name: str, value: Any) -> list[Prediction]:
    found = decoded(name, value)
    assert all(isinstance(one, Prediction) for one in found)
    return found  # type: ignore[return-value]


def call(request: dict[str, Any], response: dict[str, Any]) -> list[Prediction]:
    return read("openai_chat", {"id": "r1", "request": {**REQUEST, **request}, "response": response})


def halves(body: Any, side: str) -> list[Half]:
    found = decoded("kserve", body, ce_id="r1", ce_type=f"org.kubeflow.serving.inference.{side}")
    assert all(isinstance(one, Half) for one in found)
    return found  # type: ignore[return-value]


def said(predictions: list[Prediction]) -> list[tuple[str, str | None, str | None]]:
    return [(one.request_id, one.input.prompt, one.output.answer) for one in predictions]


def test_a_list_of_one_text_is_that_text() -> None:
    (one,) = call({"prompt": ["Q1"]}, answers("A1"))
    assert [one] == call({"prompt": "Q1"}, answers("A1"))
    assert (one.request_id, one.model.name, one.input.prompt) == ("r1", "m", "Q1")
    assert one.extra == {"max_tokens": 7, "user_id": "u1"}


def test_several_prompts_are_several_items_each_with_its_answer() -> None:
    predictions = call({"prompt": ["Q1", "Q2"]}, answers("A1", "A2"))
    assert said(predictions) == [("r1#0", "Q1", "A1"), ("r1#1", "Q2", "A2")]
    assert [one.extra["user_id"] for one in predictions] == ["u1", "u1"]
    assert all(not one.output.candidates for one in predictions)


def test_choices_answer_by_their_index() -> None:
    response = answers("A1", "A2")
    response["choices"].reverse()
    assert said(call({"prompt": ["Q1", "Q2"]}, response)) == [("r1#0", "Q1", "A1"), ("r1#1", "Q2", "A2")]


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("Q1", ["Q1", "Q1"]), (["Q1"], ["Q1", "Q1"]), (["Q1", "Q2"], ["Q1", "Q1", "Q2", "Q2"])],
)
def test_several_answers_to_a_prompt_are_as_many_items(prompt: Any, prompts: list[str]) -> None:
    texts = [f"A{number}" for number in range(len(prompts))]
    predictions = call({"prompt": prompt, "n": 2}, answers(*texts))
    ids = [f"r1#{number}" for number in range(len(prompts))]
    assert said(predictions) == list(zip(ids, prompts, texts, strict=True))


@pytest.mark.parametrize("n", [1, 0, -1, None, True, "2", 2.5])
def test_one_answer_to_each_prompt_is_what_is_mostly_asked_for(n: Any) -> None:
    assert said(call({"prompt": "Q1", "n": n}, answers("A1"))) == [("r1", "Q1", "A1")]


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ([1212, 318, 257], [None]),
        ([[1212, 318], [257]], [None, None]),
        ([[1212, 318], "Q2"], [None, "Q2"]),
        ([], [None]),
    ],
)
def test_tokens_are_no_prompt_but_the_call_is_kept(prompt: Any, prompts: list[str | None]) -> None:
    predictions = call({"prompt": prompt}, answers(*["A"] * len(prompts)))
    assert [one.input.prompt for one in predictions] == prompts
    assert [(one.output.answer, one.extra["user_id"]) for one in predictions] == [("A", "u1")] * len(prompts)


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ({"prompt": ["Q1"]}, answers("A1")),
        ({"prompt": ["Q1", "Q2"]}, answers("A1", "A2")),
        ({"prompt": "Q1", "n": 2}, answers("A1", "A2")),
        ({"prompt": ["Q1", "Q2"], "n": 2}, answers("A1", "A2", "A3", "A4")),
    ],
    ids=["one", "prompts", "answers", "prompts and answers"],
)
def test_sides_that_are_logged_apart_have_the_same_items(request_: dict[str, Any], response: dict[str, Any]) -> None:
    asked = halves({**REQUEST, **request_}, "request")
    answered = halves(response, "response")
    joined = [join(one, other) for one, other in zip(asked, answered, strict=True) if one.pair_id == other.pair_id]
    assert said(joined) == said(call(request_, response))
    assert {one.extra["user_id"] for one in joined} == {"u1"}


def test_streamed_answers_to_several_prompts_are_items_too() -> None:
    chunks = [
        answers(choices=[{"index": index, "text": text, "finish_reason": end}])
        for index, text, end in [(1, "A", None), (0, "A1", "stop"), (1, "2", "stop")]
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    value = {"id": "r1", "request": {**REQUEST, "prompt": ["Q1", "Q2"], "stream": True}, "response": body}
    assert said(read("openai_chat", value)) == [("r1#0", "Q1", "A1"), ("r1#1", "Q2", "A2")]


def test_a_batch_that_failed_is_a_failure_of_each_prompt() -> None:
    predictions = call({"prompt": ["Q1", "Q2"]}, {"error": {"message": "too long", "type": "BadRequestError"}})
    assert [(one.request_id, one.status) for one in predictions] == [("r1#0", "rejected"), ("r1#1", "rejected")]


@pytest.mark.parametrize(
    ("request_", "answered"),
    [
        ({"prompt": ["Q"] * (MAX_ROWS + 1)}, 1),
        ({"prompt": "Q", "n": MAX_ROWS + 1}, 1),
        ({"prompt": ["Q"] * 2, "n": 10**30}, 1),
        ({"prompt": "Q"}, MAX_ROWS + 1),
    ],
    ids=["prompts", "answers", "a number beyond all", "choices"],
)
def test_there_are_not_more_items_than_a_batch_may_have(request_: dict[str, Any], answered: int) -> None:
    with pytest.raises(InvalidEvent, match="1024 are allowed") as refused:
        call(request_, answers(*["A"] * answered))
    assert refused.value.reason is Rejection.INVALID


def test_prompts_and_choices_that_do_not_match_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="2 items in the request, 3 in the response"):
        call({"prompt": ["Q1", "Q2"]}, answers("A1", "A2", "A3"))


def test_a_server_that_knows_no_n_gives_one_answer_to_each_prompt() -> None:
    assert said(call({"prompt": "Q1", "n": 3}, answers("A1"))) == [("r1", "Q1", "A1")]
    assert said(call({"prompt": ["Q1", "Q2"], "n": 2}, answers("A1", "A2"))) == [
        ("r1#0", "Q1", "A1"),
        ("r1#1", "Q2", "A2"),
    ]


@pytest.mark.parametrize(
    ("request_", "given"),
    [({"prompt": ["Q1", "Q2"]}, 1), ({"prompt": ["Q1", "Q2"], "n": 2}, 3), ({"prompt": ["Q1", "Q2"], "n": 2}, 1)],
)
def test_fewer_answers_than_that_are_refused_as_nobody_knows_whose_they_are(request_: Any, given: int) -> None:
    asked = len(request_["prompt"]) * request_.get("n", 1)
    with pytest.raises(InvalidEvent, match=f"{asked} items in the request, {given} in the response") as refused:
        call(request_, answers(*["A"] * given))
    assert refused.value.reason is Rejection.INVALID


def test_logged_apart_they_do_not_meet() -> None:
    asked, answered = halves({**REQUEST, "prompt": "Q1", "n": 3}, "request"), halves(answers("A1"), "response")
    assert {one.pair_id for one in asked}.isdisjoint(one.pair_id for one in answered)


def of_litellm(messages: Any, response: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "call_type": "atext_completion",
        "status": "success",
        "startTime": 1763719200.0,
        "endTime": 1763719201.0,
        "model": "m",
        "metadata": {"user_api_key_end_user_id": "u1"},
        "messages": messages,
        "response": response,
        **more,
    }


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def in_messages(*texts: str) -> dict[str, Any]:
    """As BerriAI/litellm, llms/openai/completion/transformation.py, `convert_to_chat_model_response_object` does."""
    choices = [{"index": index, "message": {"content": text}} for index, text in enumerate(texts)]
    return {"id": "cmpl-1", "object": "chat.completion", "model": "m", "choices": choices}


@pytest.mark.parametrize("answered", [answers, in_messages])
@pytest.mark.parametrize("call_type", ["text_completion", "atext_completion"])
def test_prompts_that_litellm_logs_as_messages_are_prompts(answered: Any, call_type: str) -> None:
    """BerriAI/litellm, litellm_logging.py, `Logging.__init__`, and main.py, `text_completion`."""
    value = of_litellm([user("Q1"), user("Q2")], answered("A1", "A2"), call_type=call_type)
    predictions = read("openai_chat", value)
    assert said(predictions) == [("c1#0", "Q1", "A1"), ("c1#1", "Q2", "A2")]
    assert all(one.extra == {"user_id": "u1"} for one in predictions)


def test_litellms_choices_tell_how_many_were_asked_for() -> None:
    four = read("openai_chat", of_litellm([user("Q1"), user("Q2")], in_messages("A1", "A2", "A3", "A4")))
    assert [one.input.prompt for one in four] == ["Q1", "Q1", "Q2", "Q2"]
    assert said(read("openai_chat", of_litellm("Q1", answers("A1")))) == [("c1", "Q1", "A1")]


def test_prompts_that_a_model_for_chats_answered_are_the_turns_of_one() -> None:
    (one,) = read("openai_chat", of_litellm([user("Q1"), user("Q2")], in_messages("A")))
    assert said([one]) == [("c1", "Q2", "A")]
    assert one.extra["turns"] == 2


@pytest.mark.parametrize("messages", [[user([1212, 318])], [user([[1212, 318]])], [1212, 318], [[1212, 318]]])
def test_litellms_tokens_are_no_prompt(messages: Any) -> None:
    assert said(read("openai_chat", of_litellm(messages, answers("A1")))) == [("c1", None, "A1")]


def test_a_text_completion_of_litellm_that_failed_is_a_failure_of_each_prompt() -> None:
    value = of_litellm([user("Q1"), user("Q2")], None, status="failure", error_information={"error_code": "429"})
    assert [(one.request_id, one.error_code) for one in read("openai_chat", value)] == [
        ("c1#0", "429"),
        ("c1#1", "429"),
    ]


def test_parts_that_litellm_logs_of_a_text_completion_stay_a_chat() -> None:
    value = of_litellm([user([{"type": "text", "text": "Q1"}])], answers("A1"))
    assert said(read("openai_chat", value)) == [("c1", "Q1", "A1")]
