"""Patterns from the settings are refused at the start when they cannot work."""

from __future__ import annotations

import pytest

from monitor import settings
from monitor.errors import SettingsError
from monitor.privacy.patterns import compile_patterns

# Examples of OWASP's page on regular expression denial of service, and of RE2's and Python's own documentation.
EXPLODING = [r"(a+)+$", r"(a|aa)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(.*a){12}", r"(x+x+)+y"]
SOUND = [r"E-\d{6}", r"\d+x", r"\b\d{3}-\d{2}-\d{4}\b", r"(?i)secret\s*[:=]\s*\S+", r"[A-Z]{2}\d{2}(?: ?\w{4}){3,7}"]


@pytest.mark.parametrize("expression", SOUND)
def test_an_ordinary_pattern_is_taken(expression: str) -> None:
    (pattern,) = compile_patterns({"one": expression})
    assert pattern.name == "one"


@pytest.mark.parametrize("expression", EXPLODING[:4])
def test_a_pattern_that_explodes_is_refused_with_the_text_that_shows_it(expression: str) -> None:
    with pytest.raises(SettingsError, match="takes more than 20 ms on 1001 characters"):
        compile_patterns({"one": expression})


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        compile_patterns({"Wrong name": "x", "empty": "x*", "broken": "(", "fine": "x"})
    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "privacy.patterns.Wrong name", "privacy.patterns.empty", "privacy.patterns.broken",
    ]  # fmt: skip


def test_settings_refuse_them_at_the_start() -> None:
    with pytest.raises(SettingsError, match=r"privacy\.patterns\.one.*\(a\+\)\+\$"):
        settings.load(privacy={"patterns": {"one": "(a+)+$"}})


def test_settings_do_not_show_a_key_that_is_too_short() -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load(privacy={"keys": ["hunter2"]})
    assert "privacy.keys" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_person_is_no_slice() -> None:
    with pytest.raises(SettingsError, match="counts per person outlive their erasure"):
        settings.load(privacy={"subject": ["slices.user"]}, ingest={"slice_dimensions": ["device", "user"]})
