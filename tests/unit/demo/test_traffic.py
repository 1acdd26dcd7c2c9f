"""The demo's requests: when they come, what they ask, and that an incident changes nothing but what it names."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from demo.cameras import CAMERAS, FACTORY, Pixels, photograph, to_jpeg
from demo.captions import class_texts
from demo.conditions import Conditions
from demo.incidents import INCIDENTS
from demo.scenes import render
from demo.traffic import BUSIEST_HOUR, DAILY_SWING, QUESTIONS, TRUNCATED, Case, Traffic, rate_at

START = datetime(2026, 11, 14, 7, 30, tzinfo=UTC)
QUIET = Conditions()


def cases(length: timedelta, conditions: Conditions = QUIET, *, per_minute: float = 3.0, seed: int = 0) -> list[Case]:
    traffic = Traffic("run", START, per_minute=per_minute, seed=seed)
    found = []
    while traffic.next_at < START + length:
        found.append(traffic.take(conditions))
    return found


@pytest.fixture(scope="module")
def two_days() -> list[Case]:
    return cases(timedelta(days=2))


def test_requests_come_in_order_at_the_average_rate_with_ids_of_their_own(two_days: list[Case]) -> None:
    assert all(first.ts < second.ts for first, second in pairwise(two_days))
    assert len({case.request_id for case in two_days}) == len(two_days)
    expected = 3 * 60 * 24 * 2
    assert abs(len(two_days) - expected) < 5 * np.sqrt(expected)


def test_the_counts_of_each_hour_of_the_day_follow_the_rate(two_days: list[Case]) -> None:
    seen = Counter(case.ts.hour for case in two_days)
    means = [
        2 * sum(rate_at(datetime(2026, 11, 14, hour, minute, tzinfo=UTC), 3.0) for minute in range(60))
        for hour in range(24)
    ]
    distance = sum((seen[hour] - mean) ** 2 / mean for hour, mean in enumerate(means))
    assert stats.chi2.sf(distance, 24) > 0.001


def test_the_rate_is_highest_in_the_afternoon_and_averages_to_what_was_asked_for() -> None:
    rates = [rate_at(datetime(2026, 11, 14, hour, tzinfo=UTC), 3.0) for hour in range(24)]
    assert np.argmax(rates) == BUSIEST_HOUR
    assert max(rates) == pytest.approx(3 * (1 + DAILY_SWING))
    assert np.mean(rates) == pytest.approx(3)


def test_most_requests_ask_in_words_and_the_others_name_a_set_of_classes(two_days: list[Case]) -> None:
    asked = [case for case in two_days if case.task == "vqa"]
    assert len(asked) / len(two_days) == pytest.approx(QUESTIONS, abs=0.03)
    for case in two_days:
        assert (case.prompt is None) == (case.task == "classification")
        assert case.truth in case.candidates
        if case.prompt is None:
            assert len(class_texts(case.attribute)) == len(case.candidates)
        else:
            assert case.truth not in case.prompt.rstrip("?.").split(" ")


def test_a_few_uploads_break_off(two_days: list[Case]) -> None:
    broken = sum(case.truncated_to is not None for case in two_days)
    assert stats.binomtest(broken, len(two_days), TRUNCATED).pvalue > 0.001


def test_every_camera_sends_its_share(two_days: list[Case]) -> None:
    seen = Counter(case.device for case in two_days)
    expected = [camera.share * len(two_days) for camera in CAMERAS.values()]
    assert stats.chisquare([seen[name] for name in CAMERAS], expected).pvalue > 0.001


def test_one_seed_gives_one_stream_and_another_seed_another() -> None:
    hour = timedelta(hours=1)
    assert cases(hour) == cases(hour)
    assert [case.scene for case in cases(hour)] != [case.scene for case in cases(hour, seed=1)]


def test_the_campaign_changes_questions_and_neither_times_nor_pictures() -> None:
    hours = timedelta(hours=6)
    quiet, campaign = cases(hours), cases(hours, INCIDENTS["campaign"].alter(QUIET))
    assert [(case.request_id, case.ts, case.device, case.scene) for case in quiet] == [
        (case.request_id, case.ts, case.device, case.scene) for case in campaign
    ]
    changed = [one for one, other in zip(campaign, quiet, strict=True) if one.prompt != other.prompt]
    assert len(changed) / len(campaign) == pytest.approx(INCIDENTS["campaign"].alter(QUIET).campaign_share, abs=0.06)
    assert all(case.task == "vqa" for case in changed)


def test_other_incidents_change_no_request() -> None:
    hours = timedelta(hours=2)
    for name in INCIDENTS.keys() - {"campaign"}:
        assert cases(hours, INCIDENTS[name].alter(QUIET)) == cases(hours)


def test_a_camera_takes_nearly_what_was_there_and_the_new_firmware_shifts_and_blurs_it(two_days: list[Case]) -> None:
    firmware = next(iter(set(INCIDENTS["camera"].alter(QUIET).firmware.values()) - {FACTORY}))
    camera = CAMERAS["camera-1"]
    scenes = [render(case.scene) for case in two_days[:50]]
    plain = [photograph(pixels, camera, FACTORY, np.random.default_rng(0)) for pixels in scenes]
    altered = [photograph(pixels, camera, firmware, np.random.default_rng(0)) for pixels in scenes]
    sharp = [photograph(pixels, camera, replace(firmware, blur=0.0), np.random.default_rng(0)) for pixels in scenes]

    assert np.abs(np.mean(plain, axis=(0, 1, 2)) - np.mean(scenes, axis=(0, 1, 2))).max() < 4
    red, _, blue = np.mean(altered, axis=(0, 1, 2)) / np.mean(plain, axis=(0, 1, 2))
    assert red < 0.75
    assert blue > 1.05
    assert grain(altered) < 0.6 * grain(sharp)


def grain(pictures: Sequence[Pixels]) -> float:
    """How much neighbours along a line differ."""
    return float(np.abs(np.diff(np.asarray(pictures, dtype=int), axis=2)).mean())


def test_uploads_are_jpeg_files_of_some_kilobytes(two_days: list[Case]) -> None:
    content = to_jpeg(render(two_days[0].scene), 75)
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 64), "RGB")
    assert 500 < len(content) < 10_000
