"""Which machine is meant."""

from __future__ import annotations

import pytest

from monitor.hosts import is_local


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:9092",
        "127.0.0.1",
        "127.0.0.1:9092",
        "127.8.9.1",
        "::1",
        "[::1]:9092",
        "/run/pg",
        "@pg",
    ],
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["db", "db.example.org:9092", "10.0.0.7", "2001:db8::1", "[2001:db8::1]:9092", "localhost.example.org"],
)
def test_others_are_others(host: str) -> None:
    assert not is_local(host)
