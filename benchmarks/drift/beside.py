"""Ours beside the best peer that holds its level, cell by cell.

A cell is called `WORLD: CHANGE`; of the same world there are unchanged looks, `WORLD: unchanged`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

LEVEL = 0.05
DOUBT = 0.05
"""A tester holds its level in a world unless its alarms on unchanged looks are more than 5% of them, by a binomial test
that is wrong about one honest tester in 20. What alarms more often is not a test there: its power does not count."""

UNCHANGED = "unchanged"
CLEAR = 2.0
"""Standard errors beyond which one of two is ahead."""


@dataclass(frozen=True)
class Rate:
    """Looks, and how many of them alarmed."""

    looks: int
    alarms: int

    @property
    def share(self) -> float:
        return self.alarms / self.looks

    @property
    def error(self) -> float:
        """Standard error, with half an alarm and half a silence added so that 0 and 1 have one too."""
        share = (self.alarms + 0.5) / (self.looks + 1)
        return float(np.sqrt(share * (1 - share) / self.looks))

    @property
    def holds(self) -> bool:
        return bool(binomtest(self.alarms, self.looks, LEVEL, alternative="greater").pvalue >= DOUBT)

    def __str__(self) -> str:
        return f"{100 * self.share:.0f} ± {100 * self.error:.0f}"


Rates = dict[str, dict[str, Rate]]
"""Cell -> tester -> rate."""


@dataclass(frozen=True)
class Gap:
    """One of ours in a cell with a change, beside the best peer that holds its level there; `peer` None: none does."""

    cell: str
    ours: str
    rate: Rate
    peer: str | None
    peers: Rate | None

    @property
    def points(self) -> float:
        return 100 * (self.rate.share - (self.peers.share if self.peers else 0.0))

    @property
    def errors(self) -> float:
        """The difference, in its standard errors."""
        error = np.hypot(self.rate.error, self.peers.error if self.peers else 0.0)
        return self.points / 100 / float(error)

    @property
    def verdict(self) -> str:
        if self.peer is None:
            return "no peer"
        if abs(self.errors) <= CLEAR:
            return "no difference"
        return "ahead" if self.errors > 0 else "behind"


def rates(shards: list[dict[str, Any]]) -> Rates:
    """Alarms at 5%, or at the detector's own threshold where it has no level."""
    alarms: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for one in shards:
        for cell, judged in one.get("cells", {}).items():
            alarms[cell][one["tester"]] += judged["alarm"]
    return {
        cell: {tester: Rate(len(found), sum(found)) for tester, found in sorted(by_tester.items(), key=_ours_first)}
        for cell, by_tester in alarms.items()
    }


def gaps(found: Rates) -> list[Gap]:
    """Every cell with a change and each tester of ours that holds its level there."""
    compared = []
    for cell, by_tester in found.items():
        world, _, change = cell.partition(": ")
        if change == UNCHANGED:
            continue
        quiet = {name for name, one in found[f"{world}: {UNCHANGED}"].items() if one.holds}
        peers = [name for name in by_tester if not is_ours(name) and name in quiet]
        best = max(peers, key=lambda name, there=by_tester: there[name].share, default=None)  # type: ignore[misc]
        compared += [
            Gap(cell, name, rate, best, by_tester[best] if best else None)
            for name, rate in by_tester.items()
            if is_ours(name) and name in quiet
        ]
    return compared


def counts(compared: list[Gap]) -> dict[str, dict[str, int]]:
    """Per tester of ours: cells in which it holds its level, in how many of them no peer does, and in how many of the
    others it is ahead, behind, above, equal or below."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in compared:
        found[one.ours]["cells"] += 1
        found[one.ours][one.verdict] += 1
        if one.peer is not None:
            found[one.ours]["above" if one.points > 0 else "equal" if one.points == 0 else "below"] += 1
    return {name: dict(one) for name, one in found.items()}


def is_ours(tester: str) -> bool:
    return tester.startswith("snellen")


# ---- tables --------------------------------------------------------------------------------------------------------


def rates_table(found: Rates) -> str:
    """Alarms in percent; those of a tester that does not hold its level in a world stand in brackets."""
    testers = sorted(
        {name for by_tester in found.values() for name in by_tester}, key=lambda name: _ours_first((name,))
    )
    lines = ["| | " + " | ".join(testers) + " |", "|---" * (len(testers) + 1) + "|"]
    for cell, by_tester in found.items():
        null = found[f"{cell.partition(': ')[0]}: {UNCHANGED}"]
        shown = [_share(by_tester[name], null.get(name)) if name in by_tester else "" for name in testers]
        lines.append(f"| {cell} | " + " | ".join(shown) + " |")
    for title, unchanged in (("looks at a change", False), ("looks at unchanged traffic", True)):
        cells = [by_tester for cell, by_tester in found.items() if cell.endswith(f": {UNCHANGED}") == unchanged]
        fewest = [min((one[name].looks for one in cells if name in one), default=0) for name in testers]
        lines.append(f"| {title} | " + " | ".join(map(str, fewest)) + " |")
    return "\n".join(lines)


def gaps_table(found: Rates) -> str:
    """A line for each cell with a change, and a line that counts them."""
    compared = gaps(found)
    names = sorted({one.ours for one in compared})
    lines = ["| | " + " | ".join([*names, "best peer that holds its level", "its alarms"])]
    lines[0] += " | " + " | ".join(f"{name}, less it" for name in names) + " |"
    lines.append("|---" * (3 + 2 * len(names)) + "|")
    for cell in dict.fromkeys(one.cell for one in compared):
        here = {one.ours: one for one in compared if one.cell == cell}
        any_one = next(iter(here.values()))
        shown = [str(here[name].rate) if name in here else "" for name in names]
        shown += [any_one.peer or "none", str(any_one.peers or "")]
        shown += [_gap(here[name]) if name in here else "" for name in names]
        lines.append(f"| {cell} | {' | '.join(shown)} |")
    return "\n".join([*lines, "", *(_counted(name, one) for name, one in counts(compared).items())])


def _share(rate: Rate, null: Rate | None) -> str:
    shown = f"{100 * rate.share:.0f}"
    return shown if null is None or null.holds else f"({shown})"


def _gap(one: Gap) -> str:
    return one.verdict if one.peer is None else f"{one.points:+.0f} ({one.errors:+.1f} s.e.): {one.verdict}"


def _counted(name: str, one: dict[str, int]) -> str:
    alone = one.get("no peer", 0)
    return (
        f"- `{name}` holds its level in {one['cells']} cells; in {alone} of them no peer does. In the other "
        f"{one['cells'] - alone} it is above the best peer in {one.get('above', 0)}, equal in {one.get('equal', 0)}, "
        f"below in {one.get('below', 0)}; by more than two standard errors ahead in {one.get('ahead', 0)}, behind in "
        f"{one.get('behind', 0)}."
    )


def _ours_first(item: tuple[Any, ...]) -> tuple[bool, str]:
    return not is_ours(item[0]), item[0]
