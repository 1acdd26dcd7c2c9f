"""What would bring confidences back to what they say."""

from __future__ import annotations

import streamlit as st

from dashboards import frame
from dashboards.words import count, plain
from monitor.stats.scaling import Repair, recommended


def repair(found: tuple[Repair, ...] | str) -> None:
    """The repair that holds up, or why none is recommended."""
    if isinstance(found, str):
        frame.note(f"No repair can be judged: {plain(found)}")
        return
    best = recommended(found)
    if best is None:
        st.info(plain(" ".join(one.sentence() for one in found)), icon=":material/tune:")
    else:
        won = best.won
        st.info(
            plain(best.sentence()) + "  \n" + plain(
                f"Each answer is judged by the fit of the half that it was not in, n = {count(best.n)}: "
                f"log loss {won.value:.4f} less "
                f"({won.interval.lower:.4f} to {won.interval.upper:.4f})." + _range(best)
            ),
            icon=":material/tune:",
        )  # fmt: skip


def _range(one: Repair) -> str:
    known = one.temperature_interval
    if known is None:
        return ""
    return (
        " T, the temperature, divides the log odds of every confidence: above 1 makes it less sure. It lies between "
        f"{known.lower:.2f} and {known.upper:.2f}."
    )
