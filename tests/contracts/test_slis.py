"""Every SLI of the table, held to the same promises."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from monitor.domain.histograms import LATENCY_BINS
from monitor.sli import SLIS
from monitor.sli.series import DriftLooks, LabelEvents, LabelOutcomes, MinuteCounts, MinuteEvents, PairCounts, TaskWaits
from monitor.slo.counts import CountSeries, LabelSeries
from monitor.slo.openslo import parse_objectives

EVERY = pytest.mark.parametrize("name", SLIS)


def rows_of(
    name: str, seed: int = 0, size: int = 200
) -> MinuteCounts | LabelOutcomes | PairCounts | TaskWaits | DriftLooks:
    rng = np.random.default_rng(seed)
    if SLIS[name].sampled:
        at = rng.uniform(0, 86400, size)
        known, right, coin = at + rng.exponential(3600, size), rng.random(size) < 0.9, rng.uniform(0, 0.1, size)
        return LabelOutcomes(at, known, right, coin, np.full(size, 0.1))
    if name == "label_backlog":
        due = rng.uniform(0, size * 60, size) - 12 * 3600  # the threshold below
        return TaskWaits(due, due + np.where(rng.random(size) < 0.1, np.inf, rng.exponential(8 * 3600, size)))
    if name == "drift":
        return DriftLooks(np.arange(size), rng.random(size) < 0.9, rng.random(size) < 0.1)
    if name == "coverage":
        return PairCounts(np.arange(size), *rng.integers(0, 20, (2, size)))
    ok, error, timeout, rejected = rng.integers(0, 20, (4, size))
    latency = rng.multinomial(ok, np.full(LATENCY_BINS, 1 / LATENCY_BINS))
    return MinuteCounts(np.arange(size), ok, error, timeout, rejected, latency)


def count(name: str, rows: Any) -> MinuteEvents | LabelEvents:
    sli: Any = SLIS[name]
    return sli.count(rows, sli.thresholds[len(sli.thresholds) // 2] if sli.thresholds else None)  # type: ignore[no-any-return]


def arrays(value: Any) -> dict[str, np.ndarray]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


@EVERY
def test_bad_events_are_some_of_all_events(name: str) -> None:
    events = count(name, rows_of(name))
    if isinstance(events, MinuteEvents):
        assert (events.bad >= 0).all()
        assert (events.bad <= events.total).all()
        assert 0 < events.bad.sum() < events.total.sum()
    else:
        assert 0 < np.count_nonzero(events.bad) < len(events.bad)


@EVERY
def test_its_input_is_left_as_it_was(name: str) -> None:
    rows = rows_of(name)
    before = pickle.dumps(arrays(rows))
    for array in arrays(rows).values():
        array.setflags(write=False)
    count(name, rows)
    assert pickle.dumps(arrays(rows)) == before


@EVERY
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    rows = rows_of(name)
    order = np.random.default_rng(1).permutation(200)
    shuffled = type(rows)(**{key: array[order] for key, array in arrays(rows).items()})
    expected = {key: array[order] for key, array in arrays(count(name, rows)).items()}
    for key, array in arrays(count(name, shuffled)).items():
        np.testing.assert_array_equal(array, expected[key])


@EVERY
def test_counts_add_up_over_parts_of_the_rows(name: str) -> None:
    rows = rows_of(name)
    halves = [
        type(rows)(**{key: array[part] for key, array in arrays(rows).items()}) for part in (slice(80), slice(80, None))
    ]
    for key, array in arrays(count(name, rows)).items():
        np.testing.assert_array_equal(array, np.concatenate([arrays(count(name, half))[key] for half in halves]))


@EVERY
def test_nothing_gives_nothing(name: str) -> None:
    empty = type(rows_of(name))(**{key: array[:0] for key, array in arrays(rows_of(name)).items()})
    assert all(len(array) == 0 for array in arrays(count(name, empty)).values())


@EVERY
def test_its_events_are_what_burn_rates_are_computed_from(name: str) -> None:
    events = count(name, rows_of(name))
    if isinstance(events, MinuteEvents):
        series = CountSeries.of_minutes(0, 200, events.minute, events.bad, events.total)
        assert series.between(0, 200) == (events.bad.sum(), events.total.sum())
    else:
        labels = LabelSeries.of_labels(events.predicted_at, events.known_at, events.bad, events.coin, events.rate)
        assert labels.as_of(3000).between(0, 3000) == (np.count_nonzero(events.bad), 200)


@EVERY
def test_it_says_what_it_counts(name: str) -> None:
    sli = SLIS[name]
    assert "bad =" in inspect.getdoc(type(sli))  # type: ignore[operator]
    assert inspect.getmodule(type(sli)).__doc__  # type: ignore[union-attr]
    assert bool(sli.thresholds) is (sli.good is None)


def test_series_differ() -> None:
    assert len({sli.series for sli in SLIS.values()}) == len(SLIS)


@EVERY
def test_an_openslo_document_can_ask_for_it(name: str) -> None:
    sli = SLIS[name]
    source = f"metricSource: {{type: Snellen, spec: {{series: {sli.series}}}}}"
    if sli.good is None:
        metric, threshold = f"thresholdMetric: {{{source}}}", f"op: lte, value: {sli.thresholds[-1]:g}, "
    else:
        part = f"metricSource: {{spec: {{series: {sli.series}, filter: {{{sli.good[0]}: {sli.good[1]}}}}}}}"
        metric, threshold = f"ratioMetric: {{good: {{{part}}}, total: {{{source}}}}}", ""
    document = f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: any}}
spec:
  service: any
  budgetingMethod: Occurrences
  timeWindow: [{{duration: 7d, isRolling: true}}]
  indicator: {{metadata: {{name: any}}, spec: {{{metric}}}}}
  objectives: [{{{threshold}target: 0.9}}]
  alertPolicies:
    - kind: AlertPolicy
      metadata: {{name: any}}
      spec:
        conditions:
          - kind: AlertCondition
            metadata: {{name: any}}
            spec: {{severity: page, condition: {{kind: burnrate, op: gt, threshold: 2, lookbackWindow: 6h}}}}
        notificationTargets: [{{kind: AlertNotificationTarget, metadata: {{name: any}}, spec: {{target: log}}}}]
"""
    (objective,) = parse_objectives({"any.yaml": document.encode()}, SLIS, ("log",))
    assert (objective.measure.sli, objective.sampled) == (name, sli.sampled)
