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
    """Slice dimension -> the name under which the record says it: a logged HTTP header (kserve, seldon), an attribute of
    the span or its resource (otlp), a key of the request's `metadata` (openai_chat)."""
    mapping: Mapping | None = None
    """The mapping file of the `mapping` format."""
    max_record_bytes: int = 1024 * 1024
    """Of a record, and of what becomes of it when it is decompressed."""
