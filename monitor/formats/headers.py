"""Record headers by name, whatever its case."""

from __future__ import annotations

from monitor.domain.records import Record


def headers_of(record: Record) -> dict[str, str]:
    """Lower-case name -> text; the first of a repeated header counts, what is no UTF-8 is replaced."""
    return {name.lower(): content.decode("utf-8", "replace") for name, content in reversed(record.headers) if content}


def has_prefix(record: Record, names: tuple[str, ...], prefixes: tuple[bytes, ...]) -> bool:
    """Does one of these headers (lower-case names) begin with one of these?"""
    return any(name.lower() in names and content.startswith(prefixes) for name, content in record.headers if content)


def trace_id_of(traceparent: str) -> str:
    """The id of the trace in what W3C's Trace Context calls so; what is none as it stands."""
    return traceparent.split("-")[1] if traceparent.count("-") == 3 else traceparent
