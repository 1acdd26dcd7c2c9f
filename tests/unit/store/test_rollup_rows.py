"""What a batch adds to the rollups is what counting its events one by one comes to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.domain.events import Model, Output, Prediction
from monitor.domain.histograms import confidence_bins, latency_bins
from monitor.store.rollups import Tally, rows_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATUSES = ("ok", "error", "timeout", "rejected")
events = st.builds(
    Prediction,
    request_id=st.just("r"),
    ts=st.integers(0, 150).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    model=st.builds(Model, name=st.sampled_from("ab"), version=st.sampled_from(("", "v2"))),
    task=st.just("vqa"),
    status=st.sampled_from(STATUSES),
    output=st.builds(Output, confidence=st.none() | st.floats(0, 1)),
    latency_ms=st.none() | st.floats(0, 1e15),
    cost_usd=st.none() | st.integers(0, 1000).map(float),
    slices=st.dictionaries(st.sampled_from(("device", "region")), st.sampled_from("xy")),
)


@given(st.lists(events, max_size=30))
def test_the_counts_of_a_batch_are_those_of_its_events_one_by_one(several: list[Prediction]) -> None:
    counted: dict[tuple[object, ...], Counter[object]] = {}
    for event in several:
        for one in (("", ""), *event.slices.items()):
            minute = event.ts.replace(second=0)
            key = (minute, event.model.name, event.model.version, event.model.variant, event.task, *one)
            cell = counted.setdefault(key, Counter())
            cell[event.status] += 1
            if event.latency_ms is not None and event.status == "ok":
                cell["latency", int(latency_bins([event.latency_ms])[0])] += 1
            if event.output.confidence is not None:
                cell["confidence", int(confidence_bins([event.output.confidence])[0])] += 1
            cell["cost"] += int(event.cost_usd or 0)
    found: dict[tuple[object, ...], Counter[object]] = {}
    tally = Tally.of(several, ("device", "region"))
    for row in rows_of(tally, lambda slices: [*slices.items()]):
        key, (latency, confidence, cost) = row[:7], row[11:]
        found[key] = Counter({"cost": cost})
        found[key].update(dict(zip(STATUSES, row[7:11], strict=True)))
        found[key].update({("latency", index): count for index, count in enumerate(latency)})
        found[key].update({("confidence", index): count for index, count in enumerate(confidence)})
    assert found == counted


@given(st.lists(events, max_size=30))
def test_values_beyond_the_cap_are_counted_as_one(several: list[Prediction]) -> None:
    def capped(slices: dict[str, str]) -> list[tuple[str, str]]:
        return [(one, value if value == "x" else "__other__") for one, value in slices.items()]

    def summed(tally: Tally) -> dict[tuple[object, ...], tuple[object, ...]]:
        return {row[:7]: row[7:] for row in rows_of(tally, capped)}

    dimensions = ("device", "region")
    seen = [replace(event, slices=dict(capped(event.slices))) for event in several]
    assert summed(Tally.of(several, dimensions)) == summed(Tally.of(seen, dimensions))


def test_ten_thousand_values_beyond_the_cap_are_one_kind() -> None:
    several = [
        Prediction("r", NOON, Model(name="a", version=""), "vqa", "ok", slices={"device": str(number)})
        for number in range(10_000)
    ]
    tally = Tally.of(several, ("device",)).by_slices(lambda _: [("device", "__other__")])
    assert len(tally.kinds) == 1
    assert tally.counts()[0][0, 0] == 10_000
