from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.errors import SettingsError
from monitor.sampling import selected, uniform

IDS = [f"req-{number:06d}" for number in range(20_000)]


def test_numbers_are_uniform_for_consecutive_ids() -> None:
    assert stats.kstest([uniform(one, "embed") for one in IDS], "uniform").pvalue > 0.001


def test_keys_draw_independently() -> None:
    tables = np.histogram2d([uniform(one, "embed") for one in IDS], [uniform(one, "label") for one in IDS], bins=8)[0]
    assert stats.chi2_contingency(tables).pvalue > 0.001


def test_keys_that_differ_in_one_letter_draw_independently() -> None:
    first, second = ([uniform(one, key) for one in IDS] for key in ("key-a", "key-b"))
    assert abs(stats.spearmanr(first, second).statistic) < 4 / np.sqrt(len(IDS))


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_the_sample_has_the_size_of_its_rate(rate: float) -> None:
    taken = sum(selected(one, rate, "label") for one in IDS)
    assert stats.binomtest(taken, len(IDS), rate).pvalue > 0.001


def test_the_numbers_never_change_between_versions() -> None:
    # A replica of an older version must choose the same requests: these values are a contract.
    secret = blake2b(b"embed", digest_size=32).digest()
    expected = int.from_bytes(blake2b(b"req-1", key=secret, digest_size=8).digest(), "big") / 2**64
    assert uniform("req-1", "embed") == pytest.approx(expected, abs=1e-15)
    assert uniform("req-1", "embed") == 0.015570067922028863


@given(st.text(), st.text())
def test_any_text_gives_the_same_number_below_one(request_id: str, key: str) -> None:
    assert uniform(request_id, key) == uniform(request_id, key)
    assert 0.0 <= uniform(request_id, key) < 1.0


def test_lone_surrogates_and_long_keys_are_accepted() -> None:
    assert uniform("\ud800", "k" * 1000) != uniform("\ud801", "k" * 1000)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_keeps_whoever_was_selected(request_id: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert selected(request_id, high, "k") or not selected(request_id, low, "k")


@given(st.text())
def test_rate_zero_takes_nobody_and_one_everybody(request_id: str) -> None:
    assert not selected(request_id, 0.0, "k")
    assert selected(request_id, 1.0, "k")


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match="rate"):
        selected("req-1", rate, "k")
