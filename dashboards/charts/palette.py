"""Colours and symbols. Okabe and Ito's palette keeps apart for all common kinds of colour vision.

Okabe and Ito (2008), "Color Universal Design", https://jfly.uni-koeln.de/color/. Every state has a symbol and a word
as well, and nothing but `ok` is green.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from monitor.domain.results import DriftVerdict
from monitor.slo.evaluation import Standing, State

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
GREY: Final = "#7A828E"
LIGHT_GREY: Final = "#C9CED6"
INK: Final = "#4A505B"
"""Of words in charts: 8 to 1 on white."""
INK_ON_DARK: Final = "#B9BEC8"
"""9 to 1 on the dark page."""
SERIES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, GREY)

Hue = Literal["red", "orange", "green", "blue", "gray"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown."""

    words: str
    symbol: str
    icon: str
    hue: Hue
    colour: str


STATES: Final = {
    State.FIRING: Look(Standing.BURNING, "▲", ":material/local_fire_department:", "red", VERMILLION),
    State.OK: Look(Standing.OK, "●", ":material/check_circle:", "green", GREEN),
    State.INSUFFICIENT: Look(Standing.INSUFFICIENT, "◐", ":material/pending:", "orange", ORANGE),
    State.NO_DATA: Look(Standing.NO_DATA, "○", ":material/do_not_disturb_on:", "gray", GREY),
}
STANDINGS: Final = {
    **{look.words: look for look in STATES.values()},
    Standing.OVERSPENT: Look(Standing.OVERSPENT, "◆", ":material/money_off:", "orange", ORANGE),
    Standing.LATE: Look(Standing.LATE, "○", ":material/schedule:", "gray", GREY),
}
VERDICTS: Final = {
    DriftVerdict.DRIFT: Look("drift", "▲", ":material/trending_up:", "red", VERMILLION),
    DriftVerdict.NO_DRIFT: Look("no drift", "●", ":material/check_circle:", "green", GREEN),
    DriftVerdict.NOT_ENOUGH_DATA: Look("not enough data", "○", ":material/do_not_disturb_on:", "gray", GREY),
    DriftVerdict.NOT_ENOUGH_REFERENCE: Look("not enough reference", "◐", ":material/pending:", "orange", ORANGE),
}
STATUSES: Final = {"ok": BLUE, "error": VERMILLION, "timeout": ORANGE, "rejected": GREY}
