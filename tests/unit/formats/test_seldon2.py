"""Seldon Core 2: records of its topics, and the messages in them as Google's library writes them."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Prediction, Rejection
from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.auto import decoder as auto_decoder
from monitor.formats.auto import detected
from monitor.formats.payloads.infer_messages import read_message
from monitor.formats.payloads.tensors import values
from monitor.formats.payloads.wire import fields, varints
from monitor.formats.seldon2 import decoder, place_of, recognises
from tests.unit.formats.inference_proto import REQUEST, request, response
from tests.unit.formats.texts import TEXTS

Sample = Callable[[str], Record]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
INPUTS, OUTPUTS = "seldon.default.model.vqa.inputs", "seldon.default.model.vqa.outputs"
ASKED, ANSWERED = "seldon.default.pipeline.shop.inputs", "seldon.default.pipeline.shop.outputs"
HEADERS = {"x-request-id": "r1", "pipeline": "shop"}


def record(value: bytes, topic: str, headers: dict[str, str] | None = None, key: bytes | None = b"shop.r1") -> Record:
    named = tuple((name, text.encode()) for name, text in (HEADERS if headers is None else headers).items())
    return Record(Partition("cluster", topic, "id", 0), 0, 1763719205_000, value, named, key)


def halves(one: Record, options: FormatOptions | None = None) -> list[Half]:
    return [half for half in decoder(options or FormatOptions())(one) if isinstance(half, Half)]


def joined(asked: Record, said: Record, options: FormatOptions | None = None) -> list[Prediction]:
    return [join(*pair) for pair in zip(halves(asked, options), halves(said, options), strict=True)]


def refused(one: Record) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decoder(FormatOptions())(one)
    return caught.value


def text(name: str, *said: str, **more: Any) -> dict[str, Any]:
    contents = [base64.b64encode(one.encode()).decode() for one in said]
    return {"name": name, "datatype": "BYTES", "shape": [len(said)], "contents": {"bytesContents": contents}, **more}


def asking(*said: str, **more: Any) -> bytes:
    return request({"inputs": [text("prompt", *said)], **more})


def saying(*said: str, **more: Any) -> bytes:
    return response({"outputs": [text("answer", *said)], **more})


def test_a_step_behind_another_pipeline_is_one_call(sample: Sample) -> None:
    (found,) = joined(sample("seldon2/step_inputs"), sample("seldon2/step_outputs"))
    assert (found.request_id, found.model.name, found.model.version) == (
        "test-id/tfsimple-extended/tfsimple2", "tfsimple2", "1",
    )  # fmt: skip
    assert found.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert found.extra == {"namespace": "default", "pipeline": "tfsimple-extended"}


def test_a_text_and_the_answer_in_json(sample: Sample) -> None:
    (found,) = joined(sample("seldon2/text_inputs"), sample("seldon2/text_outputs"))
    assert found.input.prompt == "Once upon a time in a galaxy far away\n"
    assert found.output.answer == (
        "Once upon a time in a galaxy far away, the planet is full of strange little creatures."
    )
    assert (found.request_id, found.model.version) == ("cuqjmvl7mm4s73dkpc2g/stories/text-gen", "1")


def test_a_pipeline_is_a_call_of_its_own(sample: Sample) -> None:
    (half,) = halves(sample("seldon2/pipeline_outputs"))
    assert (half.pair_id, half.fields["model"]) == ("cuqjmvl7mm4s73dkpc2g/stories", {"name": "stories", "version": "3"})
    assert half.fields["output"]["answer"].startswith("Once upon a time in a galaxy far away, the planet")


def test_an_error_is_the_answer_of_the_model_that_failed(sample: Sample) -> None:
    (found,) = joined(sample("seldon2/text_inputs"), sample("seldon2/error"))
    assert (found.status, found.error_code) == ("rejected", "InvalidArgument")
    assert "unexpected inference input" in found.extra["error_message"]


def test_a_body_of_http(sample: Sample) -> None:
    (half,) = halves(sample("seldon2/json_inputs"))
    assert (half.pair_id, half.side) == ("c1/iris", "request")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"rpc error: code = DeadlineExceeded desc = context deadline exceeded", "timeout", "DeadlineExceeded"),
        (b"rpc error: code = Unavailable desc = upstream connect error", "error", "Unavailable"),
        (b'{"error": "Model vqa not found"}', "error", "error"),
        (b'{"error": {"message": "no", "code": 404}}', "rejected", "404"),
        (b"no healthy upstream", "error", "error"),
        (b"{", "error", "error"),
        (b"", "error", "error"),
    ],
)
def test_what_pipelines_say_of_errors(raw: bytes, status: str, code: str) -> None:
    for topic in ("seldon.default.errors.errors", ANSWERED):
        (half,) = halves(record(raw, topic, {**HEADERS, "seldon-pipeline-errors": "vqa"}))
        assert (half.fields["status"], half.fields["error_code"]) == (status, code)
        assert half.pair_id == ("r1/shop" if topic == ANSWERED else "r1/shop/vqa")


def test_an_empty_header_of_errors_says_it_too() -> None:
    (half,) = halves(record(b"no", ANSWERED, {**HEADERS, "seldon-pipeline-errors": ""}))
    assert half.fields["status"] == "error"
    assert "names the model" in str(refused(record(b"no", "seldon.default.errors.errors")))


def test_models_and_pipelines_of_one_request_do_not_collide() -> None:
    topics = [INPUTS, "seldon.default.model.ocr.inputs", ASKED]
    found = [halves(record(asking("Where?"), topic))[0].pair_id for topic in topics]
    mirror = {"x-request-id": "r1", "pipeline": "mirror"}
    found.append(halves(record(asking("Where?"), INPUTS, mirror))[0].pair_id)
    assert found == ["r1/shop/vqa", "r1/shop/ocr", "r1/shop", "r1/mirror/vqa"]


def test_a_model_that_is_called_by_itself_goes_by_its_own_name() -> None:
    (half,) = halves(record(asking("Where?"), INPUTS, {"x-request-id": "r1", "pipeline": "vqa"}, b"vqa.r1"))
    assert half.pair_id == "r1/vqa"
    assert halves(record(asking("Where?"), INPUTS, {}, b"k"))[0].pair_id == "k/vqa"


def test_items_of_a_batch_are_calls() -> None:
    found = joined(record(asking("Where?", "Who?"), INPUTS), record(saying("here", "me"), OUTPUTS))
    assert [(one.request_id, one.input.prompt, one.output.answer) for one in found] == [
        ("r1/shop/vqa#0", "Where?", "here"),
        ("r1/shop/vqa#1", "Who?", "me"),
    ]


@pytest.mark.parametrize(
    ("said", "version"),
    [("vqa_3", "3"), ("vqa-b_1", "vqa-b_1"), ("vqa", "1"), ("", "1"), ("vqa_", "1")],
)
def test_the_generation_of_a_model_is_its_version(said: str, version: str) -> None:
    (half,) = halves(record(saying("here", modelName=said, modelVersion="1"), OUTPUTS))
    assert half.fields["model"] == {"name": "vqa", "version": version}


@pytest.mark.parametrize("image", [PNG, base64.b64encode(PNG), b"https://x/y.png", b"shots/y.png"])
def test_pictures_as_bytes_and_as_texts(image: bytes) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
    raw = base64.b64encode(len(image).to_bytes(4, "little") + image).decode()
    listed = {**tensor, "contents": {"bytesContents": [base64.b64encode(image).decode()]}}
    for value in (request({"inputs": [tensor], "rawInputContents": [raw]}), request({"inputs": [listed]})):
        (half,) = halves(record(value, INPUTS))
        inline = image in (PNG, base64.b64encode(PNG))
        expected = f"data:image/png;base64,{base64.b64encode(PNG).decode()}" if inline else image.decode()
        assert half.fields["input"]["image"]["ref"] == expected


def test_a_text_that_begins_as_a_bitmap_does_is_no_picture() -> None:
    (half,) = halves(record(request({"inputs": [text("q", "BMW or Audi?")]}), INPUTS))
    assert half.fields["input"] == {"prompt": "BMW or Audi?"}


def test_classes_with_their_scores() -> None:
    scores = {"name": "scores", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32Contents": [0.25, 0.75]}}
    (half,) = halves(record(response({"outputs": [text("labels", "cat", "dog", shape=[1, 2]), scores]}), OUTPUTS))
    assert half.fields["output"]["candidates"][0] == {"answer": "dog", "score": 0.75}
    assert half.fields["output"]["confidence"] == 0.75


def test_embeddings_are_of_the_generation_that_made_them() -> None:
    vector = {"name": "v", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32Contents": [0.5, 1.5]}}
    options = FormatOptions(fields={"embeddings.image": "v"})
    (half,) = halves(record(response({"modelName": "vqa_2", "outputs": [vector]}), OUTPUTS), options)
    assert half.fields["embeddings"][0]["embedder"] == "vqa@2/v"


def test_slices_and_the_person_are_in_headers() -> None:
    options = FormatOptions(slices={"tenant": "X-Tenant"}, subject="X-User", task="captioning")
    (half,) = halves(record(asking("Where?"), INPUTS, {**HEADERS, "x-tenant": "a", "x-user": "u1"}), options)
    assert (half.fields["slices"], half.fields["extra"]["user_id"], half.fields["task"]) == (
        {"tenant": "a"}, "u1", "captioning",
    )  # fmt: skip


@pytest.mark.parametrize("ahead", [bytes([0, 0, 0, 0, 7, 0]), bytes([0, 0, 0, 0, 7, 2, 2]), bytes([0, 0, 0, 0, 7])])
def test_values_of_the_schema_registry(ahead: bytes) -> None:
    (half,) = halves(record(ahead + asking("Where?"), INPUTS))
    assert half.fields["input"] == {"prompt": "Where?"}


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("seldon.default.model.vqa.inputs", ("default", "model", "vqa", "request")),
        ("my.own.prefix.prod.pipeline.shop.outputs", ("prod", "pipeline", "shop", "response")),
        ("eu.seldon.default.errors.errors", ("default", "errors", "", "response")),
        ("seldon.default.model.vqa", None),
        ("seldon.default.model.vqa.inputs.x", None),
        ("model.vqa.inputs", None),
    ],
)
def test_what_the_name_of_a_topic_says(topic: str, said: tuple[str, ...] | None) -> None:
    assert place_of(topic) == said


def test_auto_knows_seldons_topics() -> None:
    assert detected(record(asking("Where?"), INPUTS)) == "seldon2"
    assert detected(record(b'{"inputs": []}', INPUTS)) == "seldon2"
    assert detected(record(b"no", "seldon.default.errors.errors")) == "seldon2"
    (half,) = auto_decoder(FormatOptions())(record(asking("Where?"), INPUTS))
    assert isinstance(half, Half)
    assert half.pair_id == "r1/shop/vqa"


def test_auto_leaves_json_to_others_where_the_topic_may_be_theirs() -> None:
    theirs = record(b'{"messages": [{"role": "user", "content": "?"}]}', "acme.prod.model.vqa.inputs")
    assert not recognises(theirs)
    assert detected(theirs) == "openai_chat"
    assert recognises(record(asking("Where?"), "acme.prod.model.vqa.inputs"))
    assert not recognises(record(asking("Where?"), "t"))


def test_a_topic_that_does_not_tell_the_side_is_refused() -> None:
    error = refused(record(asking("Where?"), "copies"))
    assert error.reason is Rejection.INVALID
    assert "'copies'" in str(error)
    assert "read Seldon's own topics" in str(error)


def test_a_record_without_key_and_id_is_refused() -> None:
    assert "x-request-id" in str(refused(record(asking("Where?"), INPUTS, {}, None)))
    assert "characters" in str(refused(record(asking("Where?"), INPUTS, {"x-request-id": "r" * 128})))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (asking("Where?")[:-1], "beyond the end"),
        (b"\x2a", "cut short"),
        (b"\x0b", "wire type 3"),
        (b"\x02\x00", "without a number"),
        (b"\x28\x01", "field 5"),
        (b"\x0a\x01\xff", "not UTF-8"),
        (b"\x00\x01", "cut short"),
        (b"\xff" * 12, "more than 64 bits"),
    ],
)
def test_damaged_messages_are_refused(value: bytes, words: str) -> None:
    error = refused(record(value, INPUTS))
    assert error.reason is Rejection.UNREADABLE
    assert str(error).startswith("no inference message in Protocol Buffers: ")
    assert words in str(error)


def test_bounds_of_a_message() -> None:
    many = request({"inputs": [text("a", "b")] * 65})
    assert "more than 64 tensors" in str(refused(record(many, INPUTS)))
    short = request({"inputs": [text("a", "b"), text("c", "d")], "rawInputContents": ["AAAA"]})
    assert "raw contents of 1" in str(refused(record(short, INPUTS)))
    beyond = request({"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [2**40], "contents": {}}]})
    assert "shape" in str(refused(record(beyond, INPUTS)))
    deep = request({"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1] * 33, "contents": {}}]})
    assert "more than 32 numbers" in str(refused(record(deep, INPUTS)))
    nul = request({"modelName": "a\x00", "inputs": []})
    assert refused(record(nul, INPUTS)).reason is Rejection.UNSTORABLE


LISTS = {
    "BOOL": ("boolContents", st.booleans()),
    "INT8": ("intContents", st.integers(-128, 127)),
    "INT32": ("intContents", st.integers(-(2**31), 2**31 - 1)),
    "INT64": ("int64Contents", st.integers(-(2**63), 2**63 - 1)),
    "UINT8": ("uintContents", st.integers(0, 255)),
    "UINT32": ("uintContents", st.integers(0, 2**32 - 1)),
    "UINT64": ("uint64Contents", st.integers(0, 2**64 - 1)),
    "FP16": ("fp32Contents", st.floats(width=16, allow_nan=False, allow_infinity=False)),
    "FP32": ("fp32Contents", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "FP64": ("fp64Contents", st.floats(allow_nan=False, allow_infinity=False)),
}


@given(st.data())
def test_numbers_are_those_that_googles_library_wrote(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(LISTS)))
    name, drawn = LISTS[kind]
    numbers = data.draw(st.lists(drawn, min_size=1, max_size=20))
    tensor = {"name": "x", "datatype": kind, "shape": [len(numbers)], "contents": {name: numbers}}
    message = read_message(request({"inputs": [tensor]}), "request")
    assert values(message.tensors[0], message.chunks[0]) == numbers


@given(st.lists(st.binary(max_size=20), max_size=5), TEXTS)
def test_texts_and_names_are_those_that_googles_library_wrote(texts: list[bytes], name: str) -> None:
    tensor = {
        "name": name, "datatype": "BYTES", "shape": [len(texts)],
        "contents": {"bytesContents": [base64.b64encode(one).decode() for one in texts]},
        "parameters": {"content_type": {"stringParam": "str"}, "other": {"int64Param": "7"}},
    }  # fmt: skip
    value = request({"modelName": name, "id": "i", "inputs": [tensor], "parameters": {"a": {"boolParam": True}}})
    message = read_message(value, "request")
    assert (message.model, message.id, message.tensors[0].name) == (name, "i", name)
    assert message.tensors[0].parameters == {"content_type": "str"}
    assert values(message.tensors[0], message.chunks[0]) == texts


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_numbers_that_are_not_packed_are_read_alike(numbers: list[int]) -> None:
    packed = REQUEST()
    packed.inputs.add(name="x").contents.uint64_contents.extend(numbers)
    (_, _, tensor) = next(iter(fields(packed.SerializeToString())), (0, 0, b""))
    (contents,) = [content for number, _, content in fields(tensor) if number == 5]
    coded = b"".join(content for _, _, content in fields(contents))
    assert varints(coded, 30).tolist() == numbers
    loose = b"".join(b"\x28" + one for one in split(coded))  # field 5, of the type of numbers
    assert b"".join(content for _, _, content in fields(loose)) == coded


def split(coded: bytes) -> list[bytes]:
    ends = [index for index, byte in enumerate(coded) if byte < 0x80]
    return [
        coded[start:end] for start, end in zip([0, *[one + 1 for one in ends]], [one + 1 for one in ends], strict=False)
    ]


def test_raw_numbers_of_all_types() -> None:
    for kind, dtype, number in (("FP16", "<e", 1.5), ("BF16", "<H", 0x3FC0), ("FP32", "<f", 0.5), ("INT16", "<h", -3)):
        tensor = {"name": "confidence", "datatype": kind, "shape": [1]}
        raw = base64.b64encode(struct.pack(dtype, number)).decode()
        message = read_message(response({"outputs": [tensor], "rawOutputContents": [raw]}), "response")
        (read,) = values(message.tensors[0], message.chunks[0])
        assert math.isclose(read, 1.5 if kind == "BF16" else number)


def test_pixels_say_how_large_the_picture_is() -> None:
    pixels = {"name": "image", "datatype": "UINT8", "shape": [1, 4, 5, 3], "contents": {"uintContents": [200] * 60}}
    (half,) = halves(record(request({"inputs": [pixels, text("prompt", "Where?")]}), INPUTS))
    assert half.fields["input"] == {"prompt": "Where?", "image": {"width": 5, "height": 4}}


def test_varints_agree_with_numpy() -> None:
    numbers = np.array([0, 127, 128, 2**32, 2**63], np.uint64)
    packed = REQUEST()
    packed.inputs.add().contents.uint64_contents.extend(numbers.tolist())
    message = read_message(packed.SerializeToString(), "request")
    assert message.chunks[0] == numbers.tobytes()


def test_samples_name_their_topics(sample: Sample) -> None:
    assert json.dumps(sample("seldon2/error").partition.topic) == '"seldon.seldon-mesh.errors.errors"'
