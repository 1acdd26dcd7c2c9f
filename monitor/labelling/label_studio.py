"""Label Studio: tasks to import there, and the JSON that it exports (https://labelstud.io/guide/task_format).

The labelling configuration must name its controls as `CONTROLS` does; docs/labels.md has one to copy.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Final

import msgspec

from monitor.domain.label_tasks import TaskItem
from monitor.labelling.rows import FIELDS, Row, fields_of, kept, row_of

CONTROLS: Final = ("verdict", "answers", "rating", "safety_violation", "comment")
"""`name` of the controls: Choices, TextArea, Rating or Number, Choices, TextArea."""
STARS: Final = 5
"""`maxRating` of a Rating; its stars become 0 to 100. A Number is taken as it is."""
MAX_BYTES: Final = 64 * 1024 * 1024


class LabelStudio:
    """One JSON array of tasks, each with every field: Label Studio refuses a file that lacks one it is to show."""

    def write(self, tasks: Iterable[TaskItem], out: IO[bytes]) -> None:
        between = b"\n"
        out.write(b"[")
        for task in tasks:
            out.write(between + msgspec.json.encode({"data": dict.fromkeys(FIELDS, "") | fields_of(task)}))
            between = b",\n"
        out.write(b"\n]\n")

    def read(self, source: IO[bytes], annotator: str | None) -> Iterator[Row]:
        content = source.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            yield Row("the file", fault=f"larger than {MAX_BYTES} bytes; export it in parts")
            return
        try:
            tasks: Any = msgspec.json.decode(content.removeprefix(BOM_UTF8))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Row("the file", fault=f"no JSON: {error}")
            return
        if not isinstance(tasks, list):
            yield Row("the file", fault="must be an array of tasks: export as JSON, not as JSON_MIN or CSV")
            return
        for number, task in enumerate(tasks, start=1):
            yield from _of_task(f"task {number}", task, annotator)


def _of_task(place: str, task: Any, annotator: str | None) -> Iterator[Row]:
    data = task.get("data") if isinstance(task, dict) else None
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("request_id"), str):
        yield kept(Row(place, fault="has no data.request_id: it was not exported by Snellen"), task)
        return
    if not isinstance(annotations, list) or not annotations:
        yield Row(place)
        return
    for number, annotation in enumerate(annotations, start=1):
        where = f"{place}, annotation {number}"
        try:
            row = _of_annotation(where, data["request_id"], annotation, annotator)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            row = Row(where, fault=f"not as Label Studio exports it: {type(error).__name__} {error}")
        yield kept(row, {"request_id": data["request_id"], "annotation": annotation})


def _of_annotation(place: str, request_id: str, annotation: Mapping[str, Any], annotator: str | None) -> Row:
    if annotation.get("was_cancelled"):
        return Row(place)
    said: dict[str, Any] = {}
    for region in annotation["result"]:
        name = region.get("from_name")
        if name in CONTROLS:
            value = _value(name, region["type"], region["value"])
            said[name] = _together(name, said[name], value) if name in said else value
    moment = annotation.get("updated_at") or annotation.get("created_at")
    who = _name(annotation.get("completed_by")) or annotator
    return row_of(place, {"request_id": request_id, "labelled_at": moment, **said}, who)


def _value(name: str, kind: str, value: Mapping[str, Any]) -> Any:
    match kind:
        case "choices":
            (choice,) = value["choices"]
            return choice
        case "textarea":
            texts = [value["text"]] if isinstance(value["text"], str) else [str(one) for one in value["text"]]
            return texts if name == "answers" else "\n".join(texts)
        case "rating":
            stars = float(value["rating"])
            if not 0 <= stars <= STARS:
                raise ValueError(f"a Rating of {stars:g}; its maxRating must be {STARS}, or use a Number")
            return 100.0 * stars / STARS
        case "number":
            return float(value["number"])
        case other:
            raise ValueError(f"the control {name} is a {other}")


def _together(name: str, first: Any, second: Any) -> Any:
    """Two results of one control: each text of a TextArea may be one."""
    if name == "answers":
        return [*first, *second]
    if name == "comment":
        return f"{first}\n{second}"
    if first != second:
        raise ValueError(f"the control {name} has two results, {first} and {second}")
    return first


def _name(who: Any) -> str | None:
    """Exports name the annotator by number, or with an address; None when they say nothing."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who is None else who if isinstance(who, str) else f"label-studio-{who}"
