"""Which of a model's named inputs and outputs is the prompt, the image, the answer: tensors, keys, columns.

The Open Inference Protocol and V1 leave names to the model. Conventional ones are known here; any other is configured
(`FormatOptions.fields`, our field -> its name). Names compare without case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from monitor.domain.events import Rejection
from monitor.errors import InvalidEvent, SettingsError
from monitor.formats.payloads import images
from monitor.formats.payloads.answers import candidates, confidence_of, softmax
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.thoughts import HINT, without_thoughts
from monitor.formats.payloads.values import short, text_of

CONVENTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt": ("prompt", "question", "query", "text_input", "instruction", "text"),
    "context": ("context", "system_prompt"),
    "image": ("image", "images", "image_bytes", "image_url", "img", "pixel_values"),
    "answer": ("answer", "text_output", "generated_text", "output_text", "caption", "label", "prediction", "predict"),
    "confidence": ("confidence", "score", "probability"),
    "labels": ("labels", "classes", "displaynames"),
    "scores": ("scores", "probabilities", "probs", "confidences"),
    "logits": ("logits",),
    "classification": (),
    "embeddings.image": (),
    "embeddings.prompt": (),
    "embeddings.answer": (),
}
"""Our field -> names by which it is known unasked. `classification` is Triton's extension of that name: texts
`score:index:label`, which only the configuration can tell from an answer. Embeddings are read only when configured."""
REQUEST: Final = ("prompt", "context", "image")
RESPONSE: Final = tuple(name for name in CONVENTIONAL if name not in REQUEST)
NAMES: Final = (
    "key", "id", "request_id", "response_id", "responseid", "model", "model_name", "model_version", "modelversion",
    "model_id", "project_id", "space_id", "@requestformat",
    "object", "type", "role", "created", "created_at", "timestamp", "status", "state",
    "finish_reason", "stop_reason", "stopreason", "done_reason", "error_code",
)  # fmt: skip
"""Say which row this is, as TensorFlow Serving's examples do, whose, of what kind or from when, how it went, or why a
model stopped: texts, but no prompt and no answer."""
_VERTEX: Final = frozenset({"bytesBase64Encoded", "gcsUri"})
_INNER: Final = ("b64", "url", "image_bytes", *sorted(_VERTEX))
"""Where an object has its picture, as TensorFlow Serving, chats, KServe's samples and Vertex AI write it."""
MANY: Final = (
    "labels",
    "scores",
    "logits",
    "classification",
    "embeddings.image",
    "embeddings.prompt",
    "embeddings.answer",
)
"""Roles whose value is a list for each item."""


class Roles:
    """Names of one topic's models.

    Args:
        configured: our field -> name; takes the place of the conventional names of that field.

    Raises:
        SettingsError: a field that there is not.
    """

    def __init__(self, configured: Mapping[str, str]) -> None:
        if unknown := sorted(set(configured) - set(CONVENTIONAL)):
            raise SettingsError(
                [f"fields.{name}: no such field; there are {', '.join(CONVENTIONAL)}" for name in unknown]
            )
        names = {**CONVENTIONAL, **{role: (name.lower(),) for role, name in configured.items()}}
        self._request = {name: role for role in REQUEST for name in names[role]}
        self._response = {name: role for role in RESPONSE for name in names[role]}
        self.has_places = any(map(str.isdecimal, configured.values()))
        """Some names are places in lists of values that have none, as `0`."""

    def of_request(self, name: str) -> str | None:
        return self._request.get(name.lower())

    def of_response(self, name: str) -> str | None:
        return self._response.get(name.lower())

    def request(self, named: Mapping[str, Any]) -> Fields:
        """`input` and `extra` of one item; its only text counts as the prompt, its only picture as the image."""
        known, rest = _sorted(named, self._request)
        image = known.get("image")
        if rest:
            _adopt(known, rest)
        said: Fields = {}
        for role in ("prompt", "context"):
            if (text := text_of(known.get(role))) is not None:
                said[role] = text
        if (picture := _image(known["image"], trusted=image is not None) if "image" in known else None) is not None:
            said["image"] = picture
        return _with_extra({"input": said}, rest) if rest else {"input": said}

    def response(self, named: Mapping[str, Any]) -> Fields:
        """`output` and `extra` of one item; its only text counts as the answer.

        Raises:
            InvalidEvent: a number is not finite.
        """
        known, rest = _sorted(named, self._response)
        if not known:
            texts = _texts(rest)
            if len(texts) == 1:
                known["answer"] = rest.pop(texts[0])
        found = _candidates(known)
        output: Fields = {"candidates": found} if found else {}
        if (said := text_of(known.get("answer"))) is not None:
            answer = without_thoughts(said) if HINT in said else said
            if answer is not None:
                output["answer"] = answer
        elif (first := _first_label(known, found)) is not None:
            output["answer"] = first
        if (sure := confidence_of(known.get("confidence", known.get("scores")), found)) is not None:
            output["confidence"] = sure
        return _with_extra({"output": output}, rest) if rest else {"output": output}


def _sorted(named: Mapping[str, Any], roles: Mapping[str, str]) -> tuple[Fields, Fields]:
    """Values by role (of several names for one, the first counts), and those without."""
    known: Fields = {}
    rest: Fields = {}
    for name, value in named.items():
        role = roles.get(name.lower())
        if role is None or role in known:
            rest[name] = value
        else:
            known[role] = value
    return known, rest


def _adopt(known: Fields, rest: Fields) -> None:
    """What has no known name, but can be only one thing."""
    if "image" not in known:
        pictures = [name for name, value in rest.items() if _image(value, trusted=False) is not None]
        if len(pictures) == 1:
            known["image"] = rest.pop(pictures[0])
    if "prompt" not in known:
        texts = _texts(rest)
        if len(texts) == 1:
            known["prompt"] = rest.pop(texts[0])


def _texts(rest: Fields) -> list[str]:
    return [name for name, value in rest.items() if isinstance(value, str | bytes) and name.lower() not in NAMES]


def _image(value: Any, *, trusted: bool) -> Fields | None:
    """Bytes, base64, an address, or an object with one of them; `trusted` where the name says that it is a picture."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        inner = next((value[name] for name in _INNER if value.get(name)), None)
        known = trusted or not _VERTEX.isdisjoint(value) or "url" in value
        return _image(inner, trusted=known) if isinstance(inner, str | dict) else None
    if isinstance(value, bytes) and (text := images.text_in(value)) is not None:
        value = text
    if isinstance(value, bytes) and (trusted or images.looks_like_image(value)):
        return images.from_bytes(value)
    if isinstance(value, str) and (trusted or images.looks_like_image(value)):
        return images.from_text(value)
    return None


def _candidates(known: Fields) -> list[Fields]:
    scores = softmax(known["logits"]) if "logits" in known else known.get("scores")
    if "classification" in known:
        return candidates(*_classified(known["classification"]))
    labels = known.get("labels")
    if not isinstance(scores, list) or (labels is not None and not isinstance(labels, list)):
        return []
    return candidates(labels, scores)


def _classified(entries: Any) -> tuple[list[str], list[float]]:
    """Triton's classification extension: `score:index` or `score:index:label`."""
    labels, scores = [], []
    for entry in entries if isinstance(entries, list) else [entries]:
        score, _, rest = (text_of(entry) or "").partition(":")
        index, _, label = rest.partition(":")
        labels.append(label or index)
        try:
            scores.append(float(score))
        except ValueError:
            raise InvalidEvent(Rejection.INVALID, f"classification: {entry!r:.64} is not score:index:label") from None
    return labels, scores


def _first_label(known: Fields, found: list[Fields]) -> str | None:
    return found[0]["answer"] if found else text_of(known.get("labels"))


def _with_extra(fields: Fields, rest: Fields) -> Fields:
    """Short single values without a role are kept, under their names."""
    if extra := {name: kept for name, value in rest.items() if (kept := short(value)) is not None}:
        fields["extra"] = extra
    return fields
