"""docs/own-model.md, followed word by word: its files, its commands, a topic of another's making."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer
from sqlalchemy import Engine, text

from monitor.broker import ClientConfig, ensure_topics
from monitor.store.engine import make_engine
from tests.pace import exit_code, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "own-model.md").read_text()
BLOCKS = re.findall(r"```(json|yaml|toml)\n(.*?)```", PAGE, re.DOTALL)
NAMED = {match[1]: body for _, body in BLOCKS if (match := re.match(r"# (\S+\.(?:toml|yaml))\n", body))}
RECORD = next(json.loads(body) for kind, body in BLOCKS if kind == "json" and '"type"' in body)
LABEL = next(json.loads(body) for kind, body in BLOCKS if kind == "json" and "label/v1" in body)
BLESSING = next(line.split() for line in PAGE.splitlines() if line.startswith("    snellen reference create"))
ANSWERS, HEARTBEATS, PAST = 400, 40, 1800
"""How many are in the topic: answers of the last minutes, heartbeats, and answers of the 60 hours before."""


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


def write_past(broker: str, name: str, until: datetime) -> None:
    """Two answers in four minutes, no two of which are quite alike."""
    draw, producer = random.Random(1), KafkaProducer(bootstrap_servers=broker)
    for number in range(PAST):
        asked = until - timedelta(minutes=2 * number)
        more = {
            "certainty": round(draw.betavariate(6, 3), 3),
            "answer": str(draw.randrange(12)),
            "asked_at": asked.isoformat(),
        }
        question = f"How many {draw.choice(('boxes', 'red crates', 'open bottles of water'))} are on the shelf?"
        record = (
            RECORD | more | {"id": f"past-{number}", "question": question, "camera": ("north", "south")[number % 2]}
        )
        producer.send(name, json.dumps(record).encode())
    producer.flush()
    producer.close()


@pytest.fixture
def stored(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def run(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_following_the_page_ends_in_stored_answers_an_evaluated_slo_and_a_first_reference(
    folder: Path, environment: dict[str, str], written: str, stored: Engine, broker: str
) -> None:
    checks = [line.split() for line in PAGE.splitlines() if line.startswith("    snellen ingest check store-answers")]
    plain, by_mapping = [[written if word == "store-answers" else word for word in words] for words in checks]
    (folder / "empty").mkdir()  # before there are settings
    found = run(folder / "empty", environment, *plain)
    assert found.returncode == 1, found.stdout + found.stderr  # nobody recognises it
    mapped = run(folder, environment, *by_mapping)
    assert mapped.returncode == 0, mapped.stdout + mapped.stderr
    assert re.search(rf"input\.prompt +{ANSWERS} +100%", mapped.stdout), mapped.stdout
    now = datetime.now(UTC)
    write_past(broker, written, now - timedelta(minutes=15))
    assert run(folder, environment, "snellen", "migrate").returncode == 0
    with (folder / "collector.log").open("wb") as log:
        collector = subprocess.Popen(
            [sys.executable, "-m", "collectors", "ingest"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        wait_for_rows(stored, "SELECT count(*) FROM predictions", ANSWERS + PAST, folder / "collector.log")
        wait_for_rows(stored, "SELECT count(*) FROM labels", 1, folder / "collector.log")
    finally:
        collector.terminate()
        assert exit_code(collector, 20) == 0
    tick = datetime.now(UTC).replace(second=0, microsecond=0).isoformat()
    evaluated = run(folder, environment, "snellen", "evaluate", "--as-of", tick)
    assert evaluated.returncode == 0, evaluated.stderr
    with stored.connect() as connection:
        [row] = connection.execute(text("SELECT prompt, latency_ms, slices FROM predictions WHERE request_id = 'q-81'"))
        assert row[:2] == (RECORD["question"], pytest.approx(1000 * RECORD["seconds"]))
        assert set(row.slices) == {"camera"}
        assert connection.execute(text("SELECT count(*) FROM dead_letters")).scalar() == 0
        assert (
            connection.execute(
                text("SELECT sum(ok) FROM rollups_minute WHERE dimension = 'camera' AND value = 'north'")
            ).scalar()
            == (ANSWERS + PAST) / 2
        )
        slos = connection.execute(text("SELECT slo, total FROM slo_evaluations")).all()
        assert [one.slo for one in slos] == ["store-vqa-availability"]
        assert slos[0].total >= ANSWERS + PAST - 31  # those of the running minute come with the next tick
        verdict = connection.execute(text("SELECT request_id, correct FROM verdicts")).all()
        assert [tuple(one) for one in verdict] == [("q-81", False)]
    demand_reference(folder, environment, stored, now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1))


def demand_reference(folder: Path, environment: dict[str, str], stored: Engine, hour: datetime) -> None:
    """Bless all but the last hours, as the page says, and have those compared."""
    times = {"--since": hour - timedelta(hours=54), "--until": hour - timedelta(hours=4)}
    before = ["", *BLESSING]
    words = [times[last].isoformat() if last in times else word for last, word in zip(before, BLESSING, strict=False)]
    made = run(folder, environment, *words)
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"confidence +reference \d+", made.stdout), made.stdout
    listed = run(folder, environment, "snellen", "reference", "list")
    assert re.search(r"store-vqa +confidence +blessed", listed.stdout), listed.stdout
    compared = run(folder, environment, "snellen", "evaluate", "--as-of", hour.isoformat())
    assert compared.returncode == 0, compared.stderr
    with stored.connect() as connection:
        verdicts = text(
            "SELECT DISTINCT verdict FROM drift_results JOIN drift_references r ON r.id = reference_id"
            " WHERE tick = :hour AND stream = 'confidence' AND dimension = ''"
        )
        assert connection.execute(verdicts, {"hour": hour}).scalars().all() == ["no_drift"]


def wait_for_rows(engine: Engine, query: str, expected: int, log: Path) -> None:
    def found() -> int:
        with engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    wait_for(lambda: found() == expected, 60, lambda: f"{query}: {found()}\n{log.read_text()[-3000:]}")
