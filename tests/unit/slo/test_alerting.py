from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.slo.alerting import next_states
from monitor.slo.evaluation import Evaluation, State, TierReading
from monitor.slo.incident import AlertState, Kind, Mute, Reason, Step, Transition
from monitor.slo.objective import Objective, Wishes
from monitor.slo.policy import Severity, TierRule

START = datetime(2026, 11, 21, tzinfo=UTC)
PAGE, TICKET = Severity.PAGE, Severity.TICKET
RULES = [
    TierRule("page_quick", PAGE, 60, 5, None, Fraction(10)),
    TierRule("ticket_slow", TICKET, 4320, 360, None, Fraction(1)),
]
Make = Callable[..., Objective]

F, H, N, C = "firing", "holding", "no data", "clear"
"""What the tiers of a severity say: see the module's table."""


def reading(name: str, severity: Severity, outlook: str) -> TierReading:
    state = {F: State.FIRING, H: State.INSUFFICIENT, N: State.NO_DATA, C: State.OK}[outlook]
    bad, total = (0, 0) if outlook == N else (40, 180) if outlook in (F, H) else (0, 180)
    burn = None if outlook == N else bad / total / 0.01
    return TierReading(
        name=name,
        severity=severity,
        factor=10.0,
        limit=0.1,
        long_minutes=60,
        short_window="5 min",
        long_bad=bad,
        long_total=total,
        short_bad=bad // 12,
        short_total=total // 12,
        burn_long=burn,
        burn_short=burn,
        lower_bound=None,
        burning=outlook in (F, H),
        state=state,
        reason="because",
    )


def evaluation(minute: int, page: str, ticket: str = C) -> Evaluation:
    return Evaluation(
        slo="captioner-availability",
        tick=START + timedelta(minutes=minute),
        state=State.OK,
        tiers=(reading("page_quick", PAGE, page), reading("ticket_slow", TICKET, ticket)),
        bad=40,
        total=10000,
        budget_remaining=0.6,
        exhaustion=(),
        covered_minutes=43200,
        mature_until=START,
    )


class Life:
    """An SLO, minute by minute."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.minute = 0
        self.open: dict[Severity, AlertState] = {}
        self.history: list[Transition] = []

    def live(self, minutes: int, page: str = C, ticket: str = C, *, silenced: bool = False) -> list[tuple[str, ...]]:
        """Let minutes pass; what there was to tell, in short."""
        before = len(self.history)
        for _ in range(minutes):
            self.minute += 1
            steps = next_states(self.open, evaluation(self.minute, page, ticket), self.objective, silenced=silenced)
            self._take(steps)
        return [
            (str(one.severity), str(one.kind), str(one.reason)) + ((()) if one.notify else ("muted",))
            for one in self.history[before:]
        ]

    def _take(self, steps: Mapping[Severity, Step]) -> None:
        # Through JSON, as the database keeps it.
        self.open = {
            severity: AlertState.from_json(json.loads(json.dumps(step.state.to_json())))
            for severity, step in steps.items()
            if step.state is not None
        }
        self.history += [step.transition for step in steps.values() if step.transition is not None]


@pytest.fixture
def life(make_objective: Make) -> Life:
    return Life(make_objective("0.99", RULES, close_without_data_minutes=120))


def with_wishes(make_objective: Make, **wishes: bool) -> Life:
    wanted = Wishes(**({"breaching": True, "resolved": True, "no_data": False} | wishes), repeat_minutes=240)
    return Life(make_objective("0.99", RULES, wishes=wanted, close_without_data_minutes=120))


def test_a_healthy_service_has_no_incidents(life: Life) -> None:
    assert life.live(500) == []
    assert life.open == {}


def test_a_breach_opens_and_a_clear_spell_resolves(life: Life) -> None:
    assert life.live(1, F) == [("page", "opened", "first_breach")]
    assert life.live(30, F) == []
    assert life.live(15, C) == []
    assert life.live(1, C) == [("page", "closed", "resolved")]
    assert life.open == {}
    assert life.live(100, C) == []


def test_a_flapping_tier_is_one_incident(life: Life) -> None:
    told = [one for _ in range(10) for one in life.live(3, F) + life.live(14, C)]
    assert told == [("page", "opened", "first_breach")]
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_a_second_breach_is_a_second_incident_with_a_key_of_its_own(life: Life) -> None:
    life.live(1, F)
    life.live(20, C)
    life.live(1, F)
    opened = [one for one in life.history if one.kind is Kind.OPENED]
    assert [one.incident for one in opened] == [
        "captioner-availability/page/20261121T0001Z",
        "captioner-availability/page/20261121T0022Z",
    ]


def test_what_is_above_the_limit_without_evidence_neither_opens_nor_resolves(life: Life) -> None:
    assert life.live(100, H) == []
    life.live(1, F)
    assert life.live(100, H) == []
    assert PAGE in life.open
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_it_is_repeated_while_it_goes_on_but_not_while_it_clears(life: Life) -> None:
    life.live(1, F)
    assert life.live(239, F) == []
    assert life.live(1, F) == [("page", "noted", "repeat_interval")]
    assert life.live(240, H) == [("page", "noted", "repeat_interval")]
    life.live(235, F)
    assert life.live(15, C) == []


def test_missing_data_do_not_resolve(life: Life) -> None:
    life.live(1, F)
    assert life.live(15, N) == []
    assert life.live(1, N) == [("page", "noted", "no_data")]
    assert life.live(30, N) == []
    assert life.live(1, F) == [("page", "noted", "data_back")]
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_missing_data_break_a_clear_spell(life: Life) -> None:
    life.live(1, F)
    for _ in range(5):
        assert life.live(14, C) == []
        assert life.live(1, N) == []
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_data_that_come_back_clear_resolve_without_another_word(life: Life) -> None:
    life.live(1, F)
    life.live(60, N)
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_an_incident_without_data_expires_and_says_that_nothing_shows_it_is_over(life: Life) -> None:
    life.live(1, F)
    assert life.live(120, N) == [("page", "noted", "no_data")]
    assert life.live(1, N) == [("page", "closed", "expired")]
    assert life.live(500, N) == []
    assert "nothing shows that it is over" in life.history[-1].summary
    assert "this is not a recovery" in life.history[-1].details


def test_short_gaps_in_the_data_are_no_news(life: Life) -> None:
    life.live(1, F)
    assert [one for _ in range(20) for one in life.live(5, N) + life.live(5, F)] == []


def test_missing_data_open_an_incident_where_the_policy_wishes_it(make_objective: Make) -> None:
    life = with_wishes(make_objective, no_data=True)
    assert life.live(1, N) == [("page", "opened", "no_data")]
    assert life.live(240, N) == [("page", "noted", "repeat_interval")]
    assert "has no data to judge by" in life.history[-1].summary
    assert life.live(16, C) == [("page", "closed", "resolved")]
    assert with_wishes(make_objective, no_data=False).live(500, N) == []


def test_a_breach_within_missing_data_is_news_of_the_same_incident(make_objective: Make) -> None:
    life = with_wishes(make_objective, no_data=True)
    life.live(1, N)
    assert life.live(1, F) == [("page", "noted", "first_breach")]
    assert len({one.incident for one in life.history}) == 1


def test_an_incident_that_loses_its_data_never_expires_where_missing_data_are_one(make_objective: Make) -> None:
    life = with_wishes(make_objective, no_data=True)
    life.live(1, F)
    assert life.live(16, N) == [("page", "noted", "no_data")]
    assert life.live(240, N) == [("page", "noted", "repeat_interval")]
    assert life.live(1, F) == [("page", "noted", "first_breach")]
    assert life.live(16, C) == [("page", "closed", "resolved")]


def test_a_ticket_keeps_quiet_while_a_page_is_open(life: Life) -> None:
    assert life.live(1, F, F) == [("page", "opened", "first_breach"), ("ticket", "opened", "first_breach", "muted")]
    assert life.history[-1].muted_by is Mute.PAGE
    assert life.live(3000, F, F).count(("ticket", "noted", "repeat_interval")) == 0
    assert life.live(16, C, F) == [("page", "closed", "resolved"), ("ticket", "noted", "severity_lowered")]
    assert life.live(16, C, C) == [("ticket", "closed", "resolved")]


def test_a_ticket_nobody_heard_of_closes_without_a_word(life: Life) -> None:
    life.live(1, F, F)
    assert life.live(16, F, C) == [("ticket", "closed", "resolved", "muted")]
    assert life.live(16, C, C) == [("page", "closed", "resolved")]


def test_a_page_after_a_ticket_says_that_it_is_getting_worse(life: Life) -> None:
    assert life.live(1, C, F) == [("ticket", "opened", "first_breach")]
    assert life.live(1, F, F) == [("page", "opened", "severity_raised")]


def test_an_announced_ticket_is_seen_to_close_even_while_a_page_is_open(life: Life) -> None:
    life.live(1, C, F)
    life.live(1, F, F)
    assert life.live(16, F, C) == [("ticket", "closed", "resolved")]


def test_a_silence_mutes_and_its_end_speaks_at_once(life: Life) -> None:
    assert life.live(1, F, silenced=True) == [("page", "opened", "first_breach", "muted")]
    assert life.live(600, F, silenced=True) == []
    assert life.live(1, F) == [("page", "noted", "silence_ended")]
    assert life.live(100, F) == []


def test_a_silence_that_begins_during_an_incident_ends_with_a_word_too(life: Life) -> None:
    life.live(1, F)
    assert life.live(10, F, silenced=True) == []
    assert life.live(1, H) == [("page", "noted", "silence_ended")]


def test_what_ends_within_a_silence_is_never_told(life: Life) -> None:
    life.live(1, F, silenced=True)
    assert life.live(16, C, silenced=True) == [("page", "closed", "resolved", "muted")]
    assert life.live(100, C) == []


def test_what_clears_as_a_silence_ends_is_not_told_unless_it_fires_again(life: Life) -> None:
    life.live(1, F, silenced=True)
    life.live(5, C, silenced=True)
    assert life.live(5, C) == []
    assert life.live(1, F) == [("page", "noted", "silence_ended")]


def test_wishes_are_honoured(make_objective: Make) -> None:
    quiet = with_wishes(make_objective, breaching=False)
    assert quiet.live(1, F) == [("page", "opened", "first_breach", "muted")]
    assert quiet.live(16, C) == [("page", "closed", "resolved", "muted")]
    unresolved = with_wishes(make_objective, resolved=False)
    assert unresolved.live(1, F) == [("page", "opened", "first_breach")]
    assert unresolved.live(16, C) == [("page", "closed", "resolved", "muted")]
    unresolved.live(1, F)
    assert unresolved.live(121, N) == [("page", "noted", "no_data"), ("page", "closed", "expired")]


def test_a_tick_that_came_before_changes_nothing(life: Life) -> None:
    life.live(5, F)
    before = dict(life.open)
    for minute in (3, 5):
        steps = next_states(life.open, evaluation(minute, C), life.objective)
        assert {severity: step.state for severity, step in steps.items() if step.state} == before
        assert all(step.transition is None for step in steps.values())


def test_a_gap_in_the_ticks_does_not_resolve_by_itself(life: Life) -> None:
    life.live(1, F)
    life.minute += 600
    assert life.live(1, C) == []
    assert life.live(15, C) == [("page", "closed", "resolved")]


def test_a_transition_says_what_burns_and_what_is_left(life: Life) -> None:
    life.live(1, F)
    (opened,) = life.history
    assert opened.key == "captioner-availability/page/20261121T0001Z/1"
    assert opened.summary == (
        "Availability of captioner burns its error budget too fast: "
        "1 h: 22.2% bad (40 of 180), 22.2x the budget; 5 min: 20.0% bad (3 of 15), 22.2x the budget"
    )
    assert opened.details.splitlines() == [
        "first_breach: a tier is above its limit in both its windows, with enough evidence",
        "page_quick (firing): 1 h: 22.2% bad (40 of 180), 22.2x the budget; "
        "5 min: 20.0% bad (3 of 15), 22.2x the budget; because",
        "error budget of 30 d: 60% left (40 bad requests of 100 allowed)",
    ]
    life.live(30, F)
    life.live(16, C)
    assert life.history[-1].summary == "Availability of captioner is back within its limits (page open for 46 min)"


outlooks = st.sampled_from([F, H, N, C])
lives = st.lists(st.tuples(outlooks, outlooks, st.booleans(), st.integers(1, 60)), max_size=40)
"""(page, ticket, silenced, minutes until the next tick)."""


@given(ticks=lives, no_data=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_history_of_incidents_is_sound(
    ticks: list[tuple[str, str, bool, int]], no_data: bool, make_objective: Make
) -> None:
    life = with_wishes(make_objective, no_data=no_data)
    again = with_wishes(make_objective, no_data=no_data)
    for page, ticket, silenced, minutes in ticks:
        for one in (life, again):
            one.minute += minutes - 1
            one.live(1, page, ticket, silenced=silenced)
    assert again.history == life.history
    assert again.open == life.open
    for severity in Severity:
        history = [one for one in life.history if one.severity is severity]
        _check_alternation(history, life.open.get(severity))
        _check_words(history)
    assert len({one.key for one in life.history}) == len(life.history)


def _check_alternation(history: list[Transition], still_open: AlertState | None) -> None:
    """Open, any news, close; never two open at once, never a close or news without an opening."""
    current: str | None = None
    number = 0
    for one in history:
        if one.kind is Kind.OPENED:
            assert current is None
            current, number = one.incident, 0
        assert one.incident == current
        number += 1
        assert one.number == number
        if one.kind is Kind.CLOSED:
            current = None
    assert current == (still_open.incident if still_open else None)
    assert [one.tick for one in history] == sorted({one.tick for one in history})


def _check_words(history: list[Transition]) -> None:
    """People hear of the end of what they heard of, and of nothing else's; a mute is always said."""
    for incident in {one.incident for one in history}:
        words = [one for one in history if one.incident == incident]
        for one in words:
            assert not (one.notify and one.muted_by)
            assert one.summary
            assert one.reason.value in one.details
        *before, last = words
        if last.kind is Kind.CLOSED:
            heard = any(one.notify for one in before)
            assert last.notify == (heard and last.muted_by is None)
            assert last.reason in (Reason.RESOLVED, Reason.EXPIRED)


@given(ticks=st.lists(st.tuples(outlooks, st.integers(1, 30)), min_size=1, max_size=40))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_a_clear_spell_resolves_and_only_a_long_silence_of_the_data_expires(
    ticks: list[tuple[str, int]], make_objective: Make
) -> None:
    life = with_wishes(make_objective)
    seen: list[tuple[int, str]] = []
    for page, minutes in ticks:
        life.minute += minutes - 1
        life.live(1, page)
        seen.append((life.minute, page))
        last = life.history[-1] if life.history else None
        if last is None or last.tick != START + timedelta(minutes=life.minute) or last.kind is not Kind.CLOSED:
            continue
        wanted, least = (C, 15) if last.reason is Reason.RESOLVED else (N, 120)
        spell = [minute for minute, outlook in reversed(seen) if outlook == wanted]
        unbroken = next((index for index, (_, outlook) in enumerate(reversed(seen)) if outlook != wanted), len(seen))
        assert life.minute - spell[unbroken - 1] >= least


def test_states_survive_json(life: Life) -> None:
    life.live(1, F, F, silenced=True)
    for state in life.open.values():
        assert AlertState.from_json(json.loads(json.dumps(state.to_json()))) == state
    state = replace(life.open[PAGE], clear_since=START, no_data_since=START)
    assert AlertState.from_json(json.loads(json.dumps(state.to_json()))) == state
