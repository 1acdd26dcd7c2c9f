"""References and drift on a real PostgreSQL: nothing is sketched twice or never, and a planted shift is found."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.domain.records import Batch, Partition, Record
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, Window
from monitor.drift.sketch import sketch
from monitor.formats import FormatOptions, native
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services import evaluate_drift as evaluation
from monitor.services.draw_labels import LabelDesign
from monitor.services.evaluate_drift import DriftOptions, evaluate_drift
from monitor.services.ingest import IngestOptions, IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.services.references import ReferenceOptions
from monitor.services.sketches import SketchService
from monitor.store import observations, references, vectors
from monitor.store.queries import drift as queries
from monitor.store.sketches import sketches_in

START = datetime(2026, 11, 10, tzinfo=UTC)
SPAN = timedelta(hours=32)
OPTIONS = DriftOptions(
    ReferenceOptions(timedelta(hours=2), rows=500, span=SPAN, slice_dimensions=("device",), max_slice_values=10),
    alpha=0.01,
)
DIMENSION = 16
PER_HOUR = 80
PARTITION = Partition("c", "t", "22222222-2222-2222-2222-222222222222", 0)
WATCHED = ("agreement", "image", "metadata", "prompt")
"""What this traffic lets be watched: it has no texts, no answers and no confidence."""
Rows = Callable[..., list[Any]]


def event(index: int, moment: datetime, image: np.ndarray, prompt: np.ndarray, model: str) -> bytes:
    def carried(kind: str, vector: np.ndarray) -> dict[str, str]:
        data = base64.b64encode(vector.astype("<f2").tobytes()).decode()
        return {"kind": kind, "embedder": "clip@1", "dtype": "f2", "data": data}

    return msgspec.json.encode(
        {
            "schema": "prediction/v1",
            "request_id": f"{model}{index}",
            "ts": moment.isoformat(),
            "model": {"name": model, "version": "v1"},
            "task": "vqa",
            "status": "ok",
            "slices": {"device": f"cam-{index % 2}"},
            "embeddings": [carried("image", image), carried("prompt", prompt)],
        }
    )


class Traffic:
    """Hours of traffic through the ingest service; a device's images can be shifted."""

    def __init__(self, engine: Engine) -> None:
        options = IngestOptions(
            group="g",
            decoders={"t": native.decoder(FormatOptions())},
            limits=Limits(1 << 20, timedelta(minutes=5), timedelta(days=30)),
            slice_dimensions=("device",),
            max_slice_values=10,
            labels=LabelDesign(),
            pair_patience=timedelta(minutes=5),
            privacy=Privacy(Redactor(PrivacyOptions()), Subjects(())),
            store_rate=1.0,
            max_models=200,
            max_embedders=100,
        )
        self.service = IngestService(engine, options, SketchService(engine, ("device",), 10).update)
        self.rng = np.random.default_rng(7)
        self.offset = 0
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO stream_offsets (consumer_group, cluster_id, topic_id, partition, topic, next_offset)"
                    " VALUES ('g', 'c', :id, 0, 't', 0)"
                ),
                {"id": PARTITION.topic_id},
            )

    def hours(self, first: int, last: int, *, shifted_device: int | None = None, model: str = "m") -> None:
        records = tuple(self._records(first, last, shifted_device, model))
        start, self.offset = self.offset, self.offset + len(records)
        end = {PARTITION: self.offset}
        self.service.write(Batch(records, {PARTITION: start}, end, end), START + last * HOUR)

    def trickle(self, days: int) -> None:
        """One prediction a day before the start."""
        shift = days * 24
        for day in range(days):
            record = next(self._records(24 * day - shift, 24 * day - shift + 1, None))
            end = {PARTITION: self.offset + 1}
            self.service.write(Batch((record,), {PARTITION: self.offset}, end, end), START)
            self.offset += 1

    def _records(self, first: int, last: int, shifted: int | None, model: str = "m") -> Iterator[Record]:
        for number in range((last - first) * PER_HOUR):
            index = first * PER_HOUR + number
            image, prompt = self.rng.normal(size=DIMENSION), self.rng.normal(size=DIMENSION)
            if shifted == index % 2:
                image = image + 1.2
            moment = START + index * HOUR / PER_HOUR
            yield Record(PARTITION, self.offset + number, -1, event(index, moment, image, prompt, model))


@pytest.fixture
def traffic(engine: Engine) -> Traffic:
    return Traffic(engine)


def test_before_there_is_enough_traffic_there_is_no_reference(engine: Engine, traffic: Traffic, rows: Rows) -> None:
    traffic.hours(0, 10)
    assert evaluate_drift(engine, OPTIONS, START + 10 * HOUR) == 0
    assert rows("SELECT count(*) FROM drift_references") == [0]


def test_a_provisional_reference_is_made_of_the_first_traffic_and_says_so(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    traffic.hours(0, 40)
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    found = rows("SELECT stream, blessed, active, rows, window_end FROM drift_references ORDER BY 1")
    assert found == [(stream, False, True, 32 * PER_HOUR, START + SPAN) for stream in WATCHED]


def test_sketches_are_the_same_whether_vectors_came_before_or_after_the_reference(
    engine: Engine, traffic: Traffic
) -> None:
    traffic.hours(0, 36)
    evaluate_drift(engine, OPTIONS, START + 34 * HOUR)
    traffic.hours(36, 40)
    with engine.connect() as connection:
        [reference] = [one for one in references.active_references(connection) if one.stream == "image"]
        [source] = vectors.sources(connection, Window(START, START + 99 * HOUR))
        everything = list(vectors.embedded(connection, source))
        found = sketches_in(connection, reference, Window(START, START + 99 * HOUR))
    images = np.stack([row.vectors["image"] for row in everything])
    assert len(everything) == 40 * PER_HOUR
    assert found[ALL_TRAFFIC].sketch == sketch(images, reference.fit)
    of_device = images[[row.slices["device"] == "cam-1" for row in everything]]
    assert found[Slice("device", "cam-1")].sketch == sketch(of_device, reference.fit)


def test_a_shift_of_one_device_is_found_in_its_stream_and_slice_and_nowhere_else(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    traffic.hours(0, 40)
    traffic.hours(40, 44, shifted_device=1)
    for hour in (38, 40, 44):
        evaluate_drift(engine, OPTIONS, START + hour * HOUR)
    found = set(
        rows(
            "SELECT tick, stream, dimension, value FROM drift_results JOIN drift_references r ON r.id = reference_id "
            "WHERE verdict = 'drift'"
        )
    )
    late = START + 44 * HOUR
    assert {tick for tick, *_ in found} == {late}
    assert (late, "image", "", "") in found
    assert (late, "image", "device", "cam-1") in found
    assert not {one for one in found if one[3] == "cam-0" or one[1] == "prompt"}
    with engine.connect() as connection:
        stored = queries.findings(connection, Window(START, late + HOUR))
    compared = [one for one in stored if one.p_value is not None]
    assert {one.tick for one in compared} >= {late}
    for one in compared:
        assert one.effect in one.effect_interval
        assert one.distance in one.distance_interval


def test_what_is_found_of_a_model_does_not_depend_on_another_that_drifts(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    found = (
        "SELECT stream, dimension, value, verdict, p_value, adjusted_p, d.detail->>'smallest_distance' "
        "FROM drift_results d JOIN drift_references r ON r.id = reference_id WHERE model = 'm' ORDER BY 1, 2, 3"
    )
    traffic.hours(0, 44)
    evaluate_drift(engine, OPTIONS, START + 44 * HOUR)
    alone = rows(found)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM drift_results"))
    traffic.hours(0, 40, model="loud")
    traffic.hours(40, 44, shifted_device=1, model="loud")
    evaluate_drift(engine, OPTIONS, START + 44 * HOUR)
    drifted = "SELECT DISTINCT model FROM drift_results JOIN drift_references r ON r.id = reference_id"
    assert rows(f"{drifted} WHERE verdict = 'drift'") == ["loud"]
    assert rows(found) == alone
    assert sum(one[5] is not None for one in alone) > len(WATCHED)


@pytest.mark.parametrize("step", ["sample", "sketches_in"])
def test_a_fault_of_one_model_hides_no_drift_of_another(
    engine: Engine, traffic: Traffic, rows: Rows, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for model in ("a", "m", "z"):
        traffic.hours(0, 44, model=model)
    evaluate_drift(engine, OPTIONS, START + 43 * HOUR)
    where = observations if step == "sample" else evaluation
    real = getattr(where, step)

    def fail_for_one(connection: Any, what: Any, *others: Any) -> Any:
        if getattr(what, "model", what) == "m":
            raise ValueError("a row that trips us")
        return real(connection, what, *others)

    monkeypatch.setattr(where, step, fail_for_one)
    with pytest.raises(ValueError, match="a row that trips us"):
        evaluate_drift(engine, OPTIONS, START + 44 * HOUR)
    of_tick = (
        "SELECT model, count(*) FROM drift_results JOIN drift_references r ON r.id = reference_id "
        f"WHERE tick = '{START + 44 * HOUR}' GROUP BY 1 ORDER BY 1"
    )
    before = rows(of_tick)
    assert [model for model, _ in before] == ["a", "z"]
    monkeypatch.undo()
    evaluate_drift(engine, OPTIONS, START + 44 * HOUR)
    after = dict(rows(of_tick))
    assert after == {**dict(before), "m": after["a"]}


def test_a_tick_is_evaluated_once(engine: Engine, traffic: Traffic, rows: Rows) -> None:
    traffic.hours(0, 40)
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    before = rows("SELECT count(*) FROM drift_results")
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    assert rows("SELECT count(*) FROM drift_results") == before != [0]


def test_a_tick_before_the_reference_was_there_is_not_compared_with_it(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    """A past tick is evaluated as it was known then: a reference made of later traffic was not."""
    traffic.hours(0, 40)
    evaluate_drift(engine, OPTIONS, START + 36 * HOUR)
    known = rows("SELECT count(*) FROM drift_results")
    assert evaluate_drift(engine, OPTIONS, START + 20 * HOUR) == 0
    assert rows("SELECT count(*) FROM drift_results") == known


def test_a_first_trickle_delays_the_reference_and_does_not_prevent_it(
    engine: Engine, traffic: Traffic, rows: Rows
) -> None:
    """As when somebody tries the service out a week before its users come."""
    traffic.trickle(days=7)
    assert evaluate_drift(engine, OPTIONS, START) == 0
    traffic.hours(0, 40)
    evaluate_drift(engine, OPTIONS, START + 40 * HOUR)
    assert rows("SELECT DISTINCT window_end FROM drift_references") == [START + 40 * HOUR]


def test_replicas_make_a_reference_once(engine: Engine, traffic: Traffic, rows: Rows) -> None:
    traffic.hours(0, 36)
    threads = [threading.Thread(target=evaluate_drift, args=(engine, OPTIONS, START + 34 * HOUR)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("SELECT stream, active FROM drift_references ORDER BY 1") == [(stream, True) for stream in WATCHED]
    assert rows("SELECT n FROM drift_results WHERE dimension = ''") == [2 * PER_HOUR] * len(WATCHED)
