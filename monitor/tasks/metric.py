"""Figures of a task over many answers, each with its interval and the number of answers behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeVar

from monitor.domain.results import Judged
from monitor.stats.intervals import Interval
from monitor.tasks.estimates import Estimate, mean_share, mean_sign

Unit = Literal["share", "difference", "points", "score"]
"""share: in [0, 1], shown in percent. difference: of two shares, in [-1, 1]. points: 0 to 100. score: as published."""

MIN_ROWS: Final = 20
"""Below it an interval of a share is more than 40 points wide at its worst: a figure to look at, not to act on."""


class Unknown(StrEnum):
    """Why the score of a row that counts is not known: a figure of the other rows would not be one of all."""

    UNNAMED = "no label says what is right"
    CUT_OFF = "the right answer is not among the candidates, fewer than k of which were logged"


Score = float | Unknown | None
"""In its metric's range; None where the row does not count."""


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` with its 95% interval over the `n` answers whose score is known; both are None where there is none."""

    name: str
    unit: Unit
    value: float | None
    interval: Interval | None
    n: int
    reason: str = ""
    """Why there is no figure though `n` scores are known, for people; empty otherwise."""

    @property
    def enough(self) -> bool:
        """Whether it rests on as many answers as a figure needs to be ranked or acted on."""
        return self.value is not None and self.n >= MIN_ROWS

    def written(self, value: float) -> str:
        """A value of this metric as people read it: shares in percent, differences in percentage points.

        >>> Metric("yes_bias", "difference", None, None, 0).written(0.031)
        '+3.1 pt'
        """
        match self.unit:
            case "share":
                return f"{100 * value:.1f}%"
            case "difference":
                return f"{100 * value:+.1f} pt"
            case "points":
                return f"{value:.1f}"
            case "score":
                return f"{value:.3f}"

    @classmethod
    def of(cls, name: str, unit: Unit, found: Estimate | None, *, scale: float = 1.0, n: int = 0) -> Metric:
        """An estimate under its name, times `scale`; without one, the `n` answers that were too few for it."""
        if found is None:
            return cls(name, unit, None, None, n)
        interval = Interval(scale * found.interval.lower, scale * found.interval.upper)
        return cls(name, unit, scale * found.value, interval, found.n)


class Drawn(Protocol):
    """A row that knows with which probability it was drawn for labelling."""

    @property
    def probability(self) -> float:
        """In (0, 1]."""


R = TypeVar("R", bound=Drawn)


def share(name: str, rows: Iterable[R], score: Callable[[R], Score]) -> Metric:
    """Mean of a score in [0, 1] (or of true and false) over the rows that have one, as a share."""
    return _mean(name, "share", mean_share, rows, score)


def balance(name: str, rows: Iterable[R], sign: Callable[[R], Score]) -> Metric:
    """Mean of -1, 0 and 1 over the rows that have one: a difference of two shares."""
    return _mean(name, "difference", mean_sign, rows, sign)


def _mean(
    name: str, unit: Unit, mean: Callable[[list[float], list[float]], Estimate], rows: Iterable[R],
    score: Callable[[R], Score],
) -> Metric:  # fmt: skip
    """No figure while a score is unknown."""
    scored = [(one, row.probability) for row in rows if (one := score(row)) is not None]
    values = [float(one) for one, _ in scored if not isinstance(one, Unknown)]
    if not values or len(values) < len(scored):
        unknown = Counter(one for one, _ in scored if isinstance(one, Unknown))
        reason = "; ".join(f"{one} ({count:,} of {len(scored):,} answers)" for one, count in sorted(unknown.items()))
        return Metric(name, unit, None, None, len(values), reason)
    return Metric.of(name, unit, mean(values, [probability for _, probability in scored]))


def known(rows: Iterable[R], score: Callable[[R], float | None]) -> tuple[list[float], list[float]]:
    """The scores that are known, and the probabilities of their rows."""
    pairs = [(float(value), row.probability) for row in rows if (value := score(row)) is not None]
    return [value for value, _ in pairs], [probability for _, probability in pairs]


def accuracy(rows: Sequence[Judged]) -> Metric:
    """Share of correct answers among those with a verdict: the first metric of every task."""
    return share("accuracy", rows, lambda row: row.correct)
