from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from monitor.slo.burn_rate import evaluate
from monitor.slo.counts import CountSeries, LabelSeries
from monitor.slo.evaluation import State
from monitor.slo.evidence import MIN_BAD, MIN_EVENTS, events_to_detect
from monitor.slo.objective import Objective
from monitor.slo.policy import DroppedTier, Severity, Terms, Tier, TierRule, bind, default_rules
from monitor.stats.intervals import clopper_pearson_lower, clopper_pearson_upper

DAY = 1440
WHOLE = 1.0
"""The short window is the long one, so it asks for nothing more."""


def tiers(days: int, target: str, *, sampled: bool) -> list[Tier | DroppedTier]:
    terms = Terms(Fraction(target), days * DAY, sampled)
    return [bind(rule, terms) for severity in Severity for rule in default_rules(severity, terms)]


@pytest.mark.parametrize(
    ("days", "sampled", "factors"),
    [
        (30, False, ["14.4", "6", "3", "1"]),
        (28, False, ["13.44", "5.6", "2.8", "1.0266666666666666"]),
        (7, False, ["13.44", "3.5", "1.4", "1.0033333333333334"]),
        (90, False, ["14.4", "6", "3", "1"]),
        (7, True, ["2.52", "1.96", "1.68", "1.4", "1.05"]),
        (30, True, ["2.4", "1.8", "1.2", "1.0714285714285714"]),
    ],
)
def test_default_factors(days: int, sampled: bool, factors: list[str]) -> None:
    found = [
        float(tier.factor)
        for tier in tiers(days, "0.9" if sampled else "0.999", sampled=sampled)
        if isinstance(tier, Tier)
    ]
    assert found == [pytest.approx(float(one), rel=1e-12) for one in factors]


@given(st.integers(7, 365), st.booleans())
def test_at_any_length_of_the_window_a_default_tier_fires_only_above_what_the_budget_allows(
    days: int, sampled: bool
) -> None:
    for tier in tiers(days, "0.9", sampled=sampled):
        if isinstance(tier, Tier):
            assert tier.factor >= 1
            assert tier.budget_percent == tier.factor * tier.long_minutes * 100 / (days * DAY)
            assert 0 < tier.limit < 1
            assert tier.short_minutes < tier.long_minutes


def test_pages_are_faster_than_tickets() -> None:
    for sampled in (False, True):
        for days in (7, 28, 30, 90):
            found = [tier for tier in tiers(days, "0.9", sampled=sampled) if isinstance(tier, Tier)]
            pages = [tier.factor for tier in found if tier.severity is Severity.PAGE]
            assert min(pages) > max(tier.factor for tier in found if tier.severity is Severity.TICKET)


def test_a_tier_that_can_never_fire_is_dropped_with_the_reason() -> None:
    dropped = [tier for tier in tiers(30, "0.9", sampled=False) if isinstance(tier, DroppedTier)]
    assert [(one.name, one.severity) for one in dropped] == [("page_quick", Severity.PAGE)]
    assert dropped[0].reason == (
        "can never fire: at a target of 0.9 everything failing burns 10 times too fast, and it waits for more than 14.4"
    )


def test_a_factor_of_just_all_events_bad_can_never_fire_either() -> None:
    rule = TierRule("x", Severity.PAGE, 60, 5, None, Fraction(10))
    assert isinstance(bind(rule, Terms(Fraction("0.9"), 30 * DAY)), DroppedTier)
    assert isinstance(bind(rule, Terms(Fraction("0.901"), 30 * DAY)), Tier)


def test_a_window_longer_than_the_slo_or_shorter_than_the_label_delay_makes_no_sense() -> None:
    rule = TierRule("x", Severity.TICKET, 3 * DAY, 60, None, Fraction(1))
    longer = bind(rule, Terms(Fraction("0.9"), DAY))
    assert isinstance(longer, DroppedTier)
    assert longer.reason == "its window of 3 d is longer than the SLO's 1 d"
    late = bind(rule, Terms(Fraction("0.9"), 30 * DAY, sampled=True, label_delay_minutes=3 * DAY))
    assert isinstance(late, DroppedTier)
    assert "over before most of its labels come" in late.reason


@pytest.mark.parametrize(
    ("target", "factor", "bad_share", "needed"),
    [
        (0.95, 3, 0.3, 73),
        (0.95, 2, 0.2, 122),
        (0.92, 2, 0.32, 68),
        (0.92, 2, 0.24, 247),
        (0.99, 6, 0.15, 104),
        (0.999, 14.4, 0.05, 226),
    ],
)
def test_labels_needed_for_a_detection(target: float, factor: float, bad_share: float, needed: int) -> None:
    """Of the long window alone; derived apart from this code, by a plain search over n."""
    assert events_to_detect(factor * (1 - target), bad_share, 0.01, WHOLE) == needed


@given(st.floats(0.05, 0.6), st.floats(1.5, 3.0), st.sampled_from([0.01, 0.1]))
@settings(max_examples=25)
def test_a_detection_needs_the_first_n_whose_power_suffices(limit: float, ratio: float, alpha: float) -> None:
    bad_share = min(limit * ratio, (1 + limit) / 2)

    def power(n: int) -> float:
        critical = bisect_right(range(n + 1), limit, key=lambda k: clopper_pearson_lower(k, n, alpha))
        return float(binom.sf(max(critical, MIN_BAD) - 1, n, bad_share))

    first = next(n for n in range(MIN_EVENTS, 2000) if power(n) >= 0.8)
    assert events_to_detect(limit, bad_share, alpha, WHOLE) == first


def test_what_cannot_be_told_apart_needs_no_number() -> None:
    assert events_to_detect(0.1, 0.10001, 0.01, WHOLE) is None
    with pytest.raises(ValueError, match="limit < bad share"):
        events_to_detect(0.3, 0.2, 0.01, WHOLE)


@pytest.mark.parametrize(("alpha", "power"), [(0.0, 0.8), (1.0, 0.8), (0.01, 0.0), (0.01, 1.0), (0.01, float("nan"))])
def test_a_detection_is_promised_with_chances_alone(alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match="alpha and power"):
        events_to_detect(0.1, 0.2, alpha, WHOLE, power)


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
def test_a_short_window_is_a_part_of_the_long_one(share: float) -> None:
    with pytest.raises(ValueError, match="part of the long one"):
        events_to_detect(0.1, 0.2, 0.01, share)


@pytest.mark.parametrize(("short", "share"), [(1.0, 1.0), (0.5, 1.0), (None, 1.0), (0.5, 0.9), (None, 0.9)])
def test_a_detection_that_takes_the_whole_rule(short: float | None, share: float) -> None:
    """Against the sum over every outcome of both windows."""
    limit, alpha = 0.4, 0.1

    def fires(bad: int, n: int, alpha: float) -> bool:
        return n > 0 and clopper_pearson_lower(bad, n, alpha) > limit

    def power(n: int) -> float:
        sizes = binom.pmf(range(n + 1), n, short) if short is not None else np.arange(n + 1) == max(5, n // 12)
        return float(
            sum(
                sizes[m] * binom.pmf(k, m, share) * binom.pmf(other, n - m, share)
                for m in range(n + 1) if sizes[m]
                for k in range(m + 1) if fires(k, m, 0.1)
                for other in range(n - m + 1) if fires(k + other, n, alpha) and k + other >= MIN_BAD
            )
        )  # fmt: skip

    first = next(n for n in range(MIN_EVENTS, 60) if power(n) >= 0.8)
    assert events_to_detect(limit, share, alpha, short) == first


@pytest.mark.parametrize(
    ("terms", "rule"),
    [
        pytest.param(terms, rule, id=f"{float(terms.target)}-{rule.name}")
        for days, target, sampled in ((7, "0.99", False), (30, "0.999", False), (7, "0.85", True))
        for terms in [Terms(Fraction(target), days * DAY, sampled)]
        for severity in Severity
        for rule in default_rules(severity, terms)
    ],
)
def test_the_code_that_judges_finds_what_is_promised(
    make_objective: Callable[..., Objective], moment: Callable[[int], datetime], terms: Terms, rule: TierRule
) -> None:
    """Draws with the promised number of events, anywhere in the long window, and with two thirds of it."""
    objective = make_objective(
        str(float(terms.target)), [rule], window_minutes=terms.window_minutes, sampled=terms.sampled
    )
    (tier,) = objective.tiers
    limit, end, rng = float(tier.limit), tier.long_minutes, np.random.default_rng(1)
    share, draws = min(2 * limit, (1 + limit) / 2), 500

    def drawn(events: int) -> CountSeries | LabelSeries:
        if terms.sampled:
            at = rng.integers(0, end * 60, events)
            return LabelSeries.of_labels(at, at, rng.random(events) < share)
        recent = rng.binomial(events, rule.short_minutes / end)
        totals = np.array([events - recent, recent])
        return CountSeries.of_minutes(0, end, [0, end - 1], rng.binomial(totals, share), totals)

    def found(events: int) -> float:
        ticks = (evaluate(objective, drawn(events), moment(end)) for _ in range(draws))
        return sum(one.state is State.FIRING for one in ticks) / draws

    needed = tier.events_to_detect
    assert needed is not None
    assert found(needed) >= 0.8 - 4 * (0.8 * 0.2 / draws) ** 0.5
    assert found(2 * needed // 3) < 0.8


@given(st.fractions(Fraction(1, 1000), Fraction(9, 10)), st.sampled_from(list(Severity)))
def test_enough_events_to_clear_are_those_with_which_a_clean_record_shows_it(
    limit: Fraction, severity: Severity
) -> None:
    bound = bind(TierRule("x", severity, 60, 5, None, limit), Terms(Fraction(0), 30 * DAY))
    assert isinstance(bound, Tier)
    needed = bound.events_to_clear
    assert clopper_pearson_upper(0, needed, bound.alpha) <= float(limit) + 1e-12
    assert needed == MIN_EVENTS or clopper_pearson_upper(0, needed - 1, bound.alpha) > float(limit) - 1e-12
