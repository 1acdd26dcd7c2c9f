"""docs/failures.md promises outcomes: each names a test that there is, and every fault that is tested stands there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text()
FOLDER = ROOT / "tests" / "integration" / "failures"
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


def functions_of(file: Path) -> set[str]:
    body = ast.parse(file.read_text()).body
    return {one.name for one in body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert name in functions_of(FOLDER / file)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("test_*.py")), ids=lambda file: file.name)
def test_every_file_of_failure_tests_is_named(file: Path) -> None:
    assert file.name in {name for name, _ in NAMED}


@pytest.mark.parametrize("name", ["test_database_faults.py", "test_process_faults.py"])
def test_every_fault_that_is_tested_stands_in_the_page(name: str) -> None:
    assert functions_of(FOLDER / name) == {test for file, test in NAMED if file == name}
