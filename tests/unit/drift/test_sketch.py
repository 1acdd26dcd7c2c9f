from __future__ import annotations

from dataclasses import replace
from functools import cache, reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.drift.fit import BLOCK, Fit, learn
from monitor.drift.sketch import Sketch, merge, sketch
from monitor.errors import FingerprintMismatch, NotEnoughData, UnreadableState
from monitor.stats.exact_sums import to_values

DIMENSION = 6


@cache
def frozen(fingerprint: str = "clip@1") -> Fit:
    return learn(np.random.default_rng(0).standard_normal((200, DIMENSION)), fingerprint)


windows = arrays(np.float32, st.tuples(st.integers(1, 8), st.just(DIMENSION)), elements=st.floats(-8, 8, width=32))


@given(windows, windows, windows)
def test_merging_is_associative_commutative_and_has_a_neutral_element(a, b, c) -> None:  # type: ignore[no-untyped-def]
    first, second, third = (sketch(rows, frozen()) for rows in (a, b, c))
    assert merge(merge(first, second), third) == merge(first, merge(second, third))
    assert merge(first, second) == merge(second, first)
    assert merge(first, Sketch.empty(frozen())) == first


@given(windows, windows)
def test_the_merged_sketch_is_that_of_all_rows(a, b) -> None:  # type: ignore[no-untyped-def]
    assert merge(sketch(a, frozen()), sketch(b, frozen())) == sketch(np.concatenate([a, b]), frozen())


def test_a_window_longer_than_a_block_is_the_sum_of_whatever_parts_it_comes_in(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(512)
    fit, rows = learn(world.rows(200), "e"), world.rows(2 * BLOCK + 700)
    parts = [sketch(part, fit) for part in np.array_split(rows, [1, 17, BLOCK - 3, 2 * BLOCK])]
    assert reduce(merge, parts) == sketch(rows, fit) == Sketch.of_features(fit.features(rows), fit)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_of_any_precision_are_read_as_the_numbers_they_are_and_left_alone(traffic, kind) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    fit, rows = learn(world.rows(200), "e"), world.rows(80).astype(kind)
    rows.flags.writeable = False
    assert sketch(rows, fit) == sketch(rows.astype(np.float64).tolist(), fit)


@given(windows, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(rows)))
    random.shuffle(order)
    assert sketch(rows[order], frozen()) == sketch(rows, frozen())


@given(windows)
def test_stored_sketches_are_equal_and_as_small_as_said(rows) -> None:  # type: ignore[no-untyped-def]
    made = sketch(rows, frozen())
    data = made.to_bytes()
    assert Sketch.from_bytes(data) == made
    assert hash(Sketch.from_bytes(data)) == hash(made)
    width = next(w for w in range(4, 9) if np.abs(made.sums + (made.sums < 0)).max() < 2 ** (8 * w - 1))
    assert len(data) == 26 + width * made.sums.size


@pytest.mark.parametrize("sum_", [0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**62, -(2**63), 2**63 - 1])
def test_sums_of_any_size_survive_being_stored(sum_: int) -> None:
    made = Sketch(frozen().id, 7, np.array([sum_, 5, -5], dtype=np.int64))
    assert Sketch.from_bytes(made.to_bytes()).sums.tolist() == [sum_, 5, -5]


def test_an_image_stream_takes_a_kilobyte_an_hour(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(512)
    fit = learn(world.rows(2000), "e")
    assert len(sketch(world.rows(40), fit).to_bytes()) <= 1024
    assert len(sketch(np.tile(world.rows(40), (100, 1)), fit).to_bytes()) <= 1024
    assert len(sketch(traffic(1).rows(40), learn(traffic(1).rows(2000), "e")).to_bytes()) < 200


def test_features_made_once_serve_every_slice(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    fit, rows = learn(world.rows(200), "e"), world.rows(30)
    features = fit.features(rows)
    assert Sketch.of_features(features[::3], fit) == sketch(rows[::3], fit)


def test_the_location_of_a_stream_of_one_number_is_its_mean() -> None:
    rng = np.random.default_rng(0)
    fit = learn(rng.normal(0.3, 0.05, (200, 1)), "e")
    for far in (0.3, -5.0):
        rows = rng.normal(far, 0.05, (80, 1))
        assert sketch(rows, fit).location(fit) == pytest.approx(rows.mean(axis=0), abs=1e-5)


def test_the_location_lies_along_the_leading_axes(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(16)
    fit, rows = learn(world.rows(200), "e"), world.rows(50)
    np.testing.assert_allclose(sketch(rows, fit).location(fit), rows.mean(axis=0) @ fit.axes[:, :3], atol=1e-5)


def test_sketches_of_different_fits_do_not_mix() -> None:
    rows = np.zeros((3, DIMENSION))
    first, second = sketch(rows, frozen("clip@1")), sketch(rows, frozen("clip@2"))
    with pytest.raises(FingerprintMismatch):
        merge(first, second)
    with pytest.raises(FingerprintMismatch, match=r"clip@2"):
        first.means(frozen("clip@2"), "mean_shift")


def test_an_empty_sketch_has_no_means() -> None:
    with pytest.raises(NotEnoughData, match="empty"):
        Sketch.empty(frozen()).location(frozen())


@pytest.mark.parametrize("rows", [np.zeros((0, DIMENSION)), np.zeros(DIMENSION), np.full((2, DIMENSION), np.inf)])
def test_unusable_rows_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(NotEnoughData):
        sketch(rows, frozen())


@pytest.mark.parametrize(
    "damage", [lambda d: d[:20], lambda d: d[:-3], lambda d: b"\x09" + d[1:]], ids=["cut", "torn", "other version"]
)
def test_damaged_bytes_are_refused(damage) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableState):
        Sketch.from_bytes(damage(sketch(np.zeros((3, DIMENSION)), frozen()).to_bytes()))


@pytest.mark.parametrize(
    "damage", [lambda data, width: data[:-width], lambda data, width: data + data[-width:]], ids=["cut", "lengthened"]
)
def test_whole_sums_that_were_cut_off_or_added_are_refused_where_a_sketch_is_read(damage) -> None:  # type: ignore[no-untyped-def]
    made = sketch(np.ones((3, DIMENSION)), frozen())
    data = made.to_bytes()
    damaged = Sketch.from_bytes(damage(data, data[25]))
    for read in (
        damaged.demand,
        damaged.location,
        lambda fit: damaged.means(fit, "mean_shift"),
        lambda _: merge(made, damaged),
    ):
        with pytest.raises(UnreadableState, match="damaged"):
            read(frozen())


def test_how_much_rows_vary_is_the_sum_of_their_features_variances(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64)
    fit, rows = learn(world.rows(400), "e"), world.rows(300)
    whole = merge(sketch(rows[:100], fit), sketch(rows[100:], fit))
    features = to_values(fit.features(rows))
    for name, block in fit.blocks.items():
        assert whole.variance(fit, name) == pytest.approx(features[:, block].var(axis=0).sum(), rel=1e-4)
    assert features.shape[1] == fit.width == len(whole.sums)
    assert sketch(np.tile(rows[:1], (50, 1)), fit).variance(fit, "mean_shift") == pytest.approx(0.0, abs=1e-3)


def test_an_older_fit_keeps_its_identity_and_does_without_variances(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64)
    fit = learn(world.rows(400), "e")
    older = replace(fit, has_squares=False)
    again = Fit.from_bytes(older.to_bytes())
    assert (again.id, again.has_squares, again.width) == (older.id, False, fit.width - len(fit.blocks))
    assert (Fit.from_bytes(fit.to_bytes()).id, fit.id != older.id) == (fit.id, True)
    assert sketch(world.rows(60), again).variance(again, "mean_shift") is None
