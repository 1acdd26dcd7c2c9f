"""What a reference and a comparison refuse, and in whose words."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.archive import is_whole, pack, unpack
from monitor.drift.compare import compare, smallest_distance
from monitor.drift.dispersion import Dispersion, estimate
from monitor.drift.fit import Fit
from monitor.drift.persistence import persists
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import Sketch, sketch
from monitor.errors import FingerprintMismatch, NotEnoughData, UnreadableState

ROWS, DIMENSION, PER_WINDOW = 24 * 60, 8, 60
WINDOWS = np.arange(ROWS) // PER_WINDOW


def rows(seed: int = 0, n: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, DIMENSION)) * np.linspace(2, 0.5, DIMENSION)


@pytest.mark.parametrize(
    "windows",
    [
        [[1, 2], [3]],
        np.ma.masked_less(WINDOWS, 3),
        WINDOWS.astype(float),
        WINDOWS[:-1],
        WINDOWS.astype(np.uint64) + np.uint64(2**63),
        [str(one) for one in WINDOWS],
        None,
    ],
    ids=["ragged", "masked", "floats", "too few", "beyond 63 bits", "texts", "nothing"],
)
def test_window_numbers_are_one_whole_number_a_row(windows: object) -> None:
    with pytest.raises(NotEnoughData, match="1440 rows need as many whole window numbers"):
        build(rows(), windows, "bad")  # type: ignore[arg-type]


def test_hours_of_the_rows_are_whole() -> None:
    with pytest.raises(NotEnoughData, match="1440 rows need as many whole hours since the epoch"):
        build(rows(), WINDOWS, "bad", hours=[[1], [2, 3]])


@pytest.mark.parametrize(
    "hours", [{0.5: 100}, {"0": 100}, [100], {0: "many"}, {0: 40}], ids=["half", "text", "list", "words", "too few"]
)
def test_hours_of_a_window_are_whole_and_match_its_rows(hours: object) -> None:
    made = build(rows(), WINDOWS, "bad", hours=np.arange(ROWS) // 12)
    assert made.fit.season is not None
    with pytest.raises(NotEnoughData):
        _compare(made, rows(1, 100), hours=hours)


@pytest.mark.parametrize("size", [1e-29, 1e29], ids=["tiny", "huge"])
def test_the_scale_of_vectors_does_not_matter(size: float) -> None:
    plain = _compare(build(rows(), WINDOWS, "plain"), rows(1, 100) + 0.3)
    scaled = _compare(build(size * rows(), WINDOWS, "scaled"), size * (rows(1, 100) + 0.3))
    assert scaled.p_value == pytest.approx(plain.p_value, rel=0.05)
    assert scaled.effect == pytest.approx(plain.effect, abs=0.01)


@pytest.mark.parametrize("vectors", [np.ones((ROWS, DIMENSION)), rows() + 1e8], ids=["alike", "nearly"])
def test_vectors_that_hardly_vary_beside_their_size_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(NotEnoughData, match=r"are the same, or nearly: they spread by .* about a mean of length"):
        build(vectors, WINDOWS, "constant")


def test_bytes_of_another_version_are_whole_and_damaged_ones_are_not() -> None:
    data = build(rows(), WINDOWS, "stored").fit.to_bytes()
    facts, arrays = unpack(data, "snellen fit 2")
    assert is_whole(data)
    assert is_whole(pack("snellen fit 99", facts | {"kind": "snellen fit 99"}, arrays))
    for damaged in (
        b"",
        data[:-1],
        data[: len(data) // 2],
        data[:900] + b"?" + data[901:],
        data.replace(b"axes", b"oxes"),
    ):
        assert not is_whole(damaged)


def test_changed_bytes_of_a_fit_are_refused_in_words() -> None:
    data, rng = build(rows(), WINDOWS, "stored").fit.to_bytes(), np.random.default_rng(5)
    for _ in range(400):
        changed = bytearray(data)
        for place in rng.integers(len(data), size=3):
            changed[place] ^= int(rng.integers(1, 256))
        try:
            Fit.from_bytes(bytes(changed))
        except UnreadableState:
            continue


@pytest.mark.parametrize("kind", [Fit, Dispersion])
def test_bytes_of_something_else_are_refused_without_advice_to_unpickle_them(kind: type[Fit | Dispersion]) -> None:
    with pytest.raises(
        UnreadableState, match=r"these bytes are damaged, or hold no snellen .*; make the reference anew$"
    ):
        kind.from_bytes(b"something else")


@pytest.mark.parametrize(
    "spoil",
    [lambda units: units[:, :-1], lambda units: units[:, 0], lambda units: units * 1.0, lambda units: units.tolist()],
    ids=["a column less", "one column", "no units", "a list"],
)
def test_features_of_no_fit_are_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    made = build(rows(), WINDOWS, "made")
    features = spoil(made.fit.features(rows()))
    for take in (lambda: Sketch.of_features(features, made.fit), lambda: estimate(features, WINDOWS, made.fit)):
        with pytest.raises(FingerprintMismatch, match=f"rows of {made.fit.width} whole units"):
            take()


@pytest.mark.parametrize("sizes", [(0, 100), (100, 0), (-100, 50), (100.5, 50)])
def test_the_smallest_distance_needs_rows_on_both_sides(sizes: tuple[int, int]) -> None:
    with pytest.raises(NotEnoughData, match=r"a whole number of at least 1 (reference|current) rows is needed"):
        smallest_distance(*sizes, build(rows(), WINDOWS, "made").dispersion)


def test_of_too_few_windows_there_is_no_law() -> None:
    dispersion = build(rows()[: 6 * PER_WINDOW], WINDOWS[: 6 * PER_WINDOW], "few").dispersion
    for ask in (
        lambda: smallest_distance(300, 100, dispersion),
        lambda: dispersion.law("mean_shift", 100),
        lambda: dispersion.replication,
    ):
        with pytest.raises(NotEnoughData, match="4 windows do not tell how much they vary; 8 are needed"):
            ask()


@pytest.mark.parametrize("needed", [0, -1, 1.5, None])
def test_persistence_needs_a_look_that_drifts(needed: object) -> None:
    with pytest.raises(NotEnoughData, match="at least 1 looks that drift is needed"):
        persists([], needed=needed)  # type: ignore[arg-type]


def _compare(made: Reference, current: np.ndarray, **options: object):  # type: ignore[no-untyped-def]
    return compare(made.fit, made.baseline, sketch(current, made.fit), made.dispersion, **options)  # type: ignore[arg-type]
