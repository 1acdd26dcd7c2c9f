"""How long streams run until an alarm: unchanged ones, which should run long, beside changed ones, which should not.

A delay means nothing without the run length to a false alarm beside it (Page, E. S. (1954), Continuous inspection
schemes, Biometrika 41), so a rule is judged by both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from benchmarks.drift.beside import CLEAR, DOUBT, UNCHANGED, is_ours
from benchmarks.drift.delay import AFTER, CHANGES, KINDS, LEAD
from monitor.drift.compare import LEVEL
from monitor.drift.persistence import LOOKS, NEEDED
from monitor.stats.multiple_testing import holm

OWN_LEVEL = 0.05
"""Of a single look at a detector's own threshold; one that names no level is judged as if it were meant so."""
LEAST_STREAMS = 4
"""Of a peer that is called the best: two that were quiet for a day say little of how often it alarms."""


@dataclass(frozen=True)
class Rule:
    """An alarm once `needed` of the last `looks` looks are below `level`."""

    level: float
    needed: int
    looks: int

    def __str__(self) -> str:
        each = "each look" if self.looks == 1 else f"{self.needed} of {self.looks} looks"
        return f"{each} at {self.level:.0%}"


ONCE, SHIPPED = Rule(OWN_LEVEL, 1, 1), Rule(LEVEL, NEEDED, LOOKS)
RULES = (ONCE, SHIPPED)


def own(tester: str) -> Rule:
    """As it is shipped."""
    return SHIPPED if is_ours(tester) else ONCE


# ---- what a rule promises ------------------------------------------------------------------------------------------


@lru_cache
def promised(rule: Rule) -> NDArray[np.float64]:
    """The law of the first alarm where nothing changed and looks are independent: the chance that it comes at the first
    look that counts, ..., at the last one, and that there is none [AFTER + 1]."""
    alive = {
        past: float(np.prod([rule.level if one else 1 - rule.level for one in past]))
        for past in product((False, True), repeat=rule.looks - 1)
    }
    law = np.zeros(AFTER + 1)
    for look in range(AFTER):
        after: dict[tuple[bool, ...], float] = defaultdict(float)
        for past, chance in alive.items():
            for alarm, share in ((True, rule.level), (False, 1 - rule.level)):
                seen = (*past, alarm)
                if sum(seen) >= rule.needed:
                    law[look] += chance * share
                else:
                    after[seen[1:]] += chance * share
        alive = after
    law[AFTER] = 1 - law.sum()
    return law


def earlier(looks: NDArray[np.float64], rule: Rule) -> float:
    """p-value of "unchanged streams run as long as the rule promises", exact by their sum: small where they run less
    long. `looks` [streams]: the one that alarmed, infinite where none did."""
    law = promised(rule)
    capped = np.concatenate([[0.0], law[: AFTER - 1], [law[AFTER - 1] + law[AFTER]]])  # a run of 1 to AFTER looks
    sums = reduce(np.convolve, [capped] * len(looks))
    return float(min(1.0, sums[: int(np.minimum(looks, AFTER).sum()) + 1].sum()))


# ---- what was seen -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """Of streams: the look that alarmed, counted from the first one that counts, and hours from the change until the
    alarm; both infinite where none came in AFTER hours."""

    looks: NDArray[np.float64]
    hours: NDArray[np.float64]

    @property
    def found(self) -> float:
        return float(np.isfinite(self.hours).mean())

    @property
    def capped(self) -> NDArray[np.float64]:
        """Hours, AFTER where no alarm came."""
        return np.minimum(self.hours, AFTER)

    @property
    def mean(self) -> float:
        return float(self.capped.mean())

    @property
    def error(self) -> float:
        return float(self.capped.std(ddof=1) / np.sqrt(len(self.hours)))

    @property
    def between(self) -> float:
        """Mean hours between alarms, by the hours watched until the first of each stream; infinite without any."""
        alarms = np.isfinite(self.hours).sum()
        return float(self.capped.sum() / alarms) if alarms else float("inf")

    @property
    def surely_between(self) -> float:
        """What the mean hours between alarms exceed at 95%, where there was none: the rule of three."""
        return float(self.capped.sum() / -np.log(0.05))

    def late(self, share: float) -> float:
        return float(np.quantile(self.hours, share, method="higher"))


@dataclass(frozen=True)
class Watch:
    """One tester under one rule in one kind of traffic; `judged` is the rule with the level that it answers to,
    `streams` the seed and number of each."""

    tester: str
    traffic: str
    rule: Rule
    judged: Rule
    streams: tuple[tuple[int, int], ...]
    unchanged: Runs
    changes: dict[str, Runs]
    holds: bool = True

    def sooner(self, change: str) -> bool:
        """Whether it alarms sooner than on unchanged streams, by a rank test."""
        found, usual = (np.minimum(one.looks, AFTER + 1) for one in (self.changes[change], self.unchanged))
        return bool(mannwhitneyu(found, usual, alternative="less").pvalue < DOUBT)


def watches(shards: Sequence[dict[str, Any]], rules: Sequence[Rule] = RULES) -> list[Watch]:
    """Shards with other seeds taken together, ours first. A tester holds what a rule promises in a kind of traffic
    unless its unchanged streams alarm earlier, judged over all traffic and rules of the tester jointly (Holm)."""
    together: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in sorted(shards, key=lambda one: one["seed"]):
        if "streams" in one:
            together[one["tester"], one["traffic"]].append(one)
    made = [_watch(*key, same, rule) for key, same in together.items() for rule in rules]
    held = {id(one): adjusted >= DOUBT for tester in _testers(made) for one, adjusted in _adjusted(made, tester)}
    return [Watch(**{**vars(one), "holds": held[id(one)]}) for one in sorted(made, key=_order)]


def _watch(tester: str, traffic: str, same: list[dict[str, Any]], rule: Rule) -> Watch:
    gives_p = all(p is not None for one in same for stream in one["streams"][UNCHANGED] for p in stream["p"])
    judged = rule if gives_p else Rule(OWN_LEVEL, rule.needed, rule.looks)
    runs = {
        name: _runs([(stream, one["per_window"]) for one in same for stream in one["streams"][name]], judged)
        for name in (UNCHANGED, *CHANGES)
    }
    streams = tuple((one["seed"], index) for one in same for index in range(len(one["streams"][UNCHANGED])))
    return Watch(tester, traffic, rule, judged, streams, runs.pop(UNCHANGED), runs)


def _runs(streams: list[tuple[dict[str, Any], int]], rule: Rule) -> Runs:
    firsts = [first_alarm(stream, rows, rule) for stream, rows in streams]
    looks, hours = np.array([one or (np.inf, np.inf) for one in firsts]).T
    return Runs(looks, hours)


def first_alarm(stream: dict[str, Any], per_hour: int, rule: Rule) -> tuple[int, float] | None:
    """The look (1: the first that counts) and the hours since the change began. An alarm that came some rows before the
    change, in its hour, counts as at once."""
    alarms = [
        after is not None if p is None or rule.level == OWN_LEVEL else p < rule.level
        for p, after in zip(stream["p"], stream["after"], strict=True)
    ]
    for look in range(1, len(alarms) - LEAD + 1):
        end = LEAD + look
        if sum(alarms[end - rule.looks : end]) >= rule.needed:
            within = stream["after"][end - 1] if rule.looks == 1 else per_hour
            return look, max((look - 1) * per_hour + within - stream["begins"], 1) / per_hour
    return None


def _adjusted(made: Sequence[Watch], tester: str) -> list[tuple[Watch, float]]:
    same = [one for one in made if one.tester == tester]
    return list(zip(same, holm([earlier(one.unchanged.looks, one.judged) for one in same]), strict=True))


def _testers(made: Sequence[Watch]) -> list[str]:
    return list(dict.fromkeys(one.tester for one in made))


def _order(one: Watch) -> tuple[Any, ...]:
    return KINDS.index(one.traffic), not is_ours(one.tester), one.tester, one.rule.looks


# ---- beside the best peer ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gain:
    """Hours until one of ours sees a change, and those of the best peer that holds what the same rule promises, on the
    streams that both followed; hours over AFTER count as AFTER."""

    ours: Watch
    change: str
    peer: Watch | None

    @property
    def gained(self) -> NDArray[np.float64]:
        """Of each stream: the peer's hours less ours."""
        if self.peer is None:
            return np.empty(0)
        theirs, mine = (
            dict(zip(one.streams, one.changes[self.change].capped, strict=True)) for one in (self.peer, self.ours)
        )
        return np.array([theirs[stream] - mine[stream] for stream in theirs if stream in mine])

    @property
    def error(self) -> float:
        return float(self.gained.std(ddof=1) / np.sqrt(len(self.gained)))

    @property
    def verdict(self) -> str:
        if self.peer is None:
            return "no peer"
        if abs(self.gained.mean()) <= CLEAR * self.error:
            return "no difference"
        return "ahead" if self.gained.mean() > 0 else "behind"


def gains(watched: Sequence[Watch]) -> list[Gain]:
    """Everyone under the shipped rule; the best peer is one of those that followed at least `LEAST_STREAMS`."""
    same = [one for one in watched if one.rule == SHIPPED and one.holds]
    made = []
    for ours in same:
        if is_ours(ours.tester):
            known = [one for one in same if one.traffic == ours.traffic and len(one.streams) >= LEAST_STREAMS]
            peers = [one for one in known if not is_ours(one.tester)]
            for change in CHANGES:
                best = min(peers, key=lambda one, name=change: one.changes[name].mean, default=None)  # type: ignore[misc]
                made.append(Gain(ours, change, best))
    return made


# ---- tables --------------------------------------------------------------------------------------------------------


def delay_table(watched: Sequence[Watch], traffic: str, stopped: dict[str, str]) -> str:
    """A line for each tester in its own way, then for each peer under the rule that ours are shipped with; below each,
    what a tester that sees nothing would show."""
    here = [one for one in watched if one.traffic == traffic]
    lines = ["| alarms | | days | with a false alarm | hours between | " + " | ".join(CHANGES) + " |"]
    lines.append("|---" * (5 + len(CHANGES)) + "|")
    shipped = [one for one in here if one.rule == SHIPPED and not is_ours(one.tester)]
    for block in ([one for one in here if one.rule == own(one.tester)], shipped):
        lines += [_line(one) for one in block]
        lines += [_blind(rule) for rule in sorted({one.judged for one in block}, key=str)]
    lines += [f"| | {tester} | {why} |" + " |" * (2 + len(CHANGES)) for tester, why in stopped.items()]
    return "\n".join(lines)


def exceeded(shards: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Tester -> which limit it exceeded."""
    return {one["tester"]: one["exceeded"] for one in shards if "exceeded" in one}


def _line(one: Watch) -> str:
    usual = one.unchanged
    between = f"{usual.between:.0f}" if usual.found else f"over {usual.surely_between:.0f}"
    false = f"{100 * usual.found:.0f}%"
    shown = [_found(runs) for runs in one.changes.values()]
    shown = [
        text if one.sooner(name) or not one.changes[name].found else f"{text} ≈"
        for name, text in zip(one.changes, shown, strict=True)
    ]
    shown = shown if one.holds else [f"({text})" for text in shown]
    return f"| {one.judged} | {one.tester} | {len(usual.hours)} | {false} | {between} | {' | '.join(shown)} |"


def _found(runs: Runs) -> str:
    if not runs.found:
        return "–"
    return f"{100 * runs.found:.0f}%: {_hours(runs.late(0.5))} / {_hours(runs.late(0.9))}"


def _blind(rule: Rule) -> str:
    """The change begins half an hour before the first look, on average."""
    law = promised(rule)
    reached = np.append(np.cumsum(law[:AFTER]), 1.0)
    late = [float(np.argmax(reached >= share)) for share in (0.5, 0.9)]
    shown = " / ".join(_hours(look + 0.5 if look < AFTER else np.inf) for look in late)
    between = (law @ np.append(np.arange(1, AFTER + 1), AFTER)) / (1 - law[AFTER])
    cells = [f"{1 - law[AFTER]:.0%}: {shown}" if late[0] < AFTER else "–"] * len(CHANGES)
    return f"| {rule} | *by chance* | | {100 * (1 - law[AFTER]):.2g}% | {between:.0f} | {' | '.join(cells)} |"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if np.isfinite(hours) else "–"


def gains_table(watched: Sequence[Watch]) -> str:
    """Mean hours under the shipped rule, beside the best peer's."""
    lines = ["| | ours | its hours | best peer that holds the rule | its hours | sooner by, on the same streams |"]
    lines.append("|---" * 6 + "|")
    compared = gains(watched)
    for one in compared:
        if one.peer is not None:
            sooner = f"{one.gained.mean():+.1f} ± {one.error:.1f} of {len(one.gained)}: {one.verdict}"
            pair = [f"{each.tester} | {_mean(each.changes[one.change])}" for each in (one.ours, one.peer)]
            lines.append(f"| {one.ours.traffic}: {one.change} | {' | '.join(pair)} | {sooner} |")
    alone = dict.fromkeys(one.ours.traffic for one in compared if one.peer is None)
    return "\n".join([*lines, *(f"\nIn {traffic} traffic no peer holds the rule." for traffic in alone)])


def _mean(runs: Runs) -> str:
    return f"{runs.mean:.1f} ± {runs.error:.1f}"
