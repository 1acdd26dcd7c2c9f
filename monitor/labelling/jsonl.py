"""JSON Lines: a task per line, to which annotators add what they say; or `label/v1` events, as Kafka carries them."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import IO, Any

import msgspec

from monitor.domain.events import Label
from monitor.domain.label_tasks import TaskItem
from monitor.labelling.rows import MAX_ROW, Row, checked, fields_of, kept, row_of

_NATIVE = "label/v1"
_KNOWN = {field.encode_name for field in msgspec.structs.fields(Label)}


class Jsonl:
    """UTF-8 with or without a byte order mark, one JSON object per line."""

    def write(self, tasks: Iterable[TaskItem], out: IO[bytes]) -> None:
        for task in tasks:
            out.write(msgspec.json.encode(fields_of(task)) + b"\n")

    def read(self, source: IO[bytes], annotator: str | None) -> Iterator[Row]:
        for number, line in enumerate(iter(lambda: source.readline(MAX_ROW + 1), b""), start=1):
            place = f"line {number}"
            if len(beginning := line) > MAX_ROW:
                while not line.endswith(b"\n") and (line := source.readline(MAX_ROW)):
                    pass
                yield kept(Row(place, fault=f"longer than {MAX_ROW} bytes"), beginning)
            elif line.strip():
                yield kept(_row(place, line, annotator), line)


def _row(place: str, line: bytes, annotator: str | None) -> Row:
    try:
        said: Any = msgspec.json.decode(line.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row(place, fault=f"no JSON: {error}")
    if not isinstance(said, dict):
        return Row(place, fault="must be an object with request_id and what the annotator says")
    if said.get("schema") == _NATIVE:
        extra = {name: value for name, value in said.items() if name not in _KNOWN and name != "schema"}
        known = {name: value for name, value in said.items() if name in _KNOWN}
        return checked(place, {**known, "extra": {**known.get("extra", {}), **extra}} if extra else known)
    return row_of(place, said, annotator)
