"""docs/own-model.md, followed word by word: its files, its commands, a topic of another's making."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer
from sqlalchemy import Engine, text

from monitor.broker import ClientConfig, ensure_topics
from monitor.store.engine import make_engine

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "own-model.md").read_text()
BLOCKS = re.findall(r"```(json|yaml|toml)\n(.*?)```", PAGE, re.DOTALL)
NAMED = {match[1]: body for _, body in BLOCKS if (match := re.match(r"# (\S+\.(?:toml|yaml))\n", body))}
RECORD = next(json.loads(body) for kind, body in BLOCKS if kind == "json" and '"type"' in body)
LABEL = next(json.loads(body) for kind, body in BLOCKS if kind == "json" and "label/v1" in body)
ANSWERS, HEARTBEATS = 400, 40


@pytest.fixture
def folder(tmp_path: Path, broker: str) -> Path:
    """The files of the page as it names them. Weights cannot be fetched here, so that block is left to its reader."""
    for name, body in NAMED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(body)
    shutil.copy(ROOT / "slos" / "alerting.yaml", tmp_path / "slos")
    return tmp_path


@pytest.fixture
def environment(database_url: str, broker: str, topic: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SNELLEN_DATABASE_URL": database_url,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
        "SNELLEN_KAFKA__GROUP": topic,
        "SNELLEN_KAFKA__LABELS_TOPIC": f"{topic}-labels",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def written(broker: str, topic: str, folder: Path) -> str:
    """The topic of the page, under a name that no other test has; returns the name."""
    name = f"store-answers-{topic}"
    for file in folder.glob("*.toml"):
        file.write_text(file.read_text().replace("store-answers", name))
    ensure_topics(ClientConfig(broker), [name, f"{topic}-labels"], 2)
    producer = KafkaProducer(bootstrap_servers=broker)
    now = datetime.now(UTC)
    for number in range(ANSWERS):
        asked = now - timedelta(seconds=2 * number)
        record = RECORD | {"id": f"q-{number}", "asked_at": asked.isoformat(), "camera": ("north", "south")[number % 2]}
        producer.send(name, json.dumps(record).encode())
    for number in range(HEARTBEATS):
        producer.send(name, json.dumps({"type": "heartbeat", "n": number}).encode())
    label = LABEL | {"ts": now.isoformat()}
    producer.send(f"{topic}-labels", json.dumps(label).encode())
    producer.flush()
    producer.close()
    return name


@pytest.fixture
def stored(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def run(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_following_the_page_ends_in_stored_answers_and_an_evaluated_slo(
    folder: Path, environment: dict[str, str], written: str, stored: Engine
) -> None:
    checks = [line.split() for line in PAGE.splitlines() if line.startswith("    snellen ingest check store-answers")]
    plain, by_mapping = [[written if word == "store-answers" else word for word in words] for words in checks]
    (folder / "empty").mkdir()  # before there are settings
    found = run(folder / "empty", environment, *plain)
    assert found.returncode == 1, found.stdout + found.stderr  # nobody recognises it
    mapped = run(folder, environment, *by_mapping)
    assert mapped.returncode == 0, mapped.stdout + mapped.stderr
    assert re.search(rf"input\.prompt +{ANSWERS} +100%", mapped.stdout), mapped.stdout
    assert run(folder, environment, "snellen", "migrate").returncode == 0
    with (folder / "collector.log").open("wb") as log:
        collector = subprocess.Popen(
            [sys.executable, "-m", "collectors", "ingest"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        wait_for(stored, "SELECT count(*) FROM predictions", ANSWERS, folder / "collector.log")
        wait_for(stored, "SELECT count(*) FROM labels", 1, folder / "collector.log")
    finally:
        collector.terminate()
        assert collector.wait(20) == 0
    tick = datetime.now(UTC).replace(second=0, microsecond=0).isoformat()
    evaluated = run(folder, environment, "snellen", "evaluate", "--as-of", tick)
    assert evaluated.returncode == 0, evaluated.stderr
    with stored.connect() as connection:
        [row] = connection.execute(text("SELECT prompt, latency_ms, confidence, slices FROM predictions LIMIT 1"))
        assert row[:2] == (RECORD["question"], pytest.approx(1000 * RECORD["seconds"]))
        assert set(row.slices) == {"camera"}
        assert connection.execute(text("SELECT count(*) FROM dead_letters")).scalar() == 0
        assert (
            connection.execute(
                text("SELECT sum(ok) FROM rollups_minute WHERE dimension = 'camera' AND value = 'north'")
            ).scalar()
            == ANSWERS / 2
        )
        slos = connection.execute(text("SELECT slo, total FROM slo_evaluations")).all()
        assert [one.slo for one in slos] == ["store-vqa-availability"]
        assert slos[0].total >= ANSWERS - 31  # those of the running minute come with the next tick
        verdict = connection.execute(text("SELECT request_id, correct FROM verdicts")).all()
        assert [tuple(one) for one in verdict] == [("q-81", False)]


def wait_for(engine: Engine, query: str, expected: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with engine.connect() as connection:
            found = connection.execute(text(query)).scalar()
        if found == expected:
            return
        assert time.monotonic() < deadline, f"{query}: {found}\n{log.read_text()[-3000:]}"
        time.sleep(0.3)
