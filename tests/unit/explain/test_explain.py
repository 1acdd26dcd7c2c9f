"""What moved is named: made-up windows whose change is known, each altered in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.errors import FingerprintMismatch, NotEnoughData
from monitor.explain import Explanation, Family, Rows, explain
from monitor.explain.words import in_words

DIMENSION = 24
KINDS = ("cat", "dog", "bird")
DEVICES = ("a", "b", "c", "d")
CENTRES = np.random.default_rng(5).normal(size=(len(KINDS), DIMENSION))
FAMILY = Family("image", "subject", tuple(f"a photo of a {one}" for one in KINDS), CENTRES)


def window(
    rng: np.random.Generator, n: int, *, birds: float = 0.1, device: str | None = None, turned: str | None = None,
    darker: float = 0.0, mispaired: bool = False,
) -> Rows:  # fmt: skip
    """Pictures about the centre of what they show, with prompts about the same. `device` sends half of the traffic,
    `turned` is a device whose pictures lie elsewhere."""
    kinds = rng.choice(3, n, p=[(1 - birds) / 2, (1 - birds) / 2, birds])
    devices = rng.choice(DEVICES, n)
    if device is not None:
        devices[rng.random(n) < 0.5] = device
    images = CENTRES[kinds] + rng.normal(size=(n, DIMENSION))
    images[devices == turned, :3] += 4.0
    prompts = CENTRES[kinds] + 0.5 * rng.normal(size=(n, DIMENSION))
    return Rows(
        slices=[{"device": one, "client": "web" if rng.random() < 0.5 else "app"} for one in devices.tolist()],
        vectors={"image": images, "prompt": np.roll(prompts, 1, axis=0) if mispaired else prompts},
        features={"brightness": rng.normal(0.5 - darker, 0.1, n), "sharpness": rng.normal(-4, 1, n)},
    )


def explained(seed: int = 0, n: int = 800, m: int = 500, **change: object) -> Explanation:
    rng = np.random.default_rng(seed)
    return explain(window(rng, n), window(rng, m, **change), [FAMILY])  # type: ignore[arg-type]


def test_more_birds_are_named_with_their_share_before_and_now() -> None:
    found = explained(birds=0.5).first
    assert found is not None
    assert (found.kind, found.name, found.of) == ("concept", "a photo of a bird", "image")
    assert found.before == pytest.approx(0.1, abs=0.08)
    assert 0.5 in found.interval
    assert found.effect == pytest.approx(abs(found.now - found.before))
    assert found.adjusted_p < 1e-6


def test_a_device_that_sends_more_is_named() -> None:
    found = explained(device="b").first
    assert found is not None
    assert (found.kind, found.of, found.name, found.within) == ("slice", "device", "b", ALL_TRAFFIC)
    assert found.now == pytest.approx(0.625, abs=0.08)


def test_darker_pictures_are_named_with_the_change_in_standard_deviations() -> None:
    found = explained(darker=0.15).first
    assert found is not None
    assert (found.kind, found.name) == ("feature", "brightness")
    assert found.change == pytest.approx(-1.5, abs=0.25)
    assert -1.5 in found.interval


@pytest.mark.parametrize("fixed", [0.0, np.log(4 / 3), -1e-7, 1e8])
@pytest.mark.parametrize("by", [0.4, -0.4])
def test_a_measurement_that_did_not_vary_is_told_in_its_own_unit(fixed: float, by: float) -> None:
    """One camera with one format; then four of five pictures are cropped. The truth: 0.8 x 0.4 more, in 80%."""
    rng = np.random.default_rng(4)
    before = Rows([{}] * 400, features={"aspect": np.full(400, fixed)})
    now = Rows([{}] * 600, features={"aspect": fixed + by * (rng.random(600) < 0.8)})
    found = explain(before, now).first
    assert found is not None
    assert not found.in_deviations
    assert found.change == pytest.approx(0.8 * by, rel=0.1)
    assert 0.8 * by in found.interval
    assert 0.02 < found.interval.upper - found.interval.lower < 0.1  # 2 x 1.97 x 0.4 sqrt(0.16 / 300) = 0.036
    assert 0.8 * np.sign(by) in found.dominance.interval
    words = in_words(found)
    assert words.startswith("aspect rose from" if by > 0 else "aspect fell from")
    assert "SD" not in words


def test_a_constant_that_becomes_another_has_an_effect_with_an_interval() -> None:
    features = [{"aspect": np.full(100, value)} for value in (np.log(4 / 3), np.log(3 / 2))]
    found = explain(*(Rows([{}] * 100, features=one) for one in features)).first
    assert found is not None
    bound = "0.90"  # 1 - sqrt(2) z^2 / (50 + z^2): none against all of 50 held-out rows
    assert in_words(found) == f"aspect rose from 0.288 to 0.405, effect +1.00 (+{bound} to +1.00)"


def test_the_last_bit_of_a_constant_is_no_cause() -> None:
    fixed = np.log(4 / 3)
    features = [{"aspect": np.full(100, value)} for value in (fixed, np.nextafter(fixed, 1.0))]
    assert not explain(*(Rows([{}] * 100, features=one) for one in features)).causes


def test_pictures_that_meet_other_prompts_are_named() -> None:
    found = explained(mispaired=True).first
    assert found is not None
    assert (found.kind, found.name) == ("pairing", "image-text agreement")
    assert found.now < found.before


def test_the_device_whose_pictures_changed_carries_the_change() -> None:
    found = explained(turned="c")
    [carrier] = found.carriers
    assert carrier.slice == Slice("device", "c")
    assert carrier.kind == "image"
    assert carrier.share == pytest.approx(0.25, abs=0.06)
    assert carrier.inside.interval.lower > 0.5
    assert abs(carrier.outside.delta) < 0.3
    assert found.first is not None
    assert found.first.within == Slice("device", "c")


def test_a_change_everywhere_has_no_carrier() -> None:
    assert not explained(birds=0.6).carriers
    assert not explained(darker=0.2).carriers


def test_the_rows_that_moved_score_highest() -> None:
    rng = np.random.default_rng(3)
    current = window(rng, 500, turned="c")
    [image, _] = explain(window(rng, 800), current, [FAMILY]).shifts
    top = np.argsort(-image.current_scores)[:50]
    assert sum(current.slices[row]["device"] == "c" for row in top) >= 45
    assert image.auc > 0.55


def test_nothing_is_confirmed_where_nothing_moved() -> None:
    """Level 5% for any confirmed cause; 60 looks, so more than 8 would be a surprise of less than 1%."""
    confirmed = [explained(seed, n=300, m=200).first is not None for seed in range(60)]
    assert sum(confirmed) <= 8


def test_bursts_of_near_duplicates_do_not_become_causes() -> None:
    """40 bursts of 10 near-duplicates a window: as rows of their own they would confirm nearly anything."""
    honest, naive = 0, 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        windows = []
        for _ in range(2):
            few = window(rng, 40)
            groups = np.repeat(np.arange(40), 10)
            many = few.take(groups)
            blurred = {kind: one + 0.01 * rng.normal(size=one.shape) for kind, one in many.vectors.items()}
            windows.append(replace(many, vectors=blurred, groups=groups))
        honest += explain(*windows, [FAMILY]).first is not None
        naive += explain(*(replace(one, groups=None) for one in windows), [FAMILY]).first is not None
    assert honest <= 4
    assert naive >= 15


def test_the_share_that_made_room_is_not_a_cause_of_its_own() -> None:
    names = [one.name for one in explained(birds=0.6).causes if one.kind == "concept" and one.confirmed]
    assert names == ["a photo of a bird"]


def test_something_that_vanished_is_named() -> None:
    rng = np.random.default_rng(0)
    found = explain(window(rng, 800, birds=0.4), window(rng, 500, birds=0.0), [FAMILY]).causes
    birds = [one for one in found if one.name == "a photo of a bird"]
    assert birds
    assert birds[0].confirmed
    assert birds[0].now < 0.1 < birds[0].before


def test_the_same_seed_gives_the_same_answer_and_inputs_stay_as_they_are() -> None:
    rng = np.random.default_rng(1)
    before, now = window(rng, 300), window(rng, 200, birds=0.5)
    copies = before.vectors["image"].copy(), now.features["brightness"].copy()
    one, other = explain(before, now, [FAMILY]), explain(before, now, [FAMILY])
    assert one.causes == other.causes
    assert np.array_equal(before.vectors["image"], copies[0])
    assert np.array_equal(now.features["brightness"], copies[1])


def test_rows_without_a_vector_or_a_measurement_are_left_out() -> None:
    rng = np.random.default_rng(2)
    before, now = window(rng, 600), window(rng, 600, birds=0.5, darker=0.1)
    for rows in (before, now):
        rows.vectors["image"][::3] = np.nan
        rows.vectors["prompt"][::2] = np.nan
        rows.features["brightness"][::5] = np.nan
    found = explain(before, now, [FAMILY])
    assert {"a photo of a bird", "brightness"} <= {one.name for one in found.causes if one.confirmed}
    assert np.isnan(found.shifts[0].current_scores[0])


def test_slices_alone_can_be_explained() -> None:
    def rows(n: int, share: float) -> Rows:
        return Rows([{"country": "fr" if index < share * n else "de"} for index in range(n)])

    found = explain(rows(400, 0.2), rows(400, 0.5)).first
    assert found is not None
    assert (found.name, found.kind) == ("fr", "slice")


Break = Callable[[], object]


@pytest.mark.parametrize(
    "breaks",
    [
        lambda: explain(window(np.random.default_rng(0), 59), window(np.random.default_rng(0), 500)),
        lambda: explain(window(np.random.default_rng(0), 500), window(np.random.default_rng(0), 10)),
        lambda: explain(window(np.random.default_rng(0), 99), window(np.random.default_rng(0), 99), alpha=0.0),
        lambda: explain(window(np.random.default_rng(0), 99), window(np.random.default_rng(0), 99), confidence=1.0),
        lambda: Rows(None),  # type: ignore[arg-type]
        lambda: Rows({"device": "a"}),  # type: ignore[arg-type]
        lambda: Rows(["device", "device"]),  # type: ignore[list-item]
        lambda: Rows([{"device": 1}, {}]),  # type: ignore[dict-item]
        lambda: Rows([{"device": None}, {}]),  # type: ignore[dict-item]
        lambda: Rows([{}, {}], vectors={"image": np.zeros((3, 2))}),
        lambda: Rows([{}, {}], features={"brightness": np.zeros((2, 1))}),
        lambda: Rows([{}, {}], vectors={"image": np.array([[1.0], [np.inf]])}),
        lambda: Rows([{}, {}], vectors={"image": np.full((2, 3), 1e200)}),
        lambda: Rows([{}, {}], vectors={"image": np.zeros((2, 0))}),
        lambda: Rows([{}, {}], vectors={"image": [[1.0], [1.0, 2.0]]}),  # type: ignore[dict-item]
        lambda: Rows([{}, {}], features={"brightness": np.array([1.0, -np.inf])}),
        lambda: Rows([{}, {}], features={"brightness": np.array(["a", "b"])}),  # type: ignore[dict-item]
        lambda: Rows([{}, {}], features={"brightness": np.array([object(), 1.0])}),
        lambda: Rows([{}, {}], features={"brightness": np.ma.masked_equal([1.0, 2.0], 2.0)}),
        lambda: Rows([{}, {}], groups=np.zeros(2)),  # type: ignore[arg-type]
        lambda: Rows([{}, {}], groups=[[1], [1, 2]]),  # type: ignore[arg-type]
        lambda: Rows([{}, {}], groups=np.ma.masked_equal([1, 2], 2)),
        lambda: Family("image", "light", ("dark",), np.ones((1, 3))),
        lambda: Family("image", "light", ("dark", "bright"), np.ones((3, 3))),
        lambda: Family("image", "light", ("dark", "bright"), np.full((2, 3), np.nan)),
        lambda: Family("image", "light", ("dark", "bright"), np.zeros((2, 3))),
    ],
    ids=[
        "few before",
        "few now",
        "alpha",
        "confidence",
        "no slices",
        "slices of one row",
        "slices without a dimension",
        "numbers for slices",
        "nothing for a slice",
        "vectors",
        "feature",
        "infinite vectors",
        "large vectors",
        "vectors without columns",
        "ragged vectors",
        "infinite feature",
        "texts",
        "objects",
        "masked feature",
        "groups",
        "ragged groups",
        "masked groups",
        "one phrase",
        "vectors of phrases",
        "phrases of no number",
        "phrases without length",
    ],
)
def test_bad_input_is_refused(breaks: Break) -> None:
    with pytest.raises(NotEnoughData):
        breaks()


def test_concepts_of_another_length_are_refused() -> None:
    rng = np.random.default_rng(0)
    wrong = Family("image", "light", ("dark", "bright"), np.eye(2, 7))
    with pytest.raises(NotEnoughData, match="image light"):
        explain(window(rng, 100), window(rng, 100), [wrong])


def test_vectors_of_two_encoders_are_refused() -> None:
    rng = np.random.default_rng(0)
    before, now = (Rows([{}] * 100, {"image": rng.normal(size=(100, width))}) for width in (8, 5))
    with pytest.raises(FingerprintMismatch, match="image vectors of the two windows have 8 and 5"):
        explain(before, now)


def test_kinds_of_different_encoders_are_looked_at_each_by_itself() -> None:
    """Their cosine is not defined, so there is no agreement between them; both moved."""
    rng = np.random.default_rng(0)

    def rows(shift: float) -> Rows:
        return Rows(
            [{}] * 300, {"image": rng.normal(size=(300, 8)) + shift, "prompt": rng.normal(size=(300, 5)) + shift}
        )

    found = explain(rows(0.0), rows(2.0))
    assert [one.kind for one in found.shifts if one.interval.lower > 0.5] == ["image", "prompt"]
    assert "pairing" not in [one.kind for one in found.causes]


def test_lists_and_other_numbers_are_taken_as_arrays_are() -> None:
    rng = np.random.default_rng(0)
    vectors, measured = rng.normal(size=(2, 100, 4)).astype(np.float16), rng.integers(0, 9, (2, 100))
    measured[1] += 3

    def both(as_given: Callable[[np.ndarray], object]) -> Explanation:
        return explain(*(Rows([{}] * 100, {"image": as_given(one)}, {"words": as_given(other)})  # type: ignore[dict-item]
                         for one, other in zip(vectors, measured, strict=True)))  # fmt: skip

    assert both(np.ndarray.tolist).causes == both(np.asarray).causes == both(np.float64).causes  # type: ignore[arg-type]
    assert both(np.asarray).first is not None
