from __future__ import annotations

from decimal import Decimal

import pytest

from monitor.slo.documents import MAX_FILE_BYTES, read_documents


def read(text: str | bytes) -> tuple[list[object], list[str]]:
    faults: list[str] = []
    content = text if isinstance(text, bytes) else text.encode()
    return [one.content for one in read_documents("a.yaml", content, faults)], faults


def test_numbers_are_exactly_what_is_written() -> None:
    contents, faults = read("a: 0.999\nb: 0.99900000000000000001\nc: 3\nd: 1_000.5\n")
    assert contents == [{"a": Decimal("0.999"), "b": Decimal("0.99900000000000000001"), "c": 3, "d": Decimal("1000.5")}]
    assert faults == []


def test_a_file_holds_many_documents_and_says_where_each_stands() -> None:
    faults: list[str] = []
    found = read_documents("a.yaml", b"\xef\xbb\xbfa: 1\n---\n---\nb: 2\n", faults)
    assert [(one.where, one.content) for one in found] == [
        ("a.yaml, document 1", {"a": 1}),
        ("a.yaml, document 3", {"b": 2}),
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2\n", "a key stands twice"),
        ("a: {b: 1, b: 2}\n", "a key stands twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: [1\n", "not readable YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "not readable YAML"),
        ("? [1]\n: 2\n", "not readable YAML"),
        ("a: 2026-13-45\n", "not readable YAML"),
        ("a: " + "9" * 5000, "not readable YAML"),
        ("[" * 3000, "not readable YAML"),
        ("a: \x00", "not readable YAML"),
        (b"a: \xff\xfe", "not UTF-8"),
        (b"a: 1\n" * (MAX_FILE_BYTES // 5 + 1), "larger than 256 KiB"),
    ],
)
def test_what_cannot_be_read_is_a_fault_that_names_the_file(text: str | bytes, fault: str) -> None:
    contents, faults = read(text)
    assert contents == []
    assert len(faults) == 1
    assert faults[0].startswith("a.yaml")
    assert fault in faults[0]
    assert len(faults[0]) < 400


def test_documents_before_a_broken_one_are_still_read() -> None:
    contents, faults = read("a: 1\n---\nb: [\n")
    assert contents == [{"a": 1}]
    assert faults[0].startswith("a.yaml, document 2: not readable YAML")
