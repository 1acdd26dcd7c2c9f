"""Real logs, replayed through the whole path, give their published accuracy to the last answer.

Run with SNELLEN_REAL_DATA naming the folder that holds mmmu_pro_gpt4o.jsonl.gz and employment_ma.parquet.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitor.broker import ClientConfig, ensure_topics
from monitor.mapping import load_mapping
from monitor.services.replay import Report, replay
from monitor.services.score_labels import score_labels
from monitor.services.ship import Wire
from monitor.store.engine import make_engine

DATA = os.environ.get("SNELLEN_REAL_DATA")
MAPPINGS = Path(__file__).parents[2] / "examples" / "mappings"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(DATA is None, reason="SNELLEN_REAL_DATA does not name the folder of real logs"),
]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def wire(database_url: str, broker: str, topic: str, tmp_path: Path) -> Iterator[Wire]:
    """A broker with one collector behind it."""
    wire = Wire.to(ClientConfig(broker), f"{topic}.predictions", f"{topic}.labels", 4, f"{topic}-ingest")
    deployments_topic = f"{topic}.deployments"
    ensure_topics(ClientConfig(broker), [wire.predictions_topic, wire.labels_topic, deployments_topic], 4)
    settings = {
        "SNELLEN_CONFIG": os.devnull,
        "SNELLEN_HOME": str(tmp_path),
        "SNELLEN_DATABASE_URL": database_url,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
        "SNELLEN_KAFKA__GROUP": topic,
        "SNELLEN_KAFKA__PREDICTIONS_TOPIC": wire.predictions_topic,
        "SNELLEN_KAFKA__LABELS_TOPIC": wire.labels_topic,
        "SNELLEN_KAFKA__DEPLOYMENTS_TOPIC": deployments_topic,
    }
    with (tmp_path / "collector.log").open("wb") as log:
        collector = subprocess.Popen(
            [sys.executable, "-m", "collectors", "ingest"], env=os.environ | settings, stdout=log, stderr=log
        )
    yield wire
    collector.kill()
    collector.wait(10)


def send(engine: Engine, wire: Wire, file: str, mapping: str) -> Report:
    assert DATA is not None
    started = time.monotonic()
    example = load_mapping(MAPPINGS / f"{mapping}.yaml")
    report = replay(engine, wire, Path(DATA) / file, example, clock=lambda: datetime.now(UTC))
    print(f"{file}: {report.rows} rows replayed in {time.monotonic() - started:.0f} s")  # noqa: T201 (a figure for docs)
    assert report.complete, report.lines()
    score_labels(engine)
    return report


def accuracy(engine: Engine, *dimensions: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """(correct, scored) verdicts by slice values."""
    columns = ", ".join(f"slices ->> '{one}'" for one in dimensions)
    groups = ", ".join(str(place + 1) for place in range(len(dimensions)))
    query = text(f"SELECT {columns}, sum(correct::int), count(correct) FROM verdicts GROUP BY {groups}")
    with engine.connect() as connection:
        return {tuple(row[:-2]): (row[-2], row[-1]) for row in connection.execute(query)}


def shares(found: dict[tuple[str, ...], tuple[int, int]]) -> dict[tuple[str, ...], float]:
    return {key: round(correct / scored, 4) for key, (correct, scored) in found.items()}


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_mmmu_pro_gives_the_published_accuracy_of_both_runs(engine: Engine, wire: Wire) -> None:
    report = send(engine, wire, "mmmu_pro_gpt4o.jsonl.gz", "mmmu_pro_gpt4o")
    assert (report.predictions, report.labels) == (3460, 3460)
    assert accuracy(engine, "run") == {("standard-direct",): (694, 1730), ("vision-direct",): (734, 1730)}
    assert shares(accuracy(engine, "run", "difficulty")) == {
        ("standard-direct", "Easy"): 0.5455, ("standard-direct", "Medium"): 0.3521, ("standard-direct", "Hard"): 0.3092,
        ("vision-direct", "Easy"): 0.5739, ("vision-direct", "Medium"): 0.4020, ("vision-direct", "Hard"): 0.2718,
    }  # fmt: skip
    assert len(accuracy(engine, "subject")) == 30
    assert rows(engine, "SELECT DISTINCT task, scorer FROM verdicts") == [("multiple_choice", "choice_letter")]


def test_employment_gives_the_published_accuracy_and_confidence_of_every_year(engine: Engine, wire: Wire) -> None:
    report = send(engine, wire, "employment_ma.parquet", "employment_ma")
    assert report.predictions == 277_677
    assert shares(accuracy(engine, "year")) == {
        ("2015",): 0.8272, ("2016",): 0.8253, ("2017",): 0.8292, ("2018",): 0.8282
    }  # fmt: skip
    confidence = rows(engine, "SELECT slices ->> 'year', avg(confidence) FROM verdicts GROUP BY 1 ORDER BY 1")
    assert [round(mean, 4) for _, mean in confidence] == [0.8247, 0.8244, 0.8253, 0.8243]
    attributes = ("SCHL", "MAR", "DIS", "CIT", "NATIVITY", "SEX", "RAC1P")
    assert [len(accuracy(engine, one)) for one in attributes] == [25, 5, 2, 5, 2, 2, 9]
    counts = (
        "SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM labels), (SELECT sum(ok) FROM rollups_minute)"
    )
    assert rows(engine, counts) == [(277_677, 277_677, 277_677)]
