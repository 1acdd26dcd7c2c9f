"""Slices are found where they were planted, tested on labels that had no part in finding them, and named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.datasets import make_blobs

from monitor.discovery import Discoveries, discover, labelled
from monitor.discovery.trial import share_in_groups, worse_by_chance
from monitor.errors import NotEnoughData
from monitor.explain import Family
from monitor.stats.weighted import weighted_share

N = 2400
DEVICES, TOPICS = np.array(["a", "b", "c", "d"]), np.array(["food", "cars", "texts", "maps", "pets"])


def traffic(rng: np.random.Generator, n: int = N) -> list[dict[str, str]]:
    return [
        {"device": device, "topic": topic}
        for device, topic in zip(rng.choice(DEVICES, n), rng.choice(TOPICS, n), strict=True)
    ]


def verdicts(rng: np.random.Generator, bad: np.ndarray, good: float = 0.9) -> np.ndarray:
    return rng.random(bad.size) < np.where(bad, good - 0.3, good)


def planted_pair(seed: int, per_group: int = 1, **options: object) -> tuple[Discoveries, np.ndarray]:
    rng = np.random.default_rng(seed)
    slices = traffic(rng)
    bad = np.array([one == {"device": "b", "topic": "maps"} for one in slices])  # 5% of the traffic
    rows = labelled(verdicts(rng, bad), slices, groups=minutes(N, per_group))
    return discover(rows, **options), bad  # type: ignore[arg-type]


def minutes(n: int, per_group: int) -> list[str]:
    return (np.arange(n) // per_group).astype(str).tolist()


def test_a_pair_of_values_is_found_and_named() -> None:
    found, bad = planted_pair(0)
    first = found.found[0]
    assert first.conditions == (("device", "b"), ("topic", "maps"))
    assert first.name == "device = b and topic = maps"
    assert np.array_equal(first.members, np.flatnonzero(bad))
    assert -0.3 in first.interval
    assert first.traffic == pytest.approx(0.05, abs=0.02)
    assert first.inside.n < 0.7 * bad.sum()  # figures come from the half that had no part in finding it


@pytest.mark.parametrize("per_group", [1, 10, 30])
def test_planted_pairs_are_found_in_nine_cases_of_ten(per_group: int) -> None:
    """Also where a minute holds many answers that have nothing to do with each other."""
    hits = [any(len(one.conditions) == 2 for one in planted_pair(seed, per_group)[0].found) for seed in range(20)]
    assert sum(hits) >= 18


def test_the_traffic_of_a_slice_is_that_of_its_members() -> None:
    """Two slices that overlap; the one named second is told without the rows of the first."""
    rng = np.random.default_rng(3)
    dark, far = rng.random((2, 4000)) < 0.2
    right = rng.random(4000) < np.where(dark, 0.5, np.where(far, 0.6, 0.92))
    slices = [
        {"light": "dark" if one else "day", "range": "far" if two else "near"}
        for one, two in zip(dark, far, strict=True)
    ]
    found = discover(labelled(right, slices)).found
    assert len(found) == 2
    for one in found:
        assert one.traffic == pytest.approx(one.members.size / 4000, abs=0.015)


def test_what_overlaps_the_slice_is_not_found_as_its_shadow() -> None:
    names = [one.name for seed in range(8) for one in planted_pair(seed)[0].found]
    assert not {"device = b", "topic = maps"} & set(names)


def test_nothing_is_found_where_nothing_is_worse() -> None:
    """Level 5% over everything; 60 looks, so more than 8 would be a surprise of less than 1%."""
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        slices = traffic(rng, 800)
        vectors = {"image": rng.normal(size=(800, 12))}
        found += bool(discover(labelled(rng.random(800) < 0.85, slices, vectors)).found)
    assert found <= 8


@pytest.mark.parametrize(("burst", "alike"), [(2, 1.0), (5, 1.0), (5, 0.7), (20, 1.0)])
def test_near_duplicates_of_one_minute_confirm_nothing(burst: int, alike: float) -> None:
    """Level 5%; without groups nearly every one of these 40 searches confirms something."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(2000 + seed)
        n = 1000 // burst
        scenes, right, which = traffic(rng, n), rng.random(n) < 0.85, np.repeat(np.arange(n), burst)
        correct = np.where(rng.random(1000) < alike, right[which], rng.random(1000) < 0.85)
        rows = labelled(correct, [scenes[one] for one in which], groups=minutes(1000, burst))
        found += bool(discover(rows, seed=seed).found)
    assert found <= 6


def test_intervals_allow_for_groups() -> None:
    """A slice in bursts of five that are answered alike has a fifth of the rows to show for it."""
    rng = np.random.default_rng(0)
    n = 800
    devices, which = rng.choice(DEVICES, n), np.repeat(np.arange(n), 5)
    right = verdicts(rng, devices == "b")
    rows = labelled(right[which], [{"device": devices[one]} for one in which], groups=minutes(5 * n, 5))
    [found] = discover(rows).found
    assert found.inside.effective_n == pytest.approx(found.inside.n / 5, rel=0.1)
    assert -0.3 in found.interval


def test_a_few_groups_that_are_all_wrong_say_no_more_than_they_are() -> None:
    wrong = labelled([0] * 20, [{}] * 20, groups=minutes(20, 10))
    rest = labelled([1] * 270 + [0] * 30, [{}] * 300)
    assert share_in_groups(wrong, rest).effective_n == pytest.approx(2.0)
    assert share_in_groups(rest, wrong).effective_n == 300


def test_searches_of_windows_that_overlap_have_the_same_halves() -> None:
    """A later search looks at most labels again; dealt anew each day, each would have many more chances to err."""
    rng = np.random.default_rng(0)
    slices, names = traffic(rng, 1000), minutes(1000, 2)
    yesterday, today = (
        [set(half.groups.tolist()) for half in labelled([1] * 900, slices[days], groups=names[days]).halves("m")]
        for days in (slice(0, 900), slice(100, 1000))
    )
    assert not yesterday[0] & yesterday[1]
    assert not yesterday[0] & today[1]
    assert not yesterday[1] & today[0]
    assert 180 < len(yesterday[0]) < 270
    other = labelled([1] * 900, slices[:900], groups=names[:900]).halves("another model")[0]
    assert 80 < len(yesterday[0] & set(other.groups.tolist())) < 145


def test_labels_of_one_group_confirm_nothing() -> None:
    rng = np.random.default_rng(0)
    slices = traffic(rng, 400)
    bad = np.array([one["device"] == "b" for one in slices])
    assert (
        discover(labelled(verdicts(rng, bad), slices, {"image": rng.normal(size=(400, 8))}, groups=["0"] * 400)).found
        == ()
    )


def test_a_bad_cluster_without_any_metadata_is_found() -> None:
    rng = np.random.default_rng(4)
    vectors, cluster = make_blobs(N, 32, centers=20, cluster_std=1.0, random_state=4)
    found = discover(labelled(verdicts(rng, cluster == 7), [{}] * N, {"image": vectors})).found
    assert found
    assert found[0].kind == "embedding"
    assert (cluster[found[0].members] == 7).mean() > 0.7
    assert (cluster[found[0].members] == 7).sum() > 0.7 * (cluster == 7).sum()


def test_a_region_is_named_by_the_phrases_in_its_direction() -> None:
    rng = np.random.default_rng(5)
    subjects = rng.choice(3, N, p=[0.5, 0.42, 0.08])
    centres = 4.0 * np.eye(3, 20)
    vectors = centres[subjects] + rng.normal(size=(N, 20))
    family = Family("image", "subject", ("a cat", "a dog", "a bird"), centres)
    rows = labelled(verdicts(rng, subjects == 2), [{}] * N, {"image": vectors})
    found = discover(rows, [family]).found
    assert found[0].name == "a bird"
    as_attribute = labelled(verdicts(rng, subjects == 2), [{}] * N, {"image": vectors}, families=[family])
    assert discover(as_attribute, [family]).found[0].name == "image subject = a bird"


def test_no_two_slices_have_one_name() -> None:
    """Two bad clusters that no direction leads to both of, and no words for either."""
    rng = np.random.default_rng(0)
    side = rng.choice([-1, 0, 1], N, p=[0.05, 0.9, 0.05])
    vectors = rng.normal(size=(N, 8)) + 8.0 * side[:, None] * np.eye(8)[0]
    found = discover(labelled(verdicts(rng, side != 0), [{}] * N, {"image": vectors})).found
    names = [one.name for one in found]
    assert names[:2] == ["a region of the image vectors", "a region of the image vectors (2)"]
    assert len(set(names)) == len(names)


def test_estimates_honour_how_labels_were_drawn() -> None:
    """Wrong answers are drawn five times as often; the estimate is of the traffic, not of the labels."""
    rng = np.random.default_rng(6)
    slices = traffic(rng, 20_000)
    bad = np.array([one["device"] == "c" for one in slices])
    right = verdicts(rng, bad)
    probabilities = np.where(right, 0.1, 0.5)
    drawn = np.flatnonzero(rng.random(20_000) < probabilities)
    found = discover(labelled(right[drawn], [slices[row] for row in drawn], probabilities=probabilities[drawn])).found
    assert found[0].name == "device = c"
    assert found[0].inside.share == pytest.approx(0.6, abs=0.05)
    assert found[0].outside.share == pytest.approx(0.9, abs=0.02)
    assert found[0].traffic == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("table", [(40, 10, 900, 60), (12, 0, 300, 30), (20, 20, 50, 1), (30, 3, 400, 40)])
def test_with_equal_weights_the_test_is_fishers(table: tuple[int, int, int, int]) -> None:
    right, wrong, right_elsewhere, wrong_elsewhere = table
    inside = weighted_share([1] * right + [0] * wrong)
    outside = weighted_share([1] * right_elsewhere + [0] * wrong_elsewhere)
    expected = fisher_exact([[wrong, right], [wrong_elsewhere, right_elsewhere]], alternative="greater").pvalue
    assert worse_by_chance(inside, outside) == pytest.approx(expected, rel=1e-9)


def test_with_unequal_weights_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    fired = 0
    for _ in range(1500):
        sides = []
        for n in (60, 900):
            right = rng.random(n * 4) < 0.85
            probabilities = np.where(right, 0.15, 0.45)
            drawn = rng.random(n * 4) < probabilities
            sides.append(weighted_share(right[drawn], probabilities[drawn]))
        fired += worse_by_chance(*sides) <= 0.05
    assert fired / 1500 <= 0.06


def test_the_same_seed_gives_the_same_slices() -> None:
    one, other = planted_pair(2)[0], planted_pair(2)[0]
    assert [found.name for found in one.found] == [found.name for found in other.found]
    assert [found.adjusted_p for found in one.found] == [found.adjusted_p for found in other.found]


def test_rows_without_vectors_or_values_lie_in_no_slice() -> None:
    rng = np.random.default_rng(8)
    slices = [one if index % 2 else {} for index, one in enumerate(traffic(rng))]
    vectors = rng.normal(size=(N, 6))
    vectors[::3] = np.nan
    bad = np.array([one.get("device") == "a" for one in slices])
    found = discover(labelled(verdicts(rng, bad), slices, {"image": vectors})).found
    assert found[0].name == "device = a"


@pytest.mark.parametrize(
    ("correct", "slices", "vectors", "probabilities"),
    [
        ([1, 0, 2], [{}] * 3, None, None),
        ([1, 0], [{}] * 3, None, None),
        ([1, 0], [{}] * 2, {"image": np.zeros((3, 2))}, None),
        ([1, 0], [{}] * 2, {"image": np.zeros(2)}, None),
        ([1, 0], [{}] * 2, None, [0.5]),
        ([1, 0], [{}] * 2, None, [0.5, 0.0]),
        ([1, 0], [{}] * 2, None, [0.5, 1.5]),
        ([], [], None, None),
    ],
)
def test_bad_labels_are_refused(correct: object, slices: object, vectors: object, probabilities: object) -> None:
    with pytest.raises(NotEnoughData):
        labelled(correct, slices, vectors, probabilities)  # type: ignore[arg-type]


def test_groups_must_be_as_many_as_labels() -> None:
    with pytest.raises(NotEnoughData, match="3 labels cannot be paired with the names of 2 groups"):
        labelled([1, 0, 1], [{}] * 3, groups=["0", "1"])


@pytest.mark.parametrize(
    "groups",
    ["abc", np.array("minute"), [["a"], ["b", "c"], ["d"]], [["a"], ["b"], ["c"]], [None, "a", None], 7,
     [float("nan"), 1.0, float("nan")], ["a", float("nan"), "b"], np.ma.masked_array(["a", "b", "c"], [1, 0, 0]),
     np.array(["2026-11-20", "NaT", "2026-11-21"], "M8[m]")],
    ids=["a text", "0-d", "ragged", "a column", "none", "a number", "NaN", "NaN beside texts", "masked", "no time"],
)  # fmt: skip
def test_groups_without_a_name_are_refused(groups: object) -> None:
    with pytest.raises(NotEnoughData, match="3 labels"):
        labelled([1, 0, 1], [{}] * 3, groups=groups)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "groups", [["7", "7", "8"], np.array([7, 7, 8]), np.array([7, 7, 8], "M8[m]"), np.array(["7", "7", "8"], object)]
)
def test_texts_numbers_and_times_name_groups(groups: np.ndarray) -> None:
    first, second, third = labelled([1, 0, 1], [{}] * 3, groups=groups).groups.tolist()
    assert first == second != third


def test_a_value_of_none_is_none() -> None:
    rows = labelled([1, 0, 1], [{"d": None}, {"d": "x"}, {}])  # type: ignore[dict-item]
    assert rows.attributes["d"].tolist() == ["", "x", ""]


@pytest.mark.parametrize("slices", [[{"d": 3}] * 3, [{"d": float("nan")}] * 3, [1, 2, 3], None, 3, "abc", np.array(3)])
def test_metadata_that_are_no_texts_are_refused(slices: object) -> None:
    with pytest.raises(NotEnoughData, match="metadata"):
        labelled([1, 0, 1], slices)  # type: ignore[arg-type]


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="at least 200"):
        discover(labelled([1] * 199, [{}] * 199))
    with pytest.raises(NotEnoughData):
        discover(labelled([1, 0] * 150, [{}] * 300), alpha=1.0)


def test_all_right_finds_nothing() -> None:
    assert discover(labelled([1] * 400, traffic(np.random.default_rng(0), 400))).found == ()


@pytest.mark.parametrize(("known", "why"), [(600, "all of them are the same"), (12, "12 labelled rows have one")])
def test_vectors_that_can_have_no_regions_are_named(known: int, why: str) -> None:
    """What the metadata hold is found all the same."""
    rng = np.random.default_rng(0)
    slices = traffic(rng, 600)
    bad = np.array([one["device"] == "b" for one in slices])
    vectors = np.full((600, 16), np.nan)
    vectors[:known] = rng.normal(size=16) if known == 600 else rng.normal(size=(known, 16))
    correct = verdicts(rng, bad)
    correct[:known] &= known == 600  # the few that have a vector are all wrong
    for seed in range(4):
        found = discover(labelled(correct, slices, {"image": vectors}), seed=seed)
        [(kind, reason)] = found.unsearched
        assert kind == "image"
        assert reason.startswith(why)
        assert "device = b" in [one.name for one in found.found]
        assert discover(labelled(correct, slices), seed=seed).found[0].name == found.found[0].name
