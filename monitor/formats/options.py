"""What a log format leaves open, said once per topic."""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass, field

from monitor.mapping import Mapping


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """Options of one topic's decoder; each format says in its docstring which of them it uses."""

    task: str = "vqa"
    """Task of predictions whose records do not name one (see `monitor.tasks.TASKS`)."""
    model: str | None = None
    """Model name where the records do not carry one."""
    slices: Names[str, str] = field(default_factory=dict)
    """Slice dimension -> the name under which the record says it: a logged HTTP header (kserve), a record header
    (seldon2) or a tag as well (seldon), a key of `metadata` (oip, openai_chat), an attribute of the span or its
    resource (otlp)."""
    subject: str | None = None
    """The name under which the record says whose data it is, looked for where `slices` are; becomes `extra.user_id`."""
    fields: Names[str, str] = field(default_factory=dict)
    """One of our fields -> the tensor or key that holds it, where the names are not among the conventional ones
    (kserve, oip, seldon, seldon2; `monitor.formats.payloads.roles` lists both)."""
    mapping: Mapping | None = None
    """The mapping file of the `mapping` format."""
    max_record_bytes: int = 1024 * 1024
    """Of a record, and of what becomes of it when it is decompressed."""
