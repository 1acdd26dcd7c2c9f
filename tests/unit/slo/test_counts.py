from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.slo.counts import _MOST_WINDOWS, Counts, CountSeries, LabelSeries

START = 1000
minutes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)
"""(bad, good) of consecutive minutes."""


def series(counts: list[tuple[int, int]]) -> CountSeries:
    bad, good = np.array(counts).T
    return CountSeries.of_minutes(START, START + len(counts), np.arange(len(counts)) + START, bad, bad + good)


@given(minutes, st.integers(0, 45), st.integers(0, 45))
def test_a_window_is_the_sum_of_its_minutes_clipped_to_the_history(
    counts: list[tuple[int, int]], before_end: int, length: int
) -> None:
    last = len(counts) - before_end
    first = last - length
    inside = counts[max(first, 0) : max(last, 0)]
    expected = Counts(sum(bad for bad, _ in inside), sum(bad + good for bad, good in inside))
    assert series(counts).between(START + first, START + last) == expected


def test_rows_of_one_minute_add_up_and_missing_minutes_are_empty() -> None:
    counts = CountSeries.of_minutes(0, 10, [7, 3, 7], [1, 0, 2], [4, 5, 6])
    assert counts.between(0, 10) == (3, 15)
    assert counts.between(7, 8) == (3, 10)
    assert counts.between(4, 7) == (0, 0)


def test_minutes_that_were_not_counted_are_not_zero() -> None:
    with pytest.raises(ValueError, match="nothing is known of minute 1010"):
        series([(0, 1)] * 10).between(START, START + 11)


@pytest.mark.parametrize(
    ("minute", "bad", "total", "match"),
    [(9, 0, 1, "within"), (20, 0, 1, "within"), (12, 2, 1, "bad <= total"), (12, -1, 1, "bad <= total")],
)
def test_rows_that_cannot_be_are_refused(minute: int, bad: int, total: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        CountSeries.of_minutes(10, 20, [minute], [bad], [total])


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (([1, 2, 3], [1], [3, 4, 5]), "one length"),
        ((1, 2, 3), "one length"),
        (([1], [0.9], [0.95]), "whole"),
        (([1], [0], [float("nan")]), "whole"),
        (([1.5], [0], [1]), "whole"),
    ],
)
def test_counts_are_whole_numbers_in_columns_of_one_length(columns: tuple[object, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        CountSeries.of_minutes(0, 10, *columns)  # type: ignore[arg-type]


@given(minutes, st.integers(1, 7), st.fractions(0, 1, max_denominator=10**15))
def test_time_slices_are_whole_aligned_and_judged_exactly(
    counts: list[tuple[int, int]], length: int, target: Fraction
) -> None:
    sliced = series(counts).time_slices(length, target)
    assert sliced.slice_minutes == length
    expected = []
    for begin in range(-(-START // length) * length, START + len(counts) - length + 1, length):
        inside = counts[begin - START : begin - START + length]
        bad, total = sum(bad for bad, _ in inside), sum(bad + good for bad, good in inside)
        if total:
            expected.append((begin + length - 1, int(Fraction(total - bad, total) < target)))
    found = [
        (minute, sliced.between(minute, minute + 1).bad)
        for minute in range(START, sliced.end)
        if sliced.between(minute, minute + 1).total
    ]
    assert found == expected


labels = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 4000), st.booleans()), max_size=40)
"""(predicted at, delay of the label, bad) in seconds."""


@given(labels, st.integers(0, 50), st.integers(0, 50), st.integers(1, 20), st.randoms())
def test_labels_count_by_prediction_time_once_they_are_known(
    rows: list[tuple[int, int, bool]], start: int, minute: int, count: int, random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    of = LabelSeries.of_labels(
        [at for at, _, _ in shuffled], [at + delay for at, delay, _ in shuffled], [bad for _, _, bad in shuffled]
    )
    known = of.as_of(minute)
    expected = sorted(
        (at, at + delay, bad) for at, delay, bad in rows if start * 60 <= at < minute * 60 and at + delay <= minute * 60
    )
    assert known.between(start, minute) == (sum(bad for _, _, bad in expected), len(expected))
    latest = expected[-count:]
    assert known.latest(count, start, minute) == (sum(bad for _, _, bad in latest), len(latest))


def test_the_history_of_labels_starts_with_the_first_known_prediction_even_before_the_window() -> None:
    of = LabelSeries.of_labels([600, 60, 6000], [700, 9000, 6100], [True, False, False])
    assert of.as_of(120).start == 10
    assert of.as_of(150).start == 1
    assert LabelSeries.of_labels([], [], []).as_of(120).start == 120


def test_labels_need_arrays_of_one_length() -> None:
    with pytest.raises(ValueError, match="one length"):
        LabelSeries.of_labels([1, 2], [1, 2], [True])


@pytest.mark.parametrize(("place", "value"), [(4, 0.0), (4, -0.1), (4, np.nan), (3, np.nan), (0, np.nan), (1, np.inf)])
def test_labels_without_a_time_a_coin_or_a_rate_above_zero_are_refused(place: int, value: float) -> None:
    columns = [[60.0, 120.0], [180.0, 240.0], [True, False], [0.1, 0.2], [0.5, 1.0]]
    columns[place] = [value, *columns[place][1:]]
    with pytest.raises(ValueError, match="rates above 0"):
        LabelSeries.of_labels(*columns)


def test_times_of_a_high_sampling_rate_weigh_no_more_than_others() -> None:
    """A fixed budget of labels: on quiet days each answer is drawn more often, and quiet days are the worse ones."""
    rng = np.random.default_rng(4)
    days = [(10_000, 0.02, 0.08), (3_000, 0.0667, 0.18)]  # answers, base rate, share of bad ones
    at, bad, coin, rate = [], [], [], []
    for day in range(280):
        answers, base, wrong = days[day % 7 > 4]
        coins = rng.random(answers)
        drawn = coins[coins < base]
        at.append(day * 86400.0 + rng.uniform(0, 86400, drawn.size))
        bad.append(rng.random(drawn.size) < wrong)
        coin.append(drawn)
        rate.append(np.full(drawn.size, base))
    columns = [np.concatenate(one) for one in (at, bad, coin, rate)]
    truth = (5 * 10_000 * 0.08 + 2 * 3_000 * 0.18) / (5 * 10_000 + 2 * 3_000)

    def share(series: LabelSeries) -> tuple[float, int]:
        counted = series.as_of(280 * 1440).between(0, 280 * 1440)
        return counted.bad / counted.total, counted.total

    found, total = share(LabelSeries.of_labels(columns[0], columns[0], *columns[1:]))
    error = (truth * (1 - truth) / total) ** 0.5
    assert abs(found - truth) < 3 * error
    assert share(LabelSeries.of_labels(columns[0], columns[0], columns[1]))[0] > truth + 6 * error


def test_a_rate_of_little_traffic_does_not_thin_out_the_window() -> None:
    """One hour of a tenth of the rate is 1% of the window; its 3 labels count, and nobody else's are lost."""
    coin = np.concatenate([np.linspace(0, 0.099, 300), np.linspace(0, 0.0099, 3)])
    rate = np.concatenate([np.full(300, 0.1), np.full(1, 0.0101), np.full(2, 0.1)])
    at = np.arange(303.0)
    of = LabelSeries.of_labels(at, at, np.zeros(303, dtype=bool), coin, rate)
    assert of.as_of(60).between(0, 60).total == 303


def test_windows_that_move_on_while_no_label_comes_are_not_all_kept() -> None:
    at = np.arange(0.0, 60_000.0, 60.0)
    known = LabelSeries.of_labels(at, np.full(at.size, 60_000.0), at > 6).as_of(1000)
    for minute in range(1000, 3000):
        assert known.between(minute - 500, minute).total == max(1500 - minute, 0)
    assert len(known._windows) <= _MOST_WINDOWS


def test_labels_of_one_rate_all_count() -> None:
    at = np.arange(10.0)
    of = LabelSeries.of_labels(at, at, at > 6, at / 20, np.full(10, 0.5))
    assert of.as_of(60).between(0, 60) == (3, 10)


@given(labels, st.lists(st.integers(0, 60), min_size=1, max_size=8), st.randoms())
def test_one_series_asked_at_many_minutes_says_what_a_new_one_says(
    rows: list[tuple[int, int, bool]], minutes_: list[int], random: object
) -> None:
    """Known labels are kept from one minute to the next; time may also go back."""
    rates = [random.choice([0.1, 0.4, 0.8]) for _ in rows]  # type: ignore[attr-defined]
    coins = [rate * random.random() for rate in rates]  # type: ignore[attr-defined]
    columns = ([at for at, _, _ in rows], [at + delay for at, delay, _ in rows], [bad for _, _, bad in rows])
    kept = LabelSeries.of_labels(*columns, coins, rates)
    for minute in minutes_:
        new = LabelSeries.of_labels(*columns, coins, rates).as_of(minute)
        of = kept.as_of(minute)
        assert of.start == new.start
        for start in range(0, minute, 7):
            assert of.between(start, minute) == of.between(start, minute) == new.between(start, minute)
            assert of.latest(3, start, minute) == new.latest(3, start, minute)
