"""Collectors that stopped: pages say that what they show ends, instead of looking fine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def heard_of(engine: Engine, ago: timedelta, partition: int = 1) -> None:
    query = text("UPDATE stream_offsets SET updated_at = :at WHERE partition = :partition")
    with engine.begin() as connection:
        connection.execute(query, {"at": NOW - ago, "partition": partition})


@pytest.mark.parametrize("page", ["overview", "on_call"])
def test_a_partition_that_nobody_reads_is_told_with_what_to_do(open_page: Open, seeded: Engine, page: str) -> None:
    heard_of(seeded, timedelta(minutes=7))
    (warning,) = [one.value for one in open_page(page).warning if "Nobody has read" in one.value]
    assert "**Nobody has read 1 partition for 7 min**" in warning
    assert "since 2026-03-02 11:53 UTC" in warning
    assert "`snellen status`" in warning


def test_a_partition_that_reports_is_not_told(open_page: Open, seeded: Engine) -> None:
    heard_of(seeded, timedelta(minutes=1))
    assert not [one for one in open_page().warning if "Nobody has read" in one.value]


@pytest.mark.parametrize(
    "left",
    ["topic = 'renamed.predictions'", "consumer_group = 'former-ingest'", "consumer_group = 'snellen-embed'"],
    ids=["a topic", "a group", "the model"],
)
def test_what_has_left_the_settings_is_no_longer_missed(open_page: Open, seeded: Engine, left: str) -> None:
    heard_of(seeded, timedelta(days=7))
    with seeded.begin() as connection:
        connection.execute(text(f"UPDATE stream_offsets SET {left} WHERE partition = 1"))
    assert not [one for one in open_page().warning if "Nobody has read" in one.value]
    app = open_page("ingest")
    assert not [one for one in app.warning if "not been heard of" in one.value]
    [states] = [list(one.value["state"]) for one in app.dataframe if "state" in one.value and "lag" in one.value]
    assert sum(one.startswith("no longer read") for one in states) == 1


def test_the_embed_group_is_missed_where_there_is_a_model(
    open_page: Open, seeded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNELLEN_EMBEDDER__MODEL", "ViT-B-32")
    heard_of(seeded, timedelta(minutes=7))
    with seeded.begin() as connection:
        connection.execute(text("UPDATE stream_offsets SET consumer_group = 'snellen-embed' WHERE partition = 1"))
    assert [one for one in open_page().warning if "Nobody has read 1 partition" in one.value]


def test_a_range_of_the_past_is_not_judged_by_what_is_read_now(open_page: Open, seeded: Engine) -> None:
    heard_of(seeded, timedelta(minutes=7))
    app = open_page(**{"range": "Custom", "from": "2026-03-01T00:00", "to": "2026-03-02T00:00"})
    assert not app.exception
    assert not [one for one in app.warning if "Nobody has read" in one.value]
