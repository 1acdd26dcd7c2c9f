"""How causes read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.explain import Carrier, Cause
from monitor.explain.words import carried, in_words
from monitor.stats.dominance import Dominance
from monitor.stats.intervals import Interval

SHARE = Cause(
    kind="concept",
    name="a dark, blurry photo",
    of="image",
    within=ALL_TRAFFIC,
    part=1.0,
    is_share=True,
    before=0.04,
    now=0.31,
    change=1.4,
    interval=Interval(0.25, 0.37),
    dominance=Dominance(0.27, Interval(0.2, 0.34), 1e-9),
    adjusted_p=1e-8,
    confirmed=True,
)
MEASURED = replace(
    SHARE, kind="feature", name="yellow_blue", of="", is_share=False, change=-1.52, interval=Interval(-1.71, -1.33),
    dominance=Dominance(-0.72, Interval(-0.8, -0.62), 1e-9),
)  # fmt: skip
RISEN = Dominance(0.27, Interval(0.2, 0.34), 1e-9)
UNVARIED = replace(
    MEASURED,
    name="aspect",
    before=0.0,
    now=0.32,
    change=0.32,
    interval=Interval(0.27, 0.37),
    dominance=Dominance(0.8, Interval(0.72, 0.86), 1e-9),
    in_deviations=False,
)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (SHARE, "a dark, blurry photo: 4% → 31% (25 to 37%)"),
        (replace(SHARE, of="prompt"), "prompt: a dark, blurry photo: 4% → 31% (25 to 37%)"),
        (replace(SHARE, kind="slice", of="device", name="b"), "device = b: 4% → 31% (25 to 37%)"),
        (replace(SHARE, kind="cluster"), "images like: a dark, blurry photo: 4% → 31% (25 to 37%)"),
        (MEASURED, "yellow blue fell by 1.5 SD (1.3 to 1.7)"),
        (
            replace(MEASURED, change=0.8, interval=Interval(0.6, 1.0), dominance=RISEN),
            "yellow blue rose by 0.8 SD (0.6 to 1.0)",
        ),
        (
            replace(MEASURED, change=0.1, interval=Interval(-0.1, 0.3), dominance=RISEN),
            "yellow blue rose by 0.1 SD (−0.1 to +0.3)",
        ),
        (
            replace(MEASURED, change=-0.1, interval=Interval(-0.14, 0.02), dominance=RISEN),
            "yellow blue mostly rose, effect +0.27 (+0.20 to +0.34); the mean fell by 0.1 SD (−0.1 to +0.0)",
        ),
        (
            replace(SHARE, before=0.001, now=0.006, interval=Interval(0.0042, 0.0085)),
            "a dark, blurry photo: 0.1% → 0.6% (0.4 to 0.9%)",
        ),
        (
            replace(SHARE, before=0.998, now=1.0, interval=Interval(0.9951, 1.0)),
            "a dark, blurry photo: 99.8% → 100% (99.5 to 100%)",
        ),
        (replace(SHARE, before=0.0), "a dark, blurry photo: 0% → 31% (25 to 37%)"),
        (UNVARIED, "aspect rose from 0 to 0.32 (by 0.27 to 0.37), effect +0.80 (+0.72 to +0.86)"),
        (
            replace(
                UNVARIED, now=-0.405, change=-0.405, interval=Interval(-0.405, -0.405), dominance=MEASURED.dominance
            ),
            "aspect fell from 0 to −0.405, effect −0.72 (−0.80 to −0.62)",
        ),
        (
            replace(SHARE, within=Slice("device", "camera-3"), part=0.3),
            "a dark, blurry photo: 4% → 31% (25 to 37%), in device = camera-3 (30% of the traffic)",
        ),
    ],
    ids=[
        "share",
        "prompt",
        "slice",
        "cluster",
        "fell",
        "rose",
        "unsure",
        "the mean against it",
        "small shares",
        "nearly all",
        "nothing before",
        "constant",
        "constants",
        "within",
    ],
)
def test_a_cause_reads_as_one_line(cause: Cause, words: str) -> None:
    assert in_words(cause) == words


def test_a_carrier_reads_as_one_line() -> None:
    inside, outside = Dominance(0.5, Interval(0.4, 0.6), 1e-9), Dominance(-0.02, Interval(-0.1, 0.06), 0.5)
    words = carried(Carrier(Slice("device", "c"), "image", 0.25, inside, outside))
    assert words == (
        "device = c (25% of the traffic) carries the change of its images: +0.50 (+0.40 to +0.60) inside, "
        "-0.02 elsewhere"
    )


def test_the_effect_of_a_part_counts_as_much_as_its_traffic() -> None:
    assert replace(SHARE, part=0.3).effect == pytest.approx(0.081)
