"""The docs name everything that there is, and everything that they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.drift.report import makers
from monitor.domain.events import Rejection
from monitor.drift import DETECTORS
from monitor.embedding.refusals import Refusal
from monitor.explain.candidates import KINDS as CAUSES
from monitor.formats import FORMATS
from monitor.labelling import LABEL_FILES
from monitor.mapping.transforms import TRANSFORMS
from monitor.notify import CHANNELS
from monitor.sli import SLIS
from monitor.store.expiry import RULES
from monitor.store.models import PARTITIONED_BY_DAY, Base
from monitor.streams import STREAMS
from monitor.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PACKAGES = [f"monitor/{one.parent.name}/" for one in sorted(ROOT.glob("monitor/*/__init__.py"))]
TABLES = {
    "tasks.md": TASKS,
    "drift.md": [*DETECTORS, *STREAMS],
    "explanation.md": CAUSES,
    "sli.md": SLIS,
    "runbook.md": SLIS,
    "channels.md": CHANNELS,
    "replay.md": TRANSFORMS,
    "events.md": list(Rejection),
    "images.md": list(Refusal),
    "formats.md": FORMATS,
    "labels.md": LABEL_FILES,
    "architecture.md": [*(f"monitor/formats/{name}.py" for name in FORMATS), *PACKAGES, *Base.metadata.tables],
}


@pytest.mark.parametrize("page", TABLES)
def test_every_entry_of_a_table_stands_in_its_page(page: str) -> None:
    text = (DOCS / page).read_text()
    missing = [name for name in TABLES[page] if f"`{name}`" not in text]
    assert not missing


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run `python docs/generate.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:monitor|collectors|dashboards|demo|alembic|slos|tests|benchmarks|docs)/[\w/.-]*)`", page.read_text()
    )
    missing = [name for name in named if "NAME" not in name and "VERB" not in name and not (ROOT / name).exists()]
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`?make (\w+)`?", page.read_text())}
    assert named & targets
    assert not {name for name in named if f"`make {name}`" in "".join(page.read_text() for page in PAGES)} - targets


@pytest.mark.parametrize("package", ["dashboards/charts", "dashboards/data", "monitor/store/queries"])
def test_a_package_that_lists_its_files_lists_them_all(package: str) -> None:
    listed = re.findall(r"^(\w+\.py) ", (ROOT / package / "__init__.py").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(one.name for one in (ROOT / package).glob("[!_]*.py"))


def test_the_retention_of_every_table_is_told() -> None:
    """What is taken away stands in the first tables of its section, what stays in the last."""
    _, retention, _ = (DOCS / "operations.md").read_text().split("\n## ", 2)
    goes, stays = (
        {name for row in re.findall(r"^\| (`.+?) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
        for part in retention.split("\nThese stay", 1)
    )
    assert {rule.table for rules in RULES.values() for rule in rules} | set(PARTITIONED_BY_DAY) <= goes
    assert not goes & stays
    assert goes | stays == set(Base.metadata.tables)
    code = "".join(file.read_text() for file in (ROOT / "monitor").rglob("*.py"))
    assert not stays & set(re.findall(r"DELETE FROM (\w+)", code))


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    unreached = [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in readme]
    assert not unreached


def test_every_table_of_the_drift_benchmark_has_its_place() -> None:
    places = re.findall(r"<!-- measured: ([\w-]+) -->", (DOCS / "drift.md").read_text())
    assert sorted(places) == sorted(makers(defaultdict(list)))
