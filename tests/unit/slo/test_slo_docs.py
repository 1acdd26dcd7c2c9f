"""docs/slo.md names what there is, with the numbers that are."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from monitor.slo import alert_policy, duration, openslo
from monitor.slo.evaluation import State
from monitor.slo.incident import Reason
from monitor.slo.policy import Severity, Terms, Tier, bind, default_rules

TEXT = (Path(__file__).parents[3] / "docs" / "slo.md").read_text()


@pytest.mark.parametrize("name", sorted({*Reason, *State, *openslo.KINDS}))
def test_it_names_every_reason_state_and_kind(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_it_names_exactly_the_annotations_that_are_read() -> None:
    source = "".join(Path(module.__file__).read_text() for module in (alert_policy, openslo))
    read = {"short-window", "budget-percent", "tiers", "repeat-interval", *openslo.ANNOTATIONS}
    assert all(f'"{name}"' in source for name in read)
    assert set(re.findall(r"snellen\.dev/([a-z-]+)", TEXT)) == read


@pytest.mark.parametrize("sampled", [False, True], ids=["requests", "labels"])
@pytest.mark.parametrize("days", [30, 28, 7])
def test_its_table_of_tiers_is_the_one_in_force(days: int, sampled: bool) -> None:
    terms = Terms(Fraction("0.9") if sampled else Fraction("0.999"), days * duration.DAY, sampled)
    cells = []
    for severity in Severity:
        tiers = [bind(rule, terms) for rule in default_rules(severity, terms)]
        cells.append(", ".join(_words(tier, sampled=sampled) for tier in tiers if isinstance(tier, Tier)))
    assert f"| {days} d | {'labels' if sampled else 'requests'} | {cells[0]} | {cells[1]} |" in TEXT


def _words(tier: Tier, *, sampled: bool) -> str:
    factor = float(tier.factor)
    shown = f"{factor:.3f}" if 1 < factor < 1.01 else f"{factor:.2f}"
    windows = duration.words(tier.long_minutes)
    if not sampled:
        windows += f"/{duration.words(tier.short_minutes)}"
    return f"{shown.rstrip('0').rstrip('.')}x {windows}"
