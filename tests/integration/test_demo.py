"""The demo's incidents through the whole of Snellen: each is found, and what does not happen is not found."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import torch
from sqlalchemy import Engine, text

from demo.__main__ import CONFIG
from demo.cameras import CAMERAS
from demo.clip.encoder import Encoder
from demo.incidents import CHANGED_CAMERA, INCIDENTS, Schedule
from demo.labeller import Labellers
from demo.service import SceneVqa
from demo.simulation import Simulation
from demo.traffic import Traffic
from demo.wire import topic_of
from monitor import bootstrap, settings
from monitor.domain.events import Event, Prediction, encode
from monitor.domain.records import Batch, Partition, Record
from monitor.domain.slices import Slice
from monitor.domain.window import DAY, HOUR, Window, floor
from monitor.embedded.identity import ProcessId
from monitor.embedded.probes import to_libpq
from monitor.embedded.state import read_state
from monitor.explain.causes import Cause
from monitor.services.backfill import backfill
from monitor.services.compare_canary import compare_canary
from monitor.services.embed import EmbedService
from monitor.services.explain import explain_past
from monitor.services.ingest import IngestService
from monitor.services.positions import Positions
from monitor.settings import CONFIG_VARIABLE, Labels, Settings
from monitor.store.engine import ROOT, transaction
from monitor.store.queries.canary import canary_rollouts
from monitor.store.queries.explanations import explanations
from monitor.streams.image_quality import QUALITY_UNITS
from tests.pace import Patience, exit_code, wait_for

pytestmark = pytest.mark.integration

Happening = dict[str, tuple[float, float]]
"""Incident -> the hour in which it begins, and how many hours it lasts."""


@pytest.fixture(scope="module")
def encoder() -> Iterator[Encoder]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the demo does: small batches are slower on two
    yield Encoder()
    torch.set_num_threads(threads)


@pytest.fixture
def config(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The demo's own settings on the test's database."""
    monkeypatch.setenv(CONFIG_VARIABLE, str(CONFIG))
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.chdir(ROOT)
    config = settings.load(home=tmp_path)
    return config.model_copy(update={"embedder": config.embedder.model_copy(update={"image_roots": (tmp_path,)})})


class Snellen:
    """Its services in this process, fed by hand instead of by a broker."""

    def __init__(self, config: Settings, *, embeds: bool) -> None:
        self.config = config
        self.engine = bootstrap.open_store(config)
        self._groups: list[tuple[str, IngestService | EmbedService]] = [
            ("ingest", bootstrap.make_ingest(config, self.engine))
        ]
        if embeds:
            self._groups.append(("embed", bootstrap.make_embed(config, self.engine)))
        self._stands: dict[tuple[str, Partition], int] = {}

    def take(self, events: Sequence[Event]) -> None:
        """Hand a batch to every group that reads its topics."""
        for kind, service in self._groups:
            if kind == "embed":
                events = [event for event in events if isinstance(event, Prediction)]
            for start in range(0, len(events), 1000):
                service.write(self._batch(kind, events[start : start + 1000]), bootstrap.now())

    def alerts(self) -> list[tuple[str, datetime]]:
        """SLO and beginning of every incident there ever was."""
        query = "SELECT slo, opened_at FROM alerts ORDER BY opened_at"
        with self.engine.connect() as connection:
            return [(row.slo, row.opened_at) for row in connection.execute(text(query))]

    def drift(self) -> list[tuple[str, str, datetime]]:
        """Stream, slice value and end of every window that drifted."""
        query = """
            SELECT stream, value, tick FROM drift_results JOIN drift_references ON id = reference_id
            WHERE verdict = 'drift' ORDER BY tick
        """
        with self.engine.connect() as connection:
            return [(row.stream, row.value, row.tick) for row in connection.execute(text(query))]

    def canaries(self) -> dict[str, str]:
        """Version of every canary, and the verdict on it."""
        now, options = bootstrap.now(), bootstrap.canary_options(self.config)
        with transaction(self.engine) as connection:
            reports = [compare_canary(connection, one, now, options) for one in canary_rollouts(connection, now)]
        return {report.rollout.version: report.verdict for report in reports}

    def first_causes(self, window: Window) -> list[Cause]:
        """What each explanation of the drift that persisted in a window names first."""
        options = bootstrap.explain_options(self.config)
        explain_past(self.engine, options, window.start, window.end)
        with transaction(self.engine) as connection:
            return [one.findings.causes[0] for one in explanations(connection, window)]

    def _positions(self, kind: str) -> Positions:
        return Positions(self.engine, bootstrap.group(self.config, kind), bootstrap.now)

    def _batch(self, kind: str, events: Sequence[Event]) -> Batch:
        records, expected, following = [], {}, {}
        for event in events:
            topic = topic_of(event, self.config)
            partition = Partition("demo-test", topic, f"{topic}-id", 0)
            if (kind, partition) not in self._stands:
                self._stands[kind, partition] = self._positions(kind).start(partition, 0, beyond_end=False)
            offset = self._stands[kind, partition]
            expected.setdefault(partition, offset)
            records.append(Record(partition, offset, -1, encode(event)))
            self._stands[kind, partition] = following[partition] = offset + 1
        return Batch(tuple(records), expected, following, dict(following))


@dataclass(frozen=True)
class Played:
    """What Snellen made of a shortened history, and when what happened in it."""

    snellen: Snellen
    windows: dict[str, Window]

    def during(self, name: str, moment: datetime, grace: timedelta) -> bool:
        return name in self.windows and self.windows[name].start < moment <= self.windows[name].end + grace


@pytest.fixture
def play(config: Settings, encoder: Encoder, tmp_path: Path) -> Iterator[Callable[..., Played]]:
    """Make, store and evaluate a shortened history in which the named incidents happen at the given hours."""
    engines: list[Engine] = []

    def run(
        hours: float, happening: Happening, per_minute: float, *, embeds: bool = False, **changes: object
    ) -> Played:
        end = floor(datetime.now(UTC), DAY)  # whenever the test runs, its days look the same
        start = end - hours * HOUR
        schedule = Schedule()
        for name, (begins, lasts) in happening.items():
            window = Window(start + begins * HOUR, start + (begins + lasts) * HOUR)
            schedule = schedule.including(INCIDENTS[name], window)
        here = config.model_copy(update=changes)
        traffic = Traffic("test", start, per_minute=per_minute)
        labellers = Labellers(bootstrap.label_design(here))
        simulation = Simulation(traffic, schedule, SceneVqa(encoder), labellers, tmp_path / "images")
        snellen, evaluation = Snellen(here, embeds=embeds), bootstrap.make_evaluation(here)
        engines.extend((snellen.engine, evaluation.engine))
        snellen.take([event for batch in simulation.advance(end) for event in batch])
        backfill(evaluation, start, end)
        return Played(snellen, {incident.name: window for incident, window in schedule.entries})

    yield run
    for engine in engines:
        engine.dispose()


HAPPENS: Happening = {"latency": (2, 1.5), "camera": (5, 6), "canary": (13, 2), "campaign": (16, 2), "pairing": (19, 2)}
FIRES = {
    "latency": "scene-vqa-latency",
    "camera": f"scene-vqa-{CHANGED_CAMERA}-accuracy",
    "canary": "scene-vqa-canary-accuracy",
    "pairing": "scene-vqa-label-accuracy",
}


@pytest.mark.parametrize("without", [None, *FIRES])
def test_each_incident_fires_its_alert_and_one_that_is_switched_off_does_not(
    play: Callable[..., Played], without: str | None
) -> None:
    happening = {name: when for name, when in HAPPENS.items() if name != without}
    played = play(22, happening, 1.0, labels=Labels(sample_rate=0.9))
    alerts = played.snellen.alerts()
    fired = {name for name, slo in FIRES.items() for one, at in alerts if one == slo and played.during(name, at, HOUR)}
    assert fired == FIRES.keys() - {without}
    strays = [one for one in alerts if not any(played.during(name, one[1], HOUR) for name in FIRES)]
    assert strays == []
    assert played.snellen.canaries() == ({"v2": "worse"} if "canary" in happening else {})


def test_each_side_that_moves_is_named_while_it_moves_and_no_other(
    play: Callable[..., Played], config: Settings
) -> None:
    said = {"answer", "answer_mix"}
    sure = {"confidence", "margin"}
    sides = {
        "camera": {"image", "image_quality", "agreement", *said, *sure},
        # It asks for counts and colours alone, which have answers of their own, and are surer than others.
        "campaign": {"prompt", "prompt_text", "metadata", *said, *sure},
        "pairing": {"agreement"},
    }
    happening: Happening = {"camera": (20, 3), "campaign": (25, 3), "pairing": (30, 3)}
    changes = {"window": HOUR, "reference_span": 18 * HOUR, "reference_rows": 1000}
    drift = config.drift.model_copy(update=changes)
    played = play(34, happening, 3.0, embeds=True, drift=drift)
    found = played.snellen.drift()
    # Weaker, and as true: the campaign's questions describe the picture at length (of 3,800 pairs the cosines are 0.16
    # deviations lower), and where a request gets the picture before, a camera's slice holds pictures of all cameras.
    weaker = {("campaign", "agreement", value) for _, value, _ in found}
    weaker |= {("pairing", stream, camera) for stream in ("image", "image_quality") for camera in CAMERAS}
    moved = {
        name: {
            stream
            for stream, value, at in found
            if played.during(name, at, HOUR) and (name, stream, value) not in weaker
        }
        for name in sides
    }
    assert moved == sides
    assert [one for one in found if not any(played.during(name, one[2], HOUR) for name in sides)] == []
    assert ("image", CHANGED_CAMERA) in {(stream, value) for stream, value, _ in found}
    causes = played.snellen.first_causes(played.windows["camera"])
    assert Slice("device", CHANGED_CAMERA) in {cause.within for cause in causes}
    assert {cause.name for cause in causes} <= QUALITY_UNITS.keys()


class Demo:
    """`python -m demo` as a process of its own, with a history of two hours."""

    def __init__(self, home: Path, output: Path, *options: str) -> None:
        self.home = home
        self._output = output
        command = [sys.executable, "-m", "demo", "--home", str(home), "--days", "0.08", "--per-minute", "2", *options]
        with output.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    def says(self, words: str) -> bool:
        """Whether it says so in time, or has said so."""
        patience = Patience(90)
        while words not in self.output and self.process.poll() is None and patience.rest():
            pass
        return words in self.output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def processes(self) -> list[ProcessId]:
        """Everything that it started."""
        state = read_state(self.home)
        assert state is not None, self.output
        return [state.supervisor, *(one.process for one in state.components if one.process is not None)]

    def predictions(self) -> int:
        state = read_state(self.home)
        assert state is not None, self.output
        with psycopg.connect(to_libpq(state.addresses.database_url)) as connection:
            found = connection.execute("SELECT count(*) FROM predictions").fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(*options: str) -> Demo:
        demos.append(Demo(tmp_path / "home", tmp_path / f"output-{len(demos)}.txt", *options))
        return demos[-1]

    yield start
    for demo in demos:
        demo.process.kill()
        demo.process.wait()


def wait_until_gone(processes: Sequence[ProcessId]) -> None:
    wait_for(lambda: not any(one.is_alive() for one in processes), 30, "all that it started has ended")


def test_the_demo_makes_its_history_once_and_leaves_nothing_running(start_demo: Callable[..., Demo]) -> None:
    first = start_demo()
    assert first.says("Live from here on"), first.output
    made = int(re.findall(r"complete: ([\d,]+) requests", first.output)[0].replace(",", ""))
    assert first.predictions() >= made > 100
    processes = first.processes()
    first.process.send_signal(signal.SIGINT)
    assert exit_code(first.process, 40) == 0, first.output
    wait_until_gone(processes)

    again = start_demo()
    assert again.says("is here already"), again.output
    assert made <= again.predictions() < 2 * made
    refused = start_demo()
    assert refused.says("something runs in"), refused.output
    processes = again.processes()
    again.process.kill()
    wait_until_gone(processes)


def test_a_history_that_was_cut_off_is_made_anew_and_foreign_data_are_left_alone(
    start_demo: Callable[..., Demo], tmp_path: Path
) -> None:
    cut_off = start_demo("--days", "3")
    assert cut_off.says("Open http"), cut_off.output
    processes = cut_off.processes()
    cut_off.process.send_signal(signal.SIGTERM)
    assert exit_code(cut_off.process, 40) == 0, cut_off.output
    wait_until_gone(processes)

    again = start_demo()
    assert again.says("its week was not finished"), again.output
    assert again.says("Live from here on"), again.output
    again.process.send_signal(signal.SIGINT)
    assert exit_code(again.process, 40) == 0, again.output

    foreign = tmp_path / "foreign"
    (foreign / "postgres").mkdir(parents=True)
    refused = start_demo("--home", str(foreign), "--fresh")
    assert refused.says("data that the demo did not make"), refused.output
    assert exit_code(refused.process, 10) == 1
    assert (foreign / "postgres").exists()
