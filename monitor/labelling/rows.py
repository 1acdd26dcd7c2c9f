"""What all formats share: the fields of a task that an annotator sees, and how what came back becomes a label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any, Final, Protocol

import msgspec

from monitor.domain.events import Label
from monitor.domain.label_tasks import TaskItem

UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Time of a label whose file does not say when it was given."""
MAX_TEXT: Final = 2000
"""Characters of one text that an annotator writes."""
MAX_ANSWERS: Final = 100
MAX_ROW: Final = 1024 * 1024
"""Bytes of one row."""
MAX_KEPT: Final = 2000
FIELDS: Final = (
    "request_id", "predicted_at", "task", "image", "prompt", "context", "slices", "model_answer", "said_before",
)  # fmt: skip
"""What is exported of a task. The confidence is not: who sees it judges otherwise."""
SAID: Final = ("annotator", "verdict", "answers", "rating", "safety_violation", "comment", "labelled_at")
"""What annotators fill in."""
_OUTCOMES: Final = ("verdict", "answers", "rating", "safety_violation")
"""A row that has none of them says nothing."""
_ALLOWED: Final = {"verdict": "correct, incorrect or unsure", "safety_violation": "yes or no"}
_YES_NO: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One row that came back: a label, or what is wrong with it, or neither where nothing was filled in."""

    place: str
    """Where it stands, for people, such as `line 7`."""
    label: Label | None = None
    fault: str = ""
    content: str = ""
    """Of a row that is wrong what it said, at most `MAX_KEPT` characters."""


def kept(row: Row, said: object) -> Row:
    """A row that is wrong together with what it said, bytes or what was read of them; others as they are."""
    if not row.fault or row.content:
        return row
    if isinstance(said, bytes):
        words = said[: 4 * MAX_KEPT].decode("utf-8", "backslashreplace")
    else:
        words = json.dumps(msgspec.to_builtins(said), ensure_ascii=False)
    return replace(row, content=words.strip()[:MAX_KEPT].encode("utf-8", "backslashreplace").decode())


class LabelFile(Protocol):
    """A file format."""

    def write(self, tasks: Iterable[TaskItem], out: IO[bytes]) -> None:
        """Write tasks to be labelled."""

    def read(self, source: IO[bytes], annotator: str | None) -> Iterator[Row]:
        """Every row, in order; one that cannot be read is a fault, and the next one follows.

        Args:
            annotator: whose labels they are, where a row names nobody.
        """


def fields_of(task: TaskItem) -> dict[str, str | None]:
    """`FIELDS` of a task, those that there are."""
    found = {
        "request_id": task.key.request_id, "predicted_at": task.key.ts.isoformat(), "task": task.task,
        "image": task.image_ref, "prompt": task.prompt, "context": task.context, "model_answer": task.answer,
        "slices": ", ".join(f"{name} = {value}" for name, value in sorted(task.slices.items())) or None,
        "said_before": " | ".join(word.said for word in task.words) or None,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def row_of(place: str, said: Mapping[str, Any], annotator: str | None) -> Row:
    """A row from the values of `request_id` and `SAID`; others are left alone. Blank values say nothing, and a
    verdict may be in any case, and whether something is a violation may be said by yes or no.

    `annotator` is a name, or a mapping with `id` and `kind`; `answers` a list of texts.
    """
    filled = {name: value for name in SAID if (value := _filled(said.get(name))) not in (None, "", [])}
    if filled.keys().isdisjoint(_OUTCOMES):
        return Row(place)
    if isinstance(verdict := filled.get("verdict"), str):
        filled["verdict"] = verdict.strip().lower()
    if isinstance(word := filled.get("safety_violation"), str):
        filled["safety_violation"] = _YES_NO.get(word.strip().lower(), word)
    who = filled.get("annotator", annotator)
    if who is None:
        return Row(place, fault="names no annotator; fill the field in, or say --annotator")
    fields: dict[str, Any] = {
        "request_id": said.get("request_id"), "ts": filled.get("labelled_at", UNDATED),
        "annotator": who if isinstance(who, Mapping) else {"id": who, "kind": "human"},
        **{name: filled[name] for name in (*_OUTCOMES, "comment") if name in filled},
    }  # fmt: skip
    return checked(place, fields)


def _filled(value: Any) -> Any:
    """A value without what is blank: a text of spaces is empty, and a list holds no such text."""
    if isinstance(value, list | tuple):
        return [one for one in value if _filled(one) != ""]
    return "" if isinstance(value, str) and not value.strip() else value


def checked(place: str, fields: Mapping[str, Any]) -> Row:
    """The fields of a `label/v1` as a row."""
    try:
        label = msgspec.convert(fields, Label)
    except msgspec.ValidationError as error:
        allowed = next((f"; write {words}" for name, words in _ALLOWED.items() if f"`$.{name}`" in str(error)), "")
        return Row(place, fault=f"{error}{allowed}")
    fault = _fault(label)
    return Row(place, fault=fault) if fault else Row(place, label)


def _fault(label: Label) -> str:
    """What the contract allows, and a file does not; nothing when all is well."""
    texts = [label.request_id, label.annotator.id, *label.answers, label.correction or "", label.comment or ""]
    if len(label.answers) > MAX_ANSWERS:
        return f"{len(label.answers)} answers; at most {MAX_ANSWERS} are kept"
    if any(len(one) > MAX_TEXT for one in texts):
        return f"a text has more than {MAX_TEXT} characters"
    if any("\0" in one or any("\ud800" <= sign <= "\udfff" for sign in one) for one in texts):
        return "a text holds a NUL character, or is no UTF-8"
    return ""
