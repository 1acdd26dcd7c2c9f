"""Whether what is logged still arrives: without it, figures look fine because they end."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from dashboards import data
from dashboards.frame import View
from dashboards.words import count, moment, plain
from monitor.domain.window import MINUTE, lasting
from monitor.store.queries.streams import PartitionLag

SILENT = 2 * MINUTE
"""Consumers report the end of the log at least this often, also when nothing arrives."""


def to_be_read(lags: Iterable[PartitionLag]) -> list[PartitionLag]:
    """Without those of a former log, and of topics and groups that have left the settings."""
    readers = data.ingest.readers()
    return [one for one in lags if not one.former and (one.group, one.topic) in readers]


def silent(lags: Iterable[PartitionLag]) -> list[PartitionLag]:
    """Partitions that are to be read and are not."""
    return [one for one in to_be_read(lags) if data.now() - one.updated_at > SILENT]


def arriving(view: View) -> None:
    """Say so when nobody reads the log: nothing where all is well, or the range ends in the past."""
    quiet = silent(data.ingest.partition_lags()) if view.live else []
    if not quiet:
        return
    last = max(one.updated_at for one in quiet)
    groups = ", ".join(sorted({one.group for one in quiet}))
    partitions = f"{count(len(quiet))} partition{'s' * (len(quiet) > 1)}"
    for_so_long, since = lasting(data.now() - last), moment(last)
    st.warning(
        f"**Nobody has read {partitions} for {for_so_long}** (group {plain(groups)}, since {since} UTC): what was "
        "logged since then is missing on all pages. Start the collectors again: `snellen status` shows what runs, "
        "Ingest health which partitions stand still.",
        icon=":material/sync_problem:",
    )
