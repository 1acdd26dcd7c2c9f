from __future__ import annotations

import numpy as np
import pytest

from monitor.drift.fit import MAX_AXES, MIN_FIT_ROWS, Fit, learn
from monitor.errors import FingerprintMismatch, NotEnoughData, UnreadableState
from monitor.stats.exact_sums import to_values


@pytest.mark.parametrize("dimension", [1, 2, 16, 64, 512])
def test_features_are_centred_and_of_unit_variance_on_the_rows_of_the_fit(traffic, dimension) -> None:  # type: ignore[no-untyped-def]
    rows = traffic(dimension).rows(600)
    fit = learn(rows, "clip@1")
    features = to_values(fit.features(rows))
    for name in fit.blocks.keys() - {"novelty"}:  # which is so on rows that the fit has not seen: see test_novelty
        block = fit.blocks[name]
        assert np.abs(features[:, block].mean(axis=0)).max() < 0.15, name
        assert features[:, block].var(axis=0).max() < 1.15, name
        assert features[:, block].var(axis=0).max() > 0.6, name
    assert fit.dimension == dimension


def test_axes_never_outnumber_what_rows_and_dimensions_allow(traffic) -> None:  # type: ignore[no-untyped-def]
    assert learn(traffic(512).rows(2000), "e").scales.size == MAX_AXES
    assert learn(traffic(512).rows(100), "e").scales.size == 10
    assert learn(traffic(16).rows(2000), "e").scales.size == 16


def test_residual_energy_does_not_apply_where_nothing_is_left_over(traffic) -> None:  # type: ignore[no-untyped-def]
    for dimension in (1, 2, 16, MAX_AXES):
        assert "residual_energy" not in learn(traffic(dimension).rows(600), "e").blocks
    assert "residual_energy" in learn(traffic(MAX_AXES + 1).rows(600), "e").blocks


def test_the_order_of_rows_does_not_matter(traffic) -> None:  # type: ignore[no-untyped-def]
    rows = traffic(64).rows(300)
    assert (
        learn(rows, "e").id
        == learn(rows[::-1], "e").id
        == learn(rows[np.random.default_rng(1).permutation(300)], "e").id
    )


def test_the_id_tells_embedders_and_rows_apart(traffic) -> None:  # type: ignore[no-untyped-def]
    rows = traffic(16).rows(300)
    ids = {learn(rows, "clip@1").id, learn(rows, "clip@2").id, learn(rows[:-1], "clip@1").id}
    assert len(ids) == 3


def test_a_stored_fit_reads_vectors_exactly_as_before(traffic) -> None:  # type: ignore[no-untyped-def]
    rows = traffic(64).rows(300)
    fit = learn(rows, "clip@1")
    again = Fit.from_bytes(fit.to_bytes())
    assert (again.id, again.fingerprint, again.to_bytes()) == (fit.id, "clip@1", fit.to_bytes())
    np.testing.assert_array_equal(again.features(rows), fit.features(rows))


def test_half_precision_is_read_like_single_precision(traffic) -> None:  # type: ignore[no-untyped-def]
    world = traffic(64)
    fit, rows = learn(world.rows(400), "e"), world.rows(50)
    single, half = (to_values(fit.features(rows.astype(kind))) for kind in (np.float32, np.float16))
    for features in (single, half):  # of a square the last digit counts as much more as the number is larger
        features[:, list(fit.squares.values())] **= 0.5
    apart = np.abs(single - half)
    threshold = apart[:, fit.blocks["tail_energy"]]  # a step, softened: a row may cross it
    assert threshold.max() < 0.25
    assert threshold.mean() < 0.01
    apart[:, fit.blocks["tail_energy"]] = 0.0
    apart[:, fit.squares["tail_energy"]] = 0.0
    assert apart.max() < 0.05


def test_no_single_row_reaches_far(traffic) -> None:  # type: ignore[no-untyped-def]
    fit = learn(traffic(64).rows(400), "e")
    features = to_values(fit.features(np.full((1, 64), 1e6)))
    for name in fit.blocks.keys() - {"novelty"}:  # whose reach is its own: see test_novelty
        block = fit.blocks[name]
        width = block.stop - block.start
        assert np.linalg.norm(features[0, block]) <= np.sqrt(width) + 3 + 1e-4


def test_a_few_distinct_prompts_are_traffic_too(traffic) -> None:  # type: ignore[no-untyped-def]
    prompts = traffic(64).rows(6)
    rows = prompts[np.random.default_rng(0).integers(6, size=300)]
    fit = learn(rows, "e")
    assert fit.scales.size == 5
    assert np.isfinite(to_values(fit.features(rows))).all()


def test_vectors_are_not_changed(traffic) -> None:  # type: ignore[no-untyped-def]
    rows = traffic(16).rows(200)
    kept = rows.copy()
    learn(rows, "e").features(rows)
    np.testing.assert_array_equal(rows, kept)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda rows: rows[: MIN_FIT_ROWS - 1], "at least 50"),
        (lambda rows: rows[0], "2 dimension"),
        (lambda rows: rows[:, :0], "no columns"),
        (lambda rows: np.where(rows == rows[3, 3], np.nan, rows), "NaN"),
        (lambda rows: np.repeat(rows[:1], 100, axis=0), "the same"),
        (lambda rows: np.zeros((100, 16)), r"all 100 vectors are the same"),
    ],
    ids=["few rows", "one row", "no columns", "NaN", "equal rows", "zeros"],
)
def test_rows_that_cannot_be_fitted_are_refused(traffic, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData, match=words):
        learn(damage(traffic(16).rows(200)), "e")


def test_another_embedder_is_refused(traffic) -> None:  # type: ignore[no-untyped-def]
    fit = learn(traffic(16).rows(200), "clip@1")
    fit.demand("clip@1")
    with pytest.raises(FingerprintMismatch, match="clip@2"):
        fit.demand("clip@2")
    with pytest.raises(FingerprintMismatch, match="another embedder"):
        fit.features(traffic(8).rows(5))


@pytest.mark.parametrize("data", [b"", b"garbage", b"PK\x03\x04 broken"])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableState, match="make the reference anew"):
        Fit.from_bytes(data)


def test_bytes_of_something_else_are_refused(traffic) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableState, match="hold no snellen fit"):
        Fit.from_bytes(traffic(16).reference().dispersion.to_bytes())


def test_a_fit_with_an_unknown_detector_is_refused(traffic) -> None:  # type: ignore[no-untyped-def]
    fit = learn(traffic(16).rows(200), "e")
    newer = Fit(fit.fingerprint, fit.mean, fit.axes, fit.scales, fit.variance, {**fit.parameters, "of_tomorrow": {}})
    with pytest.raises(UnreadableState, match="of_tomorrow"):
        Fit.from_bytes(newer.to_bytes())
