"""The settings, the engine, the time of a page, and how long an answer is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Concatenate, Final, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import Connection, Engine

from dashboards.data import pulse
from dashboards.data.pulse import Pulse, patiently
from monitor import bootstrap, settings
from monitor.domain.window import floor
from monitor.errors import StoreError
from monitor.settings import Settings
from monitor.store.engine import require_migrated, transaction

P = ParamSpec("P")
R = TypeVar("R")

FRESH: Final = timedelta(seconds=10)
"""How old a figure on a page may be; also the grain of `now`, so that looks within it share their answers."""
SLOW_TO_CHANGE: Final = timedelta(minutes=1)


@st.cache_resource(show_spinner=False)
def config() -> Settings:
    """The settings, read once."""
    return settings.load()


@st.cache_resource(show_spinner=False, on_release=Pulse.close)
def _pulse() -> Pulse:
    return Pulse(bootstrap.open_store(config(), application="snellen-dashboard-pulse"))


@st.cache_resource(show_spinner=False, on_release=Engine.dispose)
def _engine() -> Engine:
    made = bootstrap.open_store(config(), application="snellen-dashboard")
    try:
        patiently(_pulse(), lambda: require_migrated(made))
    except StoreError:
        made.dispose()
        raise
    return made


def engine() -> Engine:
    """The dashboard's engine, of a server that answered a moment ago: for what writes, which nobody gives up halfway.

    Raises:
        SettingsError: no database is named.
        StoreError: it is not migrated, or does not answer.
    """
    _pulse().require()
    return _engine()


def silence() -> str | None:
    """Where PostgreSQL does not answer, and since when; None where it does. Takes a few seconds at most."""
    return pulse.silence(_pulse())


def asked(question: Callable[[Connection], R]) -> R:
    """The answer to what only reads; a server that hangs meanwhile is noticed within seconds.

    Raises:
        SettingsError: no database is named.
        StoreError: it is not migrated, or does not answer.
    """
    store = _engine()

    def ask() -> R:
        with transaction(store) as connection:
            return question(connection)

    return patiently(_pulse(), ask)


def now() -> datetime:
    """The present, to `FRESH`."""
    return floor(bootstrap.now(), FRESH)


def cached(query: Callable[Concatenate[Connection, P], R], ttl: timedelta = FRESH) -> Callable[P, R]:
    """The query without its connection, each answer kept for `ttl`.

    Raises, when called:
        SettingsError: no database is named.
        StoreError: it is not migrated, or does not answer.
    """

    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        return asked(lambda connection: query(connection, *args, **kwargs))

    # The cache tells functions apart by module and name.
    ask.__qualname__ = ask.__name__ = f"{query.__module__}.{query.__name__}"
    kept: Callable[P, R] = st.cache_data(ttl=ttl, max_entries=200, show_spinner=False)(ask)
    return kept
