"""Pages that name a test for each claim name tests that exist; modules that are named exist, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["security.md"])
def test_every_test_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / page).read_text())
    assert len(named) > 20
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / "tests" / file).read_text()]
    assert not missing


PACKAGES = ("monitor", "collectors", "dashboards", "demo")


def test_every_module_that_a_page_or_docstring_names_exists() -> None:
    files = [*(ROOT / "docs").glob("*.md"), *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))]
    dotted = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`")
    named = {(file, name) for file in files for name in dotted.findall(file.read_text())}
    assert len(named) > 20
    assert not [f"{file}: {name}" for file, name in sorted(named) if not is_there(name)]


def is_there(name: str) -> bool:
    """A module, a package, or what the text of one defines or hands on."""
    module, _, last = name.rpartition(".")
    return bool(_source(name)) or re.search(rf"\b{last}\b", _source(module)) is not None


def _source(module: str) -> str:
    place = ROOT.joinpath(*module.split("."))
    found = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    return found[0].read_text() if found else ""
