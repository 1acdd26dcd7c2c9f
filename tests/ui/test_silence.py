"""A PostgreSQL that hangs: pages say so within seconds, since when, and what to do."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
import streamlit as st
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from dashboards.data.pulse import IN_BACKGROUND, Pulse, patiently
from monitor.embedded.postgres import Postgres
from monitor.errors import StoreUnavailable
from monitor.store.engine import make_engine, transaction
from tests.pace import within

Open = Callable[..., AppTest]
FEW = 20.0
"""Seconds: pages take five, and the machine may be busy."""


@contextmanager
def hanging(server: Postgres) -> Iterator[None]:
    """It takes connections and questions, and answers none."""
    identity = server.process.id
    assert identity is not None
    leader = psutil.Process(identity.pid)
    stopped = [leader]
    leader.send_signal(signal.SIGSTOP)  # first, so that it starts no more of the others
    stopped += leader.children(recursive=True)
    for one in stopped[1:]:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)
        for thread in threading.enumerate():  # what was given up ends now, and gives its connection back
            if thread.name == IN_BACKGROUND:
                thread.join(FEW)


def faults(app: AppTest) -> list[str]:
    assert not app.exception
    return [one.value for one in app.code if "does not answer" in one.value]


@pytest.mark.usefixtures("seeded")
def test_a_page_that_is_opened_says_within_seconds_that_the_store_hangs(
    open_page: Open, postgres_server: Postgres
) -> None:
    with hanging(postgres_server):
        app = within(FEW, open_page)
        (fault,) = faults(app)
        assert "since 2026-03-02 12:00:00 UTC" in fault
        assert any("snellen status" in one.value for one in app.caption)
    assert not faults(app.run())
    assert app.metric


@pytest.mark.usefixtures("seeded")
def test_a_page_whose_questions_hang_is_not_waited_for(open_page: Open, postgres_server: Postgres) -> None:
    app = open_page()
    with hanging(postgres_server):
        st.cache_data.clear()  # else answers of before would do
        within(FEW, app.run)
        (fault,) = faults(app)
        assert "its last answer came at 2026-03-02 12:00:00 UTC" in fault


@pytest.mark.usefixtures("seeded")
def test_figures_that_were_read_before_stay_and_are_said_to_be_old(open_page: Open, postgres_server: Postgres) -> None:
    app = open_page()
    with hanging(postgres_server):
        time.sleep(2.5)  # the last answer proves nothing any more; answers are kept for longer
        within(FEW, app.run)
        assert faults(app)
        assert app.error[0].value == "**The figures below are those of 12:00:00 UTC: the store does not answer.**"
        assert app.metric


def test_a_long_question_is_waited_for_while_others_are_answered(database_url: str) -> None:
    engine, other = make_engine(database_url), make_engine(database_url)
    assert patiently(Pulse(other), lambda: slept(engine, 3)) == 3
    engine.dispose()
    other.dispose()


def slept(engine: Engine, seconds: int) -> int:
    with transaction(engine) as connection:
        return int(connection.execute(text("SELECT :s FROM pg_sleep(:s)"), {"s": seconds}).scalar_one())


def test_what_the_work_raises_is_raised(database_url: str) -> None:
    engine = make_engine(database_url)

    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        patiently(Pulse(engine), fail)
    engine.dispose()


def test_however_many_wait_the_server_is_asked_once(database_url: str, postgres_server: Postgres) -> None:
    engine = make_engine(database_url)
    pulse = Pulse(engine)
    with hanging(postgres_server):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                within(FEW, pulse.require)
        assert engine.pool.checkedout() <= 1  # type: ignore[attr-defined]
    within(FEW, pulse.require)
    engine.dispose()
