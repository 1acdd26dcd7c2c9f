"""What frameworks write in attributes of their own, said as the GenAI conventions say it: one dialect a file.

Each is known by one attribute, which spans of others do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from monitor.formats.dialects import adk, genkit, langfuse, logfire, mlflow, vercel
from monitor.formats.spans import Span

DIALECTS: Final[Mapping[str, Callable[[Span], Span]]] = {
    vercel.OPERATION: vercel.translated,
    logfire.REQUEST: logfire.translated,
    langfuse.KIND: langfuse.translated,
    mlflow.KIND: mlflow.translated,
    genkit.KIND: genkit.translated,
    adk.REQUEST: adk.translated,
}
"""The attribute that tells a dialect -> the span with the attributes that the conventions have for what it says."""
_TOLD_BY: Final = frozenset(DIALECTS)


def is_of_one(span: Span) -> bool:
    """Such spans say all themselves: nothing is logged beside them."""
    return not _TOLD_BY.isdisjoint(span.attributes)


def translated(span: Span) -> Span:
    """The span as the conventions have it; what it says in their words stands. Those of others as they are."""
    if is_of_one(span):
        for name in _TOLD_BY & span.attributes.keys():
            span = DIALECTS[name](span)
    return span
