from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from monitor.slo.burn_rate import budget_remaining, burn_rate, evaluate, exceeds
from monitor.slo.counts import Counts, CountSeries, LabelSeries
from monitor.slo.evaluation import State
from monitor.slo.evidence import MIN_BAD, MIN_EVENTS, SHORT_ALPHA
from monitor.slo.exhaustion import Exhaustion
from monitor.slo.objective import Objective, TimeSlice
from monitor.slo.policy import Severity, TierRule
from monitor.stats.intervals import clopper_pearson_lower, clopper_pearson_upper

Make = Callable[..., Objective]
Moment = Callable[[int], datetime]

PAGE = TierRule("page_quick", Severity.PAGE, 60, 5, None, Fraction("14.4"))
LABEL_PAGE = TierRule("page_slow", Severity.PAGE, 360, 60, None, Fraction(2))


def requests(*segments: tuple[int, int, int], start: int = 0) -> CountSeries:
    """(minutes, total per minute, bad per minute) one after the other."""
    rows = [(total, bad) for minutes, total, bad in segments for _ in range(minutes)]
    total, bad = np.array(rows).T
    return CountSeries.of_minutes(start, start + len(rows), np.arange(start, start + len(rows)), bad, total)


def labels(rows: list[tuple[float, float, bool]]) -> LabelSeries:
    """(minute predicted, minute known, bad)."""
    return LabelSeries.of_labels(
        [at * 60 for at, _, _ in rows], [known * 60 for _, known, _ in rows], [bad for *_, bad in rows]
    )


counts = st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)).map(lambda pair: Counts(min(pair), max(pair)))


@given(counts, st.fractions(0, 1, max_denominator=10**9))
def test_the_comparison_is_exact_and_strict(seen: Counts, limit: Fraction) -> None:
    assert exceeds(seen, limit) is (seen.total > 0 and Fraction(seen.bad, seen.total) > limit)


@given(counts, st.fractions(0, Fraction(99999, 100000)))
def test_what_is_left_and_what_burned_add_up_to_the_budget(seen: Counts, target: Fraction) -> None:
    rate, left = burn_rate(seen, target), budget_remaining(seen, target)
    assert (rate is None) is (left is None) is (seen.total == 0)
    if rate is not None and left is not None:
        assert rate + left == 1
        assert rate * (1 - target) * seen.total == seen.bad


def test_a_healthy_service_is_ok(make_objective: Make, moment: Moment) -> None:
    evaluation = evaluate(make_objective("0.99", [PAGE], window_minutes=10080), requests((120, 30, 0)), moment(120))
    assert evaluation.state is State.OK
    assert evaluation.tiers[0].reason == "1 h is within the limit"
    assert (evaluation.bad, evaluation.total) == (0, 3600)
    assert evaluation.budget_remaining == 1.0
    assert evaluation.covered_minutes == 120
    assert evaluation.mature_until == evaluation.tick


def test_an_outage_fires_and_says_how_bad_and_how_sure(make_objective: Make, moment: Moment) -> None:
    counts = requests((3000, 3, 0), (20, 3, 3))
    evaluation = evaluate(make_objective("0.99", [PAGE], window_minutes=10080), counts, moment(3020))
    (tier,) = evaluation.tiers
    assert evaluation.state is tier.state is State.FIRING
    assert tier.figures == "1 h: 33.3% bad (60 of 180), 33.3x the budget; 5 min: 100.0% bad (15 of 15), 100x the budget"
    assert tier.lower_bound == clopper_pearson_lower(60, 180, 0.01)
    assert tier.reason == f"at least {tier.lower_bound:.1%} bad with 99% confidence, above the limit"
    assert evaluation.burn == pytest.approx(33.3333, abs=1e-4)


def test_no_requests_are_no_data_and_never_green(make_objective: Make, moment: Moment) -> None:
    evaluation = evaluate(make_objective("0.99", [PAGE]), requests((500, 30, 0), (60, 0, 0)), moment(560))
    assert evaluation.state is State.NO_DATA
    assert evaluation.tiers[0].burn_long is None
    assert evaluation.tiers[0].figures == "1 h: no data; 5 min: no data"


def test_an_outage_after_which_nothing_arrives_is_no_data_not_recovery(make_objective: Make, moment: Moment) -> None:
    (tier,) = evaluate(make_objective("0.99", [PAGE]), requests((90, 30, 30), (6, 0, 0)), moment(96)).tiers
    assert tier.state is State.NO_DATA
    assert not tier.burning
    assert "no recent requests say whether it still burns" in tier.reason


def test_a_spike_that_has_ended_is_ok_again(make_objective: Make, moment: Moment) -> None:
    (tier,) = evaluate(make_objective("0.99", [PAGE]), requests((90, 30, 30), (6, 30, 0)), moment(96)).tiers
    assert tier.state is State.OK
    assert tier.reason == "1 h is above the limit, but it burns no longer"


def test_a_few_requests_show_nothing_either_way(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.99", [PAGE])
    needed = objective.tiers[0].events_to_clear
    quiet = requests((600, 0, 0), (1, needed - 1, 0), (4, 0, 0))
    (tier,) = evaluate(objective, quiet, moment(605)).tiers
    assert tier.state is State.INSUFFICIENT
    assert (
        tier.reason
        == f"{needed - 1} requests in 1 h are old enough to judge; {needed} are needed to say that it does not burn"
    )
    enough = requests((600, 0, 0), (1, needed, 0), (4, 0, 0))
    assert evaluate(objective, enough, moment(605)).state is State.OK


@pytest.mark.parametrize(("bad", "total"), [(9, 9), (1, 10)])
def test_fewer_than_ten_events_or_two_bad_ones_never_fire(
    bad: int, total: int, make_objective: Make, moment: Moment
) -> None:
    (tier,) = evaluate(make_objective("0.999", [PAGE]), requests((600, 0, 0), (1, total, bad)), moment(601)).tiers
    assert tier.burning
    assert tier.state is State.INSUFFICIENT
    assert f"{bad} of {total} requests could be bad luck" in tier.reason


def test_one_bad_request_after_a_spike_is_over_does_not_fire_again(make_objective: Make, moment: Moment) -> None:
    """45 requests in the short window, 2 of them bad: above the limit of 3.5%, but no evidence of it."""
    rule = TierRule("page_slow", Severity.PAGE, 360, 30, None, Fraction("3.5"))
    counts = requests((3000, 3, 0), (60, 3, 2), (30, 1, 0), (13, 1, 0), (1, 2, 2))
    objective = make_objective("0.99", [rule], window_minutes=10080)
    (tier,) = evaluate(objective, counts, moment(counts.end)).tiers
    assert tier.burning
    assert tier.lower_bound is not None
    assert tier.lower_bound > tier.limit
    assert tier.state is State.INSUFFICIENT
    assert "2 bad of the 31 most recent requests could be bad luck after it is over" in tier.reason


def test_the_first_minutes_of_a_service_never_fire(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.99", [PAGE])
    counts = requests((10, 30, 30), start=1000)
    states = [evaluate(objective, counts, moment(1000 + minute)).state for minute in (1, 4, 5, 6)]
    assert states == [State.INSUFFICIENT, State.INSUFFICIENT, State.FIRING, State.FIRING]
    assert "less than 5 min of history" in evaluate(objective, counts, moment(1004)).tiers[0].reason


def test_the_worst_tier_speaks_for_the_slo(make_objective: Make, moment: Moment) -> None:
    slow = TierRule("ticket_slow", Severity.TICKET, 4320, 360, None, Fraction(1))
    objective = make_objective("0.99", [PAGE, slow])
    evaluation = evaluate(objective, requests((4320, 30, 1)), moment(4320))
    assert [tier.state for tier in evaluation.tiers] == [State.OK, State.FIRING]
    assert evaluation.state is State.FIRING
    gone = evaluate(objective, requests((4320, 30, 0), (61, 0, 0)), moment(4381))
    assert [tier.state for tier in gone.tiers] == [State.NO_DATA, State.OK]
    assert gone.state is State.NO_DATA


def test_ticks_are_floored_to_their_minute_in_any_zone(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.99", [PAGE])
    series = requests((120, 30, 1))
    expected = evaluate(objective, series, moment(100))
    inside = datetime.fromtimestamp(100 * 60 + 59, tz=timezone(timedelta(hours=-5)))
    assert evaluate(objective, series, inside) == expected
    assert expected.tick == datetime(1970, 1, 1, 1, 40, tzinfo=UTC)


def test_what_cannot_be_evaluated_is_refused(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.99", [PAGE])
    series = requests((120, 30, 1))
    with pytest.raises(ValueError, match="no time zone"):
        evaluate(objective, series, datetime(1970, 1, 1, 1, 0))  # noqa: DTZ001
    with pytest.raises(ValueError, match="nothing is known"):
        evaluate(objective, series, moment(121))
    with pytest.raises(ValueError, match="counts minutes"):
        evaluate(objective, labels([(1, 2, False)]), moment(100))
    with pytest.raises(ValueError, match="counts labels"):
        evaluate(make_objective("0.85", [LABEL_PAGE], sampled=True), series, moment(100))
    with pytest.raises(ValueError, match="time slices of 0 min, not 5"):
        evaluate(objective, series.time_slices(5, Fraction(1)), moment(100))


def test_time_slices_are_events_of_their_own(make_objective: Make, moment: Moment) -> None:
    rule = TierRule("page", Severity.PAGE, 1440, 120, None, Fraction(5))
    objective = make_objective("0.95", [rule], time_slice=TimeSlice(10, Fraction("0.9")))
    raw = requests((1200, 100, 10), (240, 100, 11))
    evaluation = evaluate(objective, raw.time_slices(10, Fraction("0.9")), moment(1440))
    assert (evaluation.bad, evaluation.total) == (24, 144)
    assert "24 of 144" in evaluation.tiers[0].figures
    with pytest.raises(ValueError, match="time slices of 10 min"):
        evaluate(objective, raw, moment(1440))


def test_labels_replace_the_short_window_by_the_latest_ones(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True)
    bad_then_good = [(minute, minute, minute < 300) for minute in range(0, 360, 3)]
    (tier,) = evaluate(objective, labels(bad_then_good), moment(360)).tiers
    assert (tier.long_bad, tier.long_total) == (100, 120)
    assert (tier.short_bad, tier.short_total) == (0, 10)
    assert tier.short_window == "latest 10 labels"
    assert tier.state is State.OK
    good_then_bad = [(minute, minute, minute >= 180) for minute in range(0, 360, 3)]
    assert evaluate(objective, labels(good_then_bad), moment(360)).state is State.FIRING


def test_a_tier_without_labels_counts_none_of_them(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True)
    (none,) = evaluate(objective, labels([(5, 5, True)]), moment(10_000)).tiers
    assert none.figures == "6 h: no data; latest labels: no data"
    (one,) = evaluate(objective, labels([(5, 5, True)]), moment(10)).tiers
    assert one.short_window == "latest 1 label"


def test_at_least_five_latest_labels_are_asked(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True)
    (tier,) = evaluate(objective, labels([(minute, minute, True) for minute in range(0, 360, 30)]), moment(360)).tiers
    assert (tier.long_total, tier.short_total) == (12, 5)


def test_only_labels_known_at_the_tick_count(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True)
    late = [(minute, minute + 200, True) for minute in range(0, 360, 3)]
    evaluation = evaluate(objective, labels(late), moment(360))
    assert evaluation.total == len([minute for minute in range(0, 360, 3) if minute + 200 <= 360])
    assert evaluate(objective, labels(late), moment(150)).state is State.NO_DATA


def test_a_window_whose_labels_are_not_mature_is_never_good(make_objective: Make, moment: Moment) -> None:
    rows = [(minute, minute + 1, False) for minute in range(300, 360)]
    promptly = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True)
    assert evaluate(promptly, labels(rows), moment(360)).state is State.OK
    slowly = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True, label_delay_minutes=120)
    evaluation = evaluate(slowly, labels(rows), moment(360))
    assert evaluation.state is State.INSUFFICIENT
    assert "0 labels in 6 h are old enough to judge" in evaluation.tiers[0].reason
    assert evaluation.mature_until == moment(240)


def test_early_labels_may_fire_before_the_window_is_mature(make_objective: Make, moment: Moment) -> None:
    rows = [(minute, minute + 1, False) for minute in range(0, 240, 4)]
    rows += [(minute, minute + 1, True) for minute in range(240, 360)]
    slowly = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True, label_delay_minutes=120)
    assert evaluate(slowly, labels(rows), moment(360)).state is State.FIRING


def test_a_canary_that_is_gone_has_no_data_before_its_window_is_empty(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.85", [LABEL_PAGE], window_minutes=10080, sampled=True, label_delay_minutes=30)
    gone = labels([(minute, minute + 10, True) for minute in range(100)])
    assert evaluate(objective, gone, moment(189)).state is State.FIRING
    (tier,) = evaluate(objective, gone, moment(190)).tiers
    assert tier.state is State.NO_DATA
    assert "no recent labels" in tier.reason


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=61, max_size=200), back=st.integers(0, 100)
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tick_agrees_with_counting_event_by_event(
    rows: list[tuple[int, int]], back: int, make_objective: Make, moment: Moment
) -> None:
    tick = max(len(rows) - back, 30)
    objective = make_objective("0.9", [TierRule("x", Severity.PAGE, 60, 5, None, Fraction(3))], window_minutes=1440)
    series = requests(*[(1, bad + good, bad) for bad, good in rows])
    (tier,) = evaluate(objective, series, moment(tick)).tiers

    events = [(minute, is_bad) for minute, (bad, good) in enumerate(rows) for is_bad in [True] * bad + [False] * good]
    long = [is_bad for minute, is_bad in events if tick - 60 <= minute < tick]
    short = [is_bad for minute, is_bad in events if tick - 5 <= minute < tick]
    limit = Fraction(3, 10)
    above = [bool(seen) and Fraction(sum(seen), len(seen)) > limit for seen in (long, short)]
    fires = (
        all(above)
        and len(long) >= MIN_EVENTS
        and sum(long) >= MIN_BAD
        and clopper_pearson_lower(sum(long), len(long), 0.01) > limit
        and clopper_pearson_lower(sum(short), len(short), SHORT_ALPHA) > limit
    )
    assert tier.burning is all(above)
    assert (tier.state is State.FIRING) is fires
    assert (tier.long_bad, tier.long_total, tier.short_bad, tier.short_total) == (
        sum(long),
        len(long),
        sum(short),
        len(short),
    )


def test_the_forecast_is_a_range() -> None:
    forecast = Exhaustion(
        360, bad=30, total=1000, budget=0.01, spare=600.0, pace=1000 / 360, slo_minutes=43200, missing_minutes=0
    )

    def ends(share: float) -> float:
        """Where what leaves evenly, and what comes, make 600 more bad events than the budget allows."""
        return 600 / ((share - 0.01) * 1000 / 360 + 600 / 43200)

    assert forecast.minutes == pytest.approx(ends(0.03))
    assert forecast.earliest == pytest.approx(ends(clopper_pearson_upper(30, 1000, 0.025)))
    assert forecast.latest == pytest.approx(ends(clopper_pearson_lower(30, 1000, 0.025)))
    clean = replace(forecast, bad=0, total=3)
    assert (clean.minutes, clean.latest) == (None, None)
    assert clean.earliest == pytest.approx(ends(clopper_pearson_upper(0, 3, 0.025)))
    sure = replace(forecast, bad=0)
    assert sure.earliest is None, "fewer than 0.4% are bad, and 1% may be"
    overspent = replace(forecast, spare=-1.0)
    assert (overspent.minutes, overspent.earliest, overspent.latest) == (0.0, 0.0, 0.0)


def test_a_young_history_is_forecast_to_the_end_of_its_budget() -> None:
    """1,440 events with 3 bad and 43 of 1,440 to come: bad + s x t = budget x (total + t), until the window is full."""
    young = Exhaustion(
        360, bad=30, total=1000, budget=0.01, spare=14.4 - 3, pace=1.0, slo_minutes=10080, missing_minutes=8640
    )
    assert young.minutes == pytest.approx(11.4 / 0.02)
    assert replace(young, missing_minutes=570).minutes == pytest.approx(570)
    soon_full = replace(young, missing_minutes=100)
    assert soon_full.minutes == pytest.approx(100 + 9.4 / (0.02 + 9.4 / 10080))
    at_the_limit = replace(young, bad=10)
    assert at_the_limit.minutes == pytest.approx(8640 + 10080), "when the last of what was spared has left"


@pytest.mark.parametrize(
    ("quiet", "then", "total", "tolerance"),
    [
        (1440, 30, 1000, 0.02),  # young
        (2880, 15, 1000, 0.02),
        (2880, 60, 3000, 0.02),  # and the traffic grew
        (14400, 20, 1000, 0.06),  # a full window, which the trouble's first hours do not leave evenly
        (14400, 60, 3000, 0.06),
    ],
)
def test_the_budget_ends_when_the_forecast_says(
    make_objective: Make, moment: Moment, quiet: int, then: int, total: int, tolerance: float
) -> None:
    objective = make_objective("0.99", [PAGE], window_minutes=10080)
    counts = requests((quiet, 1000, 2), (10080, total, then))

    def left(minutes: int) -> float:
        return evaluate(objective, counts, moment(quiet + 360 + minutes)).budget_remaining or 0.0

    forecast = evaluate(objective, counts, moment(quiet + 360)).exhaustion[0].minutes
    assert forecast is not None
    assert bisect_left(range(9000), 0.0, key=lambda minutes: -left(minutes)) == pytest.approx(forecast, rel=tolerance)


@pytest.mark.parametrize(("n", "share"), [(1080, 0.02), (1080, 0.1), (20000, 0.015), (200, 0.3)])
def test_the_range_covers_the_true_date_in_95_cases_of_100(n: int, share: float) -> None:
    forecast = Exhaustion(360, 0, n, budget=0.01, spare=100.0, pace=n / 360, slo_minutes=10080, missing_minutes=0)
    truth = 100 / ((share - 0.01) * n / 360 + 100 / 10080)

    def covers(bad: int) -> bool:
        one = replace(forecast, bad=bad)
        earliest, latest = one.earliest, one.latest
        return earliest is not None and earliest <= truth and (latest is None or truth <= latest)

    likely = range(int(binom.ppf(1e-6, n, share)), int(binom.isf(1e-6, n, share)) + 1)
    assert sum(binom.pmf(bad, n, share) for bad in likely if covers(bad)) >= 0.95


def test_labels_that_are_still_to_come_do_not_slow_the_forecast(make_objective: Make, moment: Moment) -> None:
    """One label a minute, an hour late: the last 6 h hold 300 of them."""
    objective = make_objective("0.9", [LABEL_PAGE], window_minutes=10080, sampled=True)
    rows = [(float(at), at + 61.0, at % 5 == 0) for at in range(2000)]
    (found, _) = evaluate(objective, labels([*rows, (0.0, 0.0, False)]), moment(1440)).exhaustion
    assert found.total == 300
    assert found.pace == pytest.approx((1440 - 60) / 1440, rel=0.01)


def test_forecasts_look_back_six_hours_and_three_days(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.9", [TierRule("x", Severity.PAGE, 60, 5, None, Fraction(3))])
    evaluation = evaluate(objective, requests((4320 - 360, 10, 0), (360, 10, 1)), moment(4320))
    assert [(one.window_minutes, one.bad, one.total) for one in evaluation.exhaustion] == [
        (360, 360, 3600),
        (4320, 360, 43200),
    ]
    short = make_objective("0.9", [TierRule("x", Severity.PAGE, 60, 5, None, Fraction(3))], window_minutes=1440)
    assert [one.window_minutes for one in evaluate(short, requests((100, 10, 0)), moment(100)).exhaustion] == [360]
    overspent = evaluate(short, requests((100, 10, 2)), moment(100))
    assert overspent.budget_remaining == -1.0
    assert [one.minutes for one in overspent.exhaustion] == [0.0]


def test_hours_without_an_event_give_no_forecast(make_objective: Make, moment: Moment) -> None:
    objective = make_objective("0.99", [PAGE])
    assert evaluate(objective, requests((400, 10, 5)), moment(0)).exhaustion == ()
    silent = evaluate(objective, requests((100, 10, 2), (400, 0, 0)), moment(500))
    assert [(one.window_minutes, one.total) for one in silent.exhaustion] == [(4320, 1000)]
