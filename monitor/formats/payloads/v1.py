"""V1 bodies, TensorFlow Serving's REST forms: `{"instances": [...]}` and `{"predictions": [...]}` row by row, or
`{"inputs": {...}}` and `{"outputs": {...}}` column by column.

KServe, "V1 Protocol" (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol). What an
instance or a prediction looks like is up to the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from monitor.formats.payloads import images
from monitor.formats.payloads.answers import are_probabilities, candidates, distribution, likeliest
from monitor.formats.payloads.chat_request import ChatRequest, Message, from_request
from monitor.formats.payloads.roles import NAMES, Roles
from monitor.formats.payloads.rows import Fields, demand_few
from monitor.formats.payloads.thoughts import HINT, without_thoughts
from monitor.formats.payloads.values import text_of

MAX_PLACES: Final = 1024
_PICTURE: Final = "![]("
_AT_PICTURE: Final = re.compile(r"\s*+!\[\]\(")


def instance(value: Any, roles: Roles) -> Fields:
    """One item of a request: an object with names, or a text or picture by itself; numbers alone say nothing. Of a list
    the values are known whose places are configured. The messages of a chat are one item, as Vertex AI's Model Garden
    and Llama on SageMaker take them."""
    if isinstance(value, dict | list) and (messages := _messages_in(value)) is not None:
        return from_request(ChatRequest(), messages)
    if isinstance(value, dict) and value.keys() != {"b64"}:
        return roles.request(value)
    if isinstance(value, str) and value.startswith(_PICTURE):
        return _illustrated(value)
    if isinstance(value, list) and roles.has_places:
        return roles.request(_placed(value, roles.of_request))
    return roles.request({"": value}) if isinstance(value, str | dict) else {"input": {}}


def _messages_in(value: Any) -> list[Message] | None:
    given = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(given, list) or not given or not isinstance(given[0], dict) or "role" not in given[0]:
        return None
    try:
        return msgspec.convert(given, list[Message])
    except msgspec.ValidationError:
        return None


def rows_of_frame(body: Mapping[str, Any]) -> list[Any]:
    """The rows of a data frame, as servers of MLflow, Databricks and Azure Machine Learning (`input_data`) take it; any
    other object is one item.

    https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "JSON Input";
    https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models.

    Raises:
        InvalidEvent: there are more than allowed.
    """
    match body:
        case {"dataframe_records": list(rows)} | {"input_data": list(rows)}:
            pass
        case {"dataframe_split": {"columns": list(names), "data": list(data)}} | {
            "input_data": {"columns": list(names), "data": list(data)}
        }:
            rows = [dict(zip(map(str, names), row, strict=False)) for row in data if isinstance(row, list)]
        case _:
            return [body]
    demand_few(len(rows))
    return rows


def prediction(value: Any, roles: Roles) -> Fields:
    """One item of a response: an object with names, a text or class, the probabilities of the classes, labels with
    their scores, or a list of values whose places are configured.

    Raises:
        InvalidEvent: a number is not finite.
    """
    if isinstance(value, bytes):
        value = text_of(value)
    if are_objects(value) and len(value) == 1:
        (value,) = value
    if roles.has_places and isinstance(value, list) and (placed := _placed(value, roles.of_response)):
        return roles.response(placed)
    if found := _ranked(value, roles) if are_objects(value) else distribution(value):
        return likeliest(found)
    if isinstance(value, dict):
        classes = _are_classes(value, roles)
        return likeliest(candidates(list(value), list(value.values()))) if classes else roles.response(value)
    if isinstance(value, list) and len(value) != 1:
        return {"output": {}}
    said = text_of(value)
    answer = without_thoughts(said) if said is not None and HINT in said else said
    return {"output": {} if answer is None else {"answer": answer}}


def _are_classes(value: Mapping[str, Any], roles: Roles) -> bool:
    """Names with nothing but their probabilities, as TorchServe answers: of all classes, or of the best, the likeliest
    first."""
    shares = list(value.values())
    if len(shares) < 2 or not all(type(one) is float and 0 <= one <= 1 for one in shares):
        return False
    if any(roles.of_response(name) is not None or name.lower() in NAMES for name in value):
        return False
    best_first = len(shares) > 2 and shares == sorted(shares, reverse=True)
    return are_probabilities(shares) or (best_first and sum(shares) <= 1)


def _placed(values: list[Any], role_of: Callable[[str], str | None]) -> dict[str, Any]:
    """Those values whose place, from 0, is configured as the name of one of our fields."""
    return {str(place): one for place, one in enumerate(values[:MAX_PLACES]) if role_of(str(place)) is not None}


def are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _illustrated(text: str) -> Fields:
    """Text Generation Inference takes pictures as Markdown inside the prompt. Those that it begins with are no part of
    the question; the first of them is the image. Each is gone over once, whatever its length."""
    place, first = 0, ""
    while (begin := _AT_PICTURE.match(text, place)) and (end := text.find(")", begin.end())) >= 0:
        first = first or text[begin.end() : end]
        place = end + 1
    if not images.looks_like_image(first):
        return {"input": {"prompt": text_of(text)}}
    said: Fields = {"image": images.from_text(first)}
    if prompt := text_of(text[place:].strip()):
        said["prompt"] = prompt
    return {"input": said}


def _ranked(objects: list[dict[str, Any]], roles: Roles) -> list[Fields]:
    """Candidates from labels with their scores, as Hugging Face's pipelines for classification answer. Objects that say
    more, such as where in a picture they were found, are none: each is an answer by itself."""
    said = [roles.response(one)["output"] for one in objects if len(one) == 2]
    if len(said) < len(objects) or not all(one.keys() == {"answer", "confidence"} for one in said):
        return []
    return candidates([one["answer"] for one in said], [one["confidence"] for one in said])
