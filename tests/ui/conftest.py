"""The user interface in-process (AppTest), on a database of its own, at a time of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import streamlit as st
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from monitor import bootstrap
from monitor.store.engine import make_engine, transaction

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DOCUMENT = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: exam-accuracy, displayName: Exam accuracy}
spec:
  description: Sampled answers are correct.
  service: exam
  budgetingMethod: Occurrences
  timeWindow: [{duration: 7d, isRolling: true}]
  indicator:
    metadata: {name: right-answers}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource: {type: Snellen, spec: {series: sampled_labels, filter: {model: exam, verdict: correct}}}
        total: {metricSource: {type: Snellen, spec: {series: sampled_labels, filter: {model: exam}}}}
  objectives: [{displayName: Correct, target: 0.85}]
  alertPolicies: [{alertPolicyRef: page}, {alertPolicyRef: ticket}]
"""
Open = Callable[..., AppTest]


def load_seed() -> ModuleType:
    """tests/ui/seed.py; test folders are no packages, so it has no name to import."""
    spec = importlib.util.spec_from_file_location("ui_seed", Path(__file__).with_name("seed.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def seed() -> ModuleType:
    return load_seed()


@pytest.fixture
def slo_dir(tmp_path: Path) -> Path:
    """One SLO of our own, with the alert policies that ship."""
    folder = tmp_path / "slos"
    folder.mkdir()
    (folder / "exam.yaml").write_text(DOCUMENT)
    (folder / "alerting.yaml").write_text((ROOT / "slos" / "alerting.yaml").read_text())
    return folder


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def seeded(engine: Engine, seed: ModuleType) -> Engine:
    """The database with everything in it, as of NOW."""
    with transaction(engine) as connection:
        seed.everything(connection, NOW)
    return engine


@pytest.fixture
def open_page(database_url: str, slo_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page by its name, with query parameters, and runs it at NOW."""
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(slo_dir))
    monkeypatch.setenv("SNELLEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(bootstrap, "now", lambda: NOW)

    def open_named(page: str = "overview", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboards" / "app.py"), default_timeout=60)
        if page != "overview":
            app.switch_page(f"screens/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    _forget()
    yield open_named
    _forget()


def _forget() -> None:
    """Pages cache answers and the engine in the process."""
    st.cache_data.clear()
    st.cache_resource.clear()
