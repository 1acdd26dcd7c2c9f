"""Times and windows as options: what lacks its zone, or ends too early, is told in the same words by every command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.cli.windows import moment, window_of

NAIVE, AWARE = "2026-11-21T10:00:00", "2026-11-21T12:00:00+02:00"
SILENCE = ("silence", "add", "*", "--reason", "new disks")
HUGE = "99999999999999999999"
REFERENCE = ("reference", "create", "--model", "m")


def refusal(*words: str) -> str:
    """What a command says to options that it does not take, without its frame."""
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.replace("│", " ").split())


TIMES = [
    ("evaluate", "--as-of", NAIVE),
    ("evaluate", "--as-of", AWARE, "--since", NAIVE),
    ("review", "--as-of", NAIVE),
    ("canary", "--as-of", NAIVE),
    ("metrics", "--since", NAIVE),
    ("metrics", "--until", NAIVE),
    ("dlq", "list", "--since", NAIVE),
    ("dlq", "replay", "--until", NAIVE),
    ("dlq", "purge", "--before", NAIVE),
    (*REFERENCE, "--since", NAIVE, "--until", AWARE),
    (*REFERENCE, "--since", AWARE, "--until", NAIVE),
    (*SILENCE, "--since", NAIVE, "--until", AWARE),
    (*SILENCE, "--until", NAIVE),
]
"""Every command with a time, which lacks its zone."""


@pytest.mark.parametrize("words", TIMES, ids=" ".join)
def test_a_time_without_a_zone_is_refused_and_written_with_one(words: tuple[str, ...]) -> None:
    assert f"{NAIVE} has no time zone; write e.g. {NAIVE}Z" in refusal(*words)


@pytest.mark.parametrize("words", TIMES, ids=" ".join)
def test_what_is_no_time_is_refused_with_one_that_is(words: tuple[str, ...]) -> None:
    said = refusal(*("yesterday" if one == NAIVE else one for one in words))
    assert "'yesterday' is no time; write e.g. 2026-11-21T14:00Z" in said


@pytest.mark.parametrize("written", ["2026-11-21T10:00Z", "2026-11-21t10:00:00.5z", "2026-11-21 10:00+00:00"])
def test_times_are_taken_as_people_write_them(written: str) -> None:
    assert moment(written).replace(microsecond=0) == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize("command", [REFERENCE, SILENCE], ids=" ".join)
def test_a_window_that_does_not_end_later_is_refused(command: tuple[str, ...]) -> None:
    assert "--until must come later than --since" in refusal(*command, "--since", AWARE, "--until", f"{NAIVE}Z")


def test_a_reference_is_made_of_what_has_come() -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert "--until: has not come yet: only past traffic can be known as good; now is" in refusal(
        *REFERENCE, "--since", AWARE, "--until", ahead
    )


def test_a_backfill_ends_neither_in_the_future_nor_before_it_begins() -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert "--as-of: has not come yet: live evaluation would pass over it, untold" in refusal(
        "evaluate", "--as-of", ahead
    )
    assert "--since: lies after --as-of" in refusal("evaluate", "--as-of", AWARE, "--since", "2026-11-21T10:00:01Z")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("metrics", "--until", "0001-01-02T00:00:00Z"), "0001-01-02T00:00:00+00:00 is not of the years 1970 to 9998"),
        (("review", "--as-of", "9999-12-31T23:59:59Z"), "is not of the years"),
        (("review", "--week", "0001-W01"), "0001-01-01T00:00:00+00:00 is not of the years"),
        (("review", "--week", "9999-W52"), "'9999-W52' is no ISO week"),
        ((*SILENCE, "--until", "9999-12-31T23:59:59Z"), "is not of the years"),
        (
            ("explain", "--model", "m", "--reference", "0001-01-01T00Z/0001-01-02T00Z", "--current", "x"),
            "is not of the",
        ),
        (("silence", "list", "--days", "99999999"), "less than or equal to 36525"),
        (("silence", "list", "--days", "-1"), "greater than or equal to 0"),
        (("silence", "end", HUGE), "less than or equal to 9223372036854775807"),
        (("labels", "status", "--days", "99999999"), "less than or equal to 36525"),
        (("labels", "export", "--out", "t.csv", "--limit", HUGE), "less than or equal to 2147483647"),
        (("ingest", "check", "x", "--limit", HUGE), "less than or equal to 2147483647"),
        (("dlq", "list", "--limit", HUGE), "less than or equal to 2147483647"),
        (("dlq", "show", HUGE), "less than or equal to 9223372036854775807"),
        (("dlq", "replay", "1", HUGE), "less than or equal to 9223372036854775807"),
        (("reference", "activate", HUGE), "less than or equal to 9223372036854775807"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_times_and_numbers_beyond_what_can_be_are_refused(words: tuple[str, ...], fault: str) -> None:
    assert fault in refusal(*words)


def test_a_window_in_one_word_is_refused_with_its_option() -> None:
    with pytest.raises(typer.BadParameter, match=r"^--window '2026-11-21/x': write 2026-"):
        window_of("2026-11-21/x", "--window")
