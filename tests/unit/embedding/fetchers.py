"""Fetchers, and a name server of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.embedding.fetching import Fetcher, FetchLimits, Resolve
from monitor.embedding.places import Places
from monitor.embedding.refusals import Refusal
from monitor.errors import ImageRefused

LOOPBACK = ["127.0.0.0/8"]
PATIENT = FetchLimits(max_bytes=100_000, total_s=60, connect_s=60, silence_s=60, at_once=20)
"""Answers that come are not missed on a machine that stands still for seconds."""
HASTY = replace(PATIENT, total_s=1.5, connect_s=0.8, silence_s=0.8)
"""Slow strangers are given up soon, so that the tests are quick."""

_made: list[Fetcher] = []


def make(places: Places, limits: FetchLimits, cafile: Path | None, resolve: Resolve) -> Fetcher:
    """A fetcher that `close_all` closes."""
    _made.append(Fetcher(places, limits, cafile, resolve))
    return _made[-1]


def close_all() -> None:
    while _made:
        _made.pop().close()


class Names:
    """A name server that is asked for what it is told to answer; all unknown names lead to loopback."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.get(host, ["127.0.0.1"])


def refusal(fetcher: Fetcher, reference: str) -> Refusal:
    with pytest.raises(ImageRefused) as caught:
        fetcher.fetch(reference)
    assert len(str(caught.value)) > 20
    return caught.value.reason
