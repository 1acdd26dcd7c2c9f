"""Who is noted for a command."""

from __future__ import annotations

import getpass
import os

import pytest

from monitor.cli.actor import actor


def test_the_name_that_is_given_counts_before_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "jo")
    assert (actor("ann"), actor(None), actor("")) == ("ann", "jo", "jo")


@pytest.mark.parametrize("fault", [KeyError("getpwuid(): uid not found: 1234"), OSError("No username set")])
def test_a_user_without_a_name_is_noted_by_number(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """Containers run under such, and Python says so by one error up to 3.12 and by another after it."""

    def nameless() -> str:
        raise fault

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert actor(None) == f"uid {os.getuid()}"
