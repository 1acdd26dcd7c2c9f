"""Fits, dispersions and sketches written by an older version, which knew five detectors, still compare.

`stored/of_five_detectors.json` was written by the code of commit 41906cd: 800 rows in 16 windows, 3-d normal, then a
window of 60 more such rows and one whose first coordinate is moved by 1.5 of its standard deviations. Bytes are base64.
"""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.drift import DETECTORS
from monitor.drift.archive import unpack
from monitor.drift.compare import compare
from monitor.drift.dispersion import Dispersion
from monitor.drift.fit import Fit, learn
from monitor.drift.sketch import Sketch, merge, sketch
from monitor.errors import FingerprintMismatch, UnreadableState


@cache
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "stored" / "of_five_detectors.json").read_text())
    return found


def fit() -> Fit:
    return Fit.from_bytes(b64decode(stored()["fit"]))


def dispersion() -> Dispersion:
    return Dispersion.from_bytes(b64decode(stored()["dispersion"]))


def baseline() -> Sketch:
    return Sketch.from_bytes(b64decode(stored()["baseline"]))


def test_a_fit_keeps_the_detectors_that_it_was_made_with_and_learns_no_others() -> None:
    assert list(fit().blocks) == stored()["detectors"]
    assert set(fit().blocks) < set(DETECTORS)
    assert fit().season is None


def test_versions_that_know_no_squares_read_fits_without_them_alone() -> None:
    """Their sketches would be shorter than those that others add to the same hour."""
    new = learn(np.random.default_rng(1).normal(size=(300, 3)), "e")
    assert unpack(fit().to_bytes(), "snellen fit 1")
    with pytest.raises(UnreadableState, match="hold no snellen fit 1; make the reference anew"):
        unpack(new.to_bytes(), "snellen fit 1")


@pytest.mark.parametrize(
    ("read", "part", "array"), [(Fit, "fit", "scales"), (Dispersion, "dispersion", "spread/ratios")]
)
def test_what_an_archive_lost_that_names_no_arrays_is_damage(
    read: type[Fit | Dispersion], part: str, array: str
) -> None:
    facts, arrays = unpack(b64decode(stored()[part]), "snellen fit 1", "snellen dispersion 1")
    del arrays[array]
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, facts=np.array(json.dumps(facts)), **arrays)
    with pytest.raises(UnreadableState, match=f"they lack '{array}'; make the reference anew"):
        read.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("window", ["same", "moved"])
def test_stored_parts_give_the_verdict_that_they_gave_then(window: str) -> None:
    then = stored()[window]
    result = compare(fit(), baseline(), Sketch.from_bytes(b64decode(then["sketch"])), dispersion())
    assert result.verdict.value == then["verdict"]
    assert [one.name for one in result.detectors] == stored()["detectors"]


def test_fits_of_before_rows_lengths_were_kept_give_intervals_without_them() -> None:
    sketches = {window: Sketch.from_bytes(b64decode(stored()[window]["sketch"])) for window in ("same", "moved")}
    assert fit().squares == {}
    assert sketches["moved"].variance(fit(), "mean_shift") is None
    same, moved = (compare(fit(), baseline(), one, dispersion()) for one in sketches.values())
    assert same.distance_interval is not None
    assert moved.distance_interval is not None
    assert same.distance_interval[0] == 0.0 < moved.distance_interval[0] < 1.5 < moved.distance_interval[1]


@pytest.mark.parametrize("window", ["same", "moved"])
def test_the_rows_of_then_give_the_sketch_of_then(window: str) -> None:
    then = Sketch.from_bytes(b64decode(stored()[window]["sketch"]))
    now = sketch(np.array(stored()[window]["rows"]), fit())
    assert (now.fit_id, now.n) == (then.fit_id, then.n)
    # Half a unit for each row: what stands between the two are the last digits of products and sines.
    assert np.abs(now.sums - then.sums).max() <= now.n / 2


def test_a_new_sketch_merges_with_a_stored_one_but_not_with_that_of_a_new_fit() -> None:
    rows = np.array(stored()["same"]["rows"])
    assert merge(baseline(), sketch(rows, fit())).n == baseline().n + len(rows)
    with pytest.raises(FingerprintMismatch, match="different fits"):
        merge(baseline(), sketch(rows, learn(rows, "clip@1")))


def test_bytes_that_are_cut_off_say_what_to_do() -> None:
    for read, name in ((Fit.from_bytes, "fit"), (Dispersion.from_bytes, "dispersion")):
        with pytest.raises(UnreadableState, match="make the reference anew"):
            read(b64decode(stored()[name])[:-200])
