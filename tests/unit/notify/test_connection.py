"""Connections on loopback: to whichever address answers, and over in time whatever hangs."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from monitor.deadline import Deadline
from monitor.notify.connection import connected
from tests.pace import wait_for, within

DEAF = "127.0.0.2"
Named = Callable[..., None]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    """Gives the name `receiver.test` addresses, or has looking it up do something else."""
    system = socket.getaddrinfo

    def name(*addresses: str, first: Callable[[], object] = lambda: None) -> None:
        def look_up(host: str, port: int, *rest: int, **options: int) -> list[object]:
            if host == "receiver.test":
                first()
            of_host = addresses if host == "receiver.test" else (host,)
            return [entry for address in of_host for entry in system(address, port, *rest, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return name


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def port(listening: socket.socket) -> Iterator[int]:
    """One listens there; at the address `DEAF`, connections are neither taken nor refused, for its queue is full."""
    number = listening.getsockname()[1]
    with ExitStack() as held:
        held.enter_context(socket.create_server((DEAF, number), backlog=0))
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((DEAF, number))
        yield number


def refused(port: int, seconds: float, error: str) -> None:
    """It is found that there is no connection to be had."""
    with pytest.raises(OSError, match=error), connected("receiver.test", port, None, seconds):
        pytest.fail("there is one")


def test_a_name_with_many_addresses_that_hang_is_left_in_time(named: Named, port: int) -> None:
    named(*[DEAF] * 6)
    within(3, lambda: refused(port, 0.6, "timed out"))


def test_an_address_that_hangs_leaves_the_others_their_time(named: Named, port: int, listening: socket.socket) -> None:
    named(DEAF, "127.0.0.1")
    with connected("receiver.test", port, None, 4) as wire:
        assert wire.getpeername() == listening.getsockname()


def test_a_name_server_that_hangs_is_left_in_time(named: Named, port: int) -> None:
    release = threading.Event()
    named("127.0.0.1", first=lambda: release.wait(10))
    try:
        within(3, lambda: refused(port, 0.2, "not resolved in time"))
    finally:
        release.set()


def test_a_name_server_that_hangs_keeps_no_process_from_its_end() -> None:
    """The scheduler ends within its time, whatever a receiver's name server does."""
    hangs = (
        "import socket, time; socket.getaddrinfo = lambda *a, **k: time.sleep(60)\n"
        "from monitor.notify.connection import connected\n"
        "try:\n    with connected('receiver.test', 80, None, 0.2): pass\n"
        "except TimeoutError as error: print(error)"
    )
    done = within(20, lambda: subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, check=True))
    assert done.stdout == "its name was not resolved in time\n"


def test_the_fault_of_the_last_address_is_told(named: Named) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    named("127.0.0.1", "127.0.0.1")
    refused(port, 10, "refused")


def test_a_connection_that_is_closed_as_its_time_runs_out_is_left_alone() -> None:
    """An exception of the timer's thread fails the test, see pytest's threadexception."""
    left, right = socket.socketpair()
    with left, right, Deadline(0.05).cutting(left):
        left.close()
        [timer] = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
        wait_for(lambda: not timer.is_alive(), 10, "its time is over")


def test_one_that_was_handed_to_its_reader_is_cut_all_the_same() -> None:
    """As http.client closes its own end of a connection whose answer says that it is the last."""
    left, right = socket.socketpair()
    with left, right, left.makefile("rb") as reader, Deadline(0.05).cutting(left):
        left.close()
        assert reader.read() == b""
