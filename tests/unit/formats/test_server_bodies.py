"""Bodies of servers as their own documentation shows them, and what a person reads in them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, FormatOptions
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(60))).decode()
DATA = f"data:image/png;base64,{PNG}"


def called(asked: Any, said: Any, **options: Any) -> list[Prediction]:
    call = {"id": "r1", "ts": 1763719200, "request": asked, "response": said}
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(call).encode())
    found = FORMATS["oip"](FormatOptions(model="m", **options))(record)
    return [one for one in found if isinstance(one, Prediction)]


def image(one: Prediction) -> str | None:
    return one.input.image.ref if one.input.image is not None else None


def ranking(one: Prediction) -> list[tuple[str, float | None]]:
    return [(each.answer, each.score) for each in one.output.candidates]


# ---- TorchServe: docs/README.md (image classifier), docs/default_handlers.md (text classifier) -----------------------


@pytest.mark.parametrize("around", [False, True])
def test_classes_of_torchserve_are_candidates(around: bool) -> None:
    best = {"tabby": 0.4096, "tiger_cat": 0.3467, "Egyptian_cat": 0.13, "lynx": 0.0239, "bucket": 0.0115}
    asked, said = ({"instances": [{"data": PNG}]}, {"predictions": [best]}) if around else ({"data": PNG}, best)
    (one,) = called(asked, said)
    assert (one.output.answer, one.output.confidence, image(one)) == ("tabby", 0.4096, DATA)
    assert ranking(one) == list(best.items())


def test_all_classes_of_torchserve_need_no_order() -> None:
    (one,) = called({"data": "great"}, {"Negative": 0.0003, "Positive": 0.9997})
    assert (one.output.answer, one.output.confidence) == ("Positive", 0.9997)


@pytest.mark.parametrize(
    "said",
    [
        {"x": 0.2, "y": 0.5},
        {"x": 0.5, "y": 0.2},
        {"precision": 0.9, "recall": 0.8, "f1": 0.85},
        {"a": 1, "b": 0},
        {"score": 0.4, "other": 0.6},
    ],
)
def test_other_numbers_under_names_are_no_classes(said: dict[str, float]) -> None:
    (one,) = called({"data": "great"}, said)
    assert not one.output.candidates


# ---- Azure Machine Learning: azureml-assets, salesforce-blip2-opt-2-7b-vqa and meta-llama (description.md) -----------


def test_rows_of_azures_vision_models() -> None:
    rows = [[PNG, "What is in the picture?"], [PNG, "How many dogs?"]]
    asked = {"input_data": {"columns": ["image", "text"], "index": [0, 1], "data": rows}, "params": {}}
    first, second = called(asked, [{"text": "sand"}, {"text": "1"}])
    assert (first.input.prompt, first.output.answer, image(first)) == ("What is in the picture?", "sand", DATA)
    assert (second.input.prompt, second.output.answer) == ("How many dogs?", "1")


def test_chats_and_texts_of_azures_language_models() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    (one,) = called({"input_data": {"input_string": messages, "parameters": {"temperature": 0.6}}}, {"output": "d"})
    assert (one.input.prompt, one.output.answer, one.extra) == ("c", "d", {"temperature": 0.6, "turns": 2})
    first, second = called({"input_data": {"input_string": ["a", "b"], "parameters": {}}}, [{"0": "x"}, {"0": "y"}])
    assert [(each.input.prompt, each.output.answer) for each in (first, second)] == [("a", "x"), ("b", "y")]


# ---- NVIDIA NIM for VLMs: pictures inside the text of a message ------------------------------------------------------


@pytest.mark.parametrize("address", [DATA, "https://x/y.png?a=1&b=2"])
def test_a_picture_inside_a_text_is_no_part_of_the_prompt(address: str) -> None:
    asked = {
        "model": "microsoft/kosmos-2",
        "messages": [{"role": "user", "content": f'Who is this? <img src="{address}" />'}],
    }
    (one,) = called(asked, {"choices": [{"index": 0, "message": {"content": "a cat"}, "finish_reason": "stop"}]})
    assert (one.input.prompt, image(one)) == ("Who is this?", address)


@pytest.mark.parametrize("text", ['How do I close <img src="x.png">?', '<img src="', 'a <img src="https://x'])
def test_other_tags_in_a_text_stay(text: str) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
    (one,) = called(asked, {"choices": [{"index": 0, "message": {"content": "so"}, "finish_reason": "stop"}]})
    assert (one.input.prompt, image(one)) == (text, None)


# ---- LMDeploy: docs/en/llm/api_server.md, `generate` -----------------------------------------------------------------

LMDEPLOY = {"text": "hello", "tokens": 10, "input_tokens": 5, "history_tokens": 0, "finish_reason": "stop"}


def test_lmdeploys_generate_counts_its_tokens() -> None:
    (one,) = called({"prompt": "hi", "session_id": -1}, LMDEPLOY)
    assert (one.output.answer, one.tokens.input, one.tokens.output) == ("hello", 5, 10)


def test_a_stream_of_lmdeploys_generate() -> None:
    pieces = [{**LMDEPLOY, "text": "hel", "tokens": 1, "finish_reason": None}, {**LMDEPLOY, "text": "lo"}]
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in pieces).encode()
    (row,) = read_response(body, Roles({}), 100_000, "m").rows
    assert row == {"status": "ok", "output": {"answer": "hello"}, "tokens": {"in": 5, "out": 10}}


# ---- Vertex AI: "Visual question answering" (imagetext), "Get predictions from an image model" (AutoML) --------------


@pytest.mark.parametrize(
    ("picture", "ref"),
    [
        ({"bytesBase64Encoded": PNG}, DATA),
        ({"gcsUri": "gs://bucket/x.png", "mimeType": "image/png"}, "gs://bucket/x.png"),
        ({"url": "https://x/y"}, "https://x/y"),
        ({"b64": PNG}, DATA),
    ],
)
def test_pictures_of_vertex_ai(picture: dict[str, str], ref: str) -> None:
    (one,) = called({"instances": [{"prompt": "What?", "image": picture}]}, {"predictions": ["cat"]})
    assert (one.input.prompt, image(one), one.output.answer) == ("What?", ref, "cat")


def test_classes_of_automl() -> None:
    said = {"ids": ["1", "2"], "displayNames": ["cat", "dog"], "confidences": [0.9, 0.1]}
    (one,) = called({"instances": [{"content": PNG}]}, {"predictions": [said]})
    assert ranking(one) == [("cat", 0.9), ("dog", 0.1)]


# ---- MLServer: mlserver/codecs/base64.py -----------------------------------------------------------------------------


@pytest.mark.parametrize(("element", "expected"), [(PNG.encode(), DATA), (base64.b64decode(PNG), DATA)])
def test_base64_in_binary_tensors_is_what_it_holds(element: bytes, expected: str) -> None:
    head = {
        "id": "t",
        "inputs": [
            {
                "name": "image", "shape": [1], "datatype": "BYTES",
                "parameters": {"content_type": "base64", "binary_data_size": len(element) + 4},
            }
        ],
    }  # fmt: skip
    value = json.dumps(head).encode() + len(element).to_bytes(4, "little") + element
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, value)
    (half,) = FORMATS["oip"](FormatOptions(model="m"))(record)
    assert half.fields["input"]["image"]["ref"] == expected  # type: ignore[union-attr]


# ---- Vertex AI Model Garden, "chatCompletions"; Llama on SageMaker JumpStart; IBM watsonx.ai, "Infer text" ---


def test_a_chat_in_the_place_of_an_instance() -> None:
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    asked = {"@requestFormat": "chatCompletions", "messages": [{"role": "user", "content": parts}], "max_tokens": 5}
    choice = {"index": 0, "message": {"role": "assistant", "content": "a cat"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    said = {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}
    for predictions in (said, [said]):
        (one,) = called({"instances": [asked]}, {"predictions": predictions})
        assert (one.input.prompt, image(one), one.output.answer) == ("What?", "https://x/y.png", "a cat")
        assert (one.tokens.input, one.tokens.output) == (3, 2)


def test_a_dialog_of_llama_on_sagemaker() -> None:
    dialog = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    (one,) = called({"inputs": [dialog], "parameters": {}}, [{"generation": {"role": "assistant", "content": "a"}}])
    assert (one.input.prompt, one.input.context, one.output.answer) == ("q", "s", "a")


@pytest.mark.parametrize("messages", [[], [{}], [1], [{"role": 1, "content": "q"}], "q", {"role": "user"}])
def test_odd_messages_in_an_instance_are_no_chat(messages: Any) -> None:
    (one,) = called({"instances": [{"prompt": "What?", "messages": messages}]}, {"predictions": ["a"]})
    assert one.input.prompt == "What?"


def test_watsonx_is_not_answered_by_the_name_of_its_model() -> None:
    asked = {"model_id": "ibm/granite", "input": "q", "parameters": {"max_new_tokens": 5}, "project_id": "p"}
    told = {"generated_text": "a", "generated_token_count": 2, "input_token_count": 1, "stop_reason": "eos_token"}
    (one,) = called(asked, {"model_id": "ibm/granite", "created_at": "2024-01-01T00:00:00Z", "results": [told]})
    assert (one.input.prompt, one.output.answer, one.tokens.input, one.tokens.output) == ("q", "a", 1, 2)


# ---- services that take a picture beside the prompt, as fal's any-llm/vision does ------------------------------------


@pytest.mark.parametrize(
    "beside",
    [
        {"image_url": "https://x/y.png"},
        {"image": "https://x/y.png"},
        {"image": {"url": "https://x/y.png"}},
        {"images": ["https://x/y.png"]},
        {"image_url": ["https://x/y.png", "https://x/z.png"]},
    ],
)
def test_a_picture_beside_a_model_and_a_prompt_is_the_image(beside: dict[str, Any]) -> None:
    (one,) = called({"model": "google/gemini", "prompt": "What?", **beside}, {"output": "a cat", "error": None})
    assert (one.input.prompt, image(one), one.output.answer) == ("What?", "https://x/y.png", "a cat")


@pytest.mark.parametrize("odd", [1, {}, [], [None], [{}], True])
def test_an_odd_picture_beside_a_prompt_is_none(odd: Any) -> None:
    (one,) = called({"model": "m", "prompt": "What?", "image": odd}, {"output": "a cat"})
    assert (one.input.prompt, image(one)) == ("What?", None)
