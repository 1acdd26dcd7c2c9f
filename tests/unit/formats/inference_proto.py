"""The messages of the Open Inference Protocol's gRPC service as Google's library makes them: the outside truth.

Field numbers and types of https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/
open_inference_grpc.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

_KINDS = {
    "bool": 8,
    "int32": 5,
    "int64": 3,
    "uint32": 13,
    "uint64": 4,
    "float": 2,
    "double": 1,
    "bytes": 12,
    "string": 9,
}
_REPEATED, _OPTIONAL, _MESSAGE = 3, 1, 11
_CONTENTS = ["bool", "int32", "int64", "uint32", "uint64", "float", "double", "bytes"]
_NAMES = (
    "bool_contents int_contents int64_contents uint_contents uint64_contents fp32_contents fp64_contents bytes_contents"
)


def _add(message: Any, number: int, name: str, kind: str, *, repeated: bool = False) -> None:
    field = message.field.add(name=name, number=number, label=_REPEATED if repeated else _OPTIONAL)
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type, field.type_name = _MESSAGE, kind


def _parameters(message: Any, number: int, path: str) -> None:
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    _add(entry, 1, "key", "string")
    _add(entry, 2, "value", ".inference.InferParameter")
    _add(message, number, "parameters", f"{path}.ParametersEntry", repeated=True)


def _call(file: Any, name: str, tensor: str, tensors: str, raw: tuple[int, str]) -> None:
    message = file.message_type.add(name=name)
    inner = message.nested_type.add(name=tensor)
    for number, field, kind in ((1, "name", "string"), (2, "datatype", "string")):
        _add(inner, number, field, kind)
    _add(inner, 3, "shape", "int64", repeated=True)
    _parameters(inner, 4, f".inference.{name}.{tensor}")
    _add(inner, 5, "contents", ".inference.InferTensorContents")
    for number, field in ((1, "model_name"), (2, "model_version"), (3, "id")):
        _add(message, number, field, "string")
    _parameters(message, 4, f".inference.{name}")
    _add(message, 5, tensors, f".inference.{name}.{tensor}", repeated=True)
    _add(message, raw[0], raw[1], "bytes", repeated=True)


def _messages() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package="inference", syntax="proto3")
    parameter = file.message_type.add(name="InferParameter")
    for number, (field, kind) in enumerate(
        (("bool_param", "bool"), ("int64_param", "int64"), ("string_param", "string"))
    ):
        _add(parameter, number + 1, field, kind)
    contents = file.message_type.add(name="InferTensorContents")
    for number, (name, kind) in enumerate(zip(_NAMES.split(), _CONTENTS, strict=True)):
        _add(contents, number + 1, name, kind, repeated=True)
    _call(file, "ModelInferRequest", "InferInputTensor", "inputs", (7, "raw_input_contents"))
    _call(file, "ModelInferResponse", "InferOutputTensor", "outputs", (6, "raw_output_contents"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessages([file], pool=pool)


_CLASSES = _messages()
REQUEST, RESPONSE = (_CLASSES[f"inference.ModelInfer{side}"] for side in ("Request", "Response"))


def request(content: dict[str, Any]) -> bytes:
    """What protobuf's own JSON of a request says (bytes in base64), as it stands on the wire."""
    encoded: bytes = json_format.ParseDict(content, REQUEST()).SerializeToString(deterministic=True)
    return encoded


def response(content: dict[str, Any]) -> bytes:
    """The same of a response."""
    encoded: bytes = json_format.ParseDict(content, RESPONSE()).SerializeToString(deterministic=True)
    return encoded
