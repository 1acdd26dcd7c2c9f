"""YAML text -> documents, with exact numbers. OpenSLO v1: one file may hold many documents.

Floats become `Decimal` from their text, so that a target of 0.999 is 999/1000 and nothing near it. Aliases are refused
(a few lines of them can unfold into gigabytes) and so are repeated keys (YAML would silently keep the last).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

MAX_FILE_BYTES = 256 * 1024
"""A file of SLOs is written by hand; beyond this size it is not one."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document and where it stands."""

    file: str
    number: int
    """1-based position in the file."""
    content: Any

    @property
    def where(self) -> str:
        return f"{self.file}, document {self.number}"


class _Loader(yaml.SafeLoader):
    """SafeLoader with exact floats, without aliases and repeated keys."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ConstructorError(None, None, "aliases (*name) are not read; write the value out", self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=True)
        if len(mapping) != len(node.value):
            raise ConstructorError(None, None, "a key stands twice in one mapping", node.start_mark)
        return mapping

    def construct_yaml_float(self, node: ScalarNode) -> Any:
        text = self.construct_scalar(node).replace("_", "")
        try:
            return Decimal(text)
        except DecimalException:  # .inf, .nan and 1:30.5 are YAML floats too
            return super().construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def read_documents(file: str, content: bytes, faults: list[str]) -> list[Document]:
    """The documents of one file; empty ones are left out. What cannot be read is added to `faults`.

    Args:
        file: name for messages.
        content: the file's bytes; callers need not read more than `MAX_FILE_BYTES + 1` of them.
        faults: collects messages.
    """
    if len(content) > MAX_FILE_BYTES:
        faults.append(f"{file}: larger than {MAX_FILE_BYTES // 1024} KiB; split it into several files")
        return []
    documents: list[Document] = []
    try:
        for number, one in enumerate(_load(content.decode("utf-8-sig")), start=1):
            if one is not None:
                documents.append(Document(file, number, one))
    except UnicodeDecodeError as error:
        faults.append(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        faults.append(f"{file}, document {len(documents) + 1}: not readable YAML: {_first_lines(error)}")
    return documents


def read_mapping(text: str) -> dict[str, Any]:
    """The one mapping of a trusted file of this package (windows.yaml), with exact numbers."""
    loaded: dict[str, Any] = next(_load(text))
    return loaded


def _load(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_data():  # type: ignore[no-untyped-call]
            yield loader.get_data()
    finally:
        loader.dispose()


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
